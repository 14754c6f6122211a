"""Fit the record of words of a model on ReelWorld's validation scenes, and write it to its card:

python -m research.scripts.word_record --model FOLDER --scenes 150
"""

import argparse
import json
from pathlib import Path

from finereel.index.faithfulness import fit_record, rivals_of_reelworld
from finereel.io.atomic import write_file
from finereel.models.saving import load
from finereel.reelworld import sample_scene


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a model folder")
    parser.add_argument("--scenes", type=int, default=150)
    given = parser.parse_args()
    scenes = [sample_scene(seed, "val") for seed in range(given.scenes)]
    record = fit_record(load(given.model), scenes, rivals_of_reelworld())
    path = given.model / "config.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    described["card"] = {**described.get("card", {}), "words": record}
    write_file(path, json.dumps(described, indent=2) + "\n")


if __name__ == "__main__":
    main()
