"""Fit the record of words of a model and write it to its card, on ReelWorld's validation scenes or on
the captioned clips of a validation split:

    python -m research.scripts.word_record --model FOLDER --scenes 150
    python -m research.scripts.word_record --model FOLDER --data msrvtt_frames --split val \
        --annotations DIR --features TOKENS
"""

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

from finereel.cli.progress import StageBars
from finereel.index.evidence import records_of
from finereel.index.faithfulness import (
    clips_of_scenes,
    fit_record,
    rivals_of_reelworld,
    swap_margins,
    swaps_of,
    true_words,
)
from finereel.io.atomic import write_file
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.reelworld import sample_scene
from finereel.types import OnProgress
from research.scripts.word_swaps import captioned_clips, data_options


def record_of_scenes(model: RetrievalModel, count: int, on_progress: OnProgress) -> dict[str, Any]:
    """Fit the record on scenes; true words are searched for with the rivals it will hold."""
    scenes = [sample_scene(seed, "val") for seed in range(count)]
    clips = clips_of_scenes(model, scenes, on_progress)
    swaps, rivals = swaps_of(model, clips, on_progress), rivals_of_reelworld()
    records = records_of({"words": fit_record(swaps, {}, rivals)})
    words = itertools.chain.from_iterable(true_words(model, clips, records, on_progress))
    return fit_record(swaps, swap_margins(words), rivals)


def record_of_captions(
    model: RetrievalModel, given: argparse.Namespace, on_progress: OnProgress
) -> dict[str, Any]:
    """Fit the record on captioned clips, whose words have the siblings that a search takes."""
    swaps = swaps_of(model, captioned_clips(model, given, on_progress), on_progress)
    return fit_record(swaps, {pos: found.true for pos, found in swaps.items()}, {})


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="a model folder")
    parser.add_argument("--scenes", type=int, default=150)
    data_options(parser)
    given = parser.parse_args()
    model = load(given.model)
    with StageBars() as bars:
        record = (
            record_of_captions(model, given, bars)
            if given.data
            else record_of_scenes(model, given.scenes, bars)
        )
    path = given.model / "config.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    described["card"] = {**described.get("card", {}), "words": record}
    write_file(path, json.dumps(described, indent=2) + "\n")


if __name__ == "__main__":
    main()
