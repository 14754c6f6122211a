"""Measure on captioned clips whether the maps of a model's words show what the score needs:

    python -m research.scripts.word_places --model everyday --videos FOLDER

FOLDER holds the clips and `captions.csv` with the columns `video` and `caption`. Captions do not say
where things are, so it is not measured whether a map points at them. Intervals are 95 %, over clips.
"""

import argparse
import csv
import json
from functools import partial
from pathlib import Path

import numpy as np

from finereel.cli.progress import StageBars
from finereel.index.evidence import WordFinder
from finereel.index.map_faithfulness import asked_of_caption, intervals, measure_maps, summary
from finereel.models.saving import load
from finereel.types import Frames
from finereel.video import ClipPlan, VideoReader


def frames_of_file(path: Path, plan: ClipPlan) -> Frames:
    """The frames of a whole video."""
    with VideoReader() as reader:
        return next(iter(reader.read(path, plan))).frames


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="everyday")
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=60, help="most clips")
    given = parser.parse_args()
    model, finder = load(given.model), WordFinder({})
    plan = ClipPlan(length=None, num_frames=model.num_frames, size=model.picture_size)
    with (given.videos / "captions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[: given.clips]
    clips = [
        asked_of_caption(
            finder, row["caption"], partial(frames_of_file, given.videos / row["video"], plan)
        )
        for row in rows
    ]
    with StageBars() as bars:
        maps = measure_maps(model, [clip for clip in clips if clip is not None], bars)
    found = {
        "clips": len(rows),
        "measured": len(maps.shown),
        "scored_above_empty": int(np.isfinite(maps.deletion).sum()),
        "places": summary(maps),
        "places_95": intervals(maps),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
