"""Measure on captioned clips how well swaps tell true words from false ones:

    python -m research.scripts.word_swaps --model everyday --videos FOLDER

FOLDER holds the clips and `captions.csv` with the columns `video` and `caption`. A false word is a
curated sibling of a true one, asked in its place with the true word among its own siblings.
"""

import argparse
import csv
import json
from pathlib import Path

from finereel.index.evidence import WordFinder
from finereel.index.faithfulness import Swaps
from finereel.models.saving import load
from finereel.video import ClipPlan, VideoReader


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="everyday")
    parser.add_argument("--videos", type=Path, required=True)
    given = parser.parse_args()
    model, finder = load(given.model), WordFinder({})
    plan = ClipPlan(length=None, num_frames=model.num_frames, size=model.picture_size)
    swaps: dict[str, Swaps] = {}
    rows = list(csv.DictReader((given.videos / "captions.csv").open(encoding="utf-8")))
    with VideoReader() as reader:
        for row in rows:
            clip = next(iter(reader.read(given.videos / row["video"], plan))).frames
            video, query = model.encode_video([clip]), row["caption"]
            for word in finder.words(query):
                if not word.siblings:
                    continue
                texts = [query, *word.swapped]
                scores = model.score(model.encode_text(texts), video).fused[:, 0].tolist()
                found = swaps.setdefault(word.pos, Swaps())
                found.true.append(scores[0] - max(scores[1:]))
                found.false.append(scores[1] - max([scores[0], *scores[2:]]))
    measured = {
        pos: {"auroc": found.auroc, "true": len(found.true)} for pos, found in swaps.items()
    }
    print(json.dumps({"clips": len(rows), "words": measured}))


if __name__ == "__main__":
    main()
