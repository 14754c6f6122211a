"""Copy a trained model into the package in half precision, the last step of a release's training.

python -m research.scripts.bundle runs/out/reelworld-tiny/model reelworld-tiny
"""

import argparse
from pathlib import Path

import torch

from finereel.models.choice import BUNDLED
from finereel.models.saving import load, save

LARGEST_MIB = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("name", choices=sorted(BUNDLED))
    arguments = parser.parse_args()
    folder = BUNDLED[arguments.name]
    save(load(arguments.model), folder, torch.float16)
    size = (folder / "model.safetensors").stat().st_size / 2**20
    if size > LARGEST_MIB:
        raise SystemExit(f"{folder} has {size:.1f} MiB of weights, at most {LARGEST_MIB} may ship")
    print(f"{arguments.name}: {size:.1f} MiB, fingerprint {load(folder).fingerprint}")


if __name__ == "__main__":
    main()
