"""Copy a trained model into the package, the last step of a release's training.

    python -m research.scripts.bundle runs/out/reelworld-tiny/model reelworld-tiny
    python -m research.scripts.bundle runs/everyday/model everyday --card card.json \\
        --weights video_sentence=0.4 frame_sentence=0.4 patch_word=0.2

The card of the bundled model gets the SHA-256 of its weights, which a test checks, and what
`--card` adds to it: languages, quality, notes. `--weights` are those of the granularities, where
validation says that others than the trained ones are better. `--frames` is the number of frames per
clip, where fewer than the model was made for are as good.
"""

import argparse
import hashlib
import json
from pathlib import Path

import torch

from finereel.models.choice import BUNDLED, DRAWN, EVERYDAY
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load, save
from finereel.recipes.run import with_frames, with_weights

LARGEST_MIB = {DRAWN: 12, EVERYDAY: 32}
PRECISIONS = {DRAWN: torch.float16, EVERYDAY: torch.int8}


def bundle(
    model: RetrievalModel, folder: Path, dtype: torch.dtype, card: dict[str, object]
) -> float:
    """Write a model in a precision, with what its card is to say; returns MiB of weights."""
    save(model, folder, dtype)
    weights = folder / "model.safetensors"
    described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    described["card"] |= {**card, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
    (folder / "config.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    return weights.stat().st_size / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("name", choices=sorted(BUNDLED))
    parser.add_argument("--card", type=Path, help="JSON object to add to the card")
    parser.add_argument("--weights", nargs="+", metavar="GRANULARITY=WEIGHT")
    parser.add_argument("--frames", type=int, help="frames per clip, at most the model's own")
    arguments = parser.parse_args()
    model = load(arguments.model)
    if arguments.weights:
        pairs = (given.split("=") for given in arguments.weights)
        model = with_weights(model, {name: float(weight) for name, weight in pairs})
    if arguments.frames:
        model = with_frames(model, arguments.frames)
    card = json.loads(arguments.card.read_text(encoding="utf-8")) if arguments.card else {}
    folder = BUNDLED[arguments.name]
    size = bundle(model, folder, PRECISIONS[arguments.name], card)
    if size > LARGEST_MIB[arguments.name]:
        raise SystemExit(
            f"{folder} has {size:.1f} MiB of weights, at most {LARGEST_MIB[arguments.name]} may ship"
        )
    print(f"{arguments.name}: {size:.1f} MiB, fingerprint {load(folder).fingerprint}")


if __name__ == "__main__":
    main()
