r"""Sample negatives to be judged one by one, and count the verdicts.

    python -m research.scripts.read_negatives make OUT.jsonl --format msrvtt CAPTIONS \
        --captions 6000 --seed 1
    python -m research.scripts.read_negatives draw OUT.jsonl NEGATIVES... --seed 1
    python -m research.scripts.read_negatives count OUT.jsonl --rater NAME

`make` makes the negatives that `finereel negatives make` gives for captions sampled at random,
taking the other captions into account as usual. `draw` samples 100 of each part of speech. `count`
prints shares and Wilson intervals as Markdown. Verdicts are stored beside the sample, in the format
of `finereel negatives review OUT.jsonl`.
"""

import argparse
import random
from pathlib import Path

from finereel.data.sources import captions_of
from finereel.finegrain.files import read_negatives, write_negatives
from finereel.finegrain.make.clean import CleanGenerator
from finereel.finegrain.make.context import Context
from finereel.finegrain.make.settings import GeneratorSettings
from finereel.finegrain.review.agreement import shares
from finereel.finegrain.review.verdicts import (
    VERDICTS,
    Sampling,
    read_verdicts,
    review_items,
    verdict_path,
)
from finereel.finegrain.types import PARTS_OF_SPEECH
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.tagging import AgreeingTaggers


def make(out: Path, source: Path, asked: argparse.Namespace) -> None:
    """Write the negatives of captions drawn at random."""
    rows = list(captions_of(source, asked.format))
    generator = CleanGenerator(
        Context(rows, Lexicon.load()), GeneratorSettings(parts_of_speech=tuple(asked.pos))
    )
    drawn = random.Random(asked.seed).sample(rows, min(asked.captions, len(rows)))
    tag = AgreeingTaggers()
    write_negatives(
        (made for row in drawn for made in generator.negatives(row, tag(row.caption))), out
    )


def draw(out: Path, files: list[Path], sample: int, seed: int) -> None:
    """Write the sample, the same number of each part of speech from all the files together."""
    rows = [row for file in files for row in read_negatives(file)]
    items = review_items(rows, Sampling(sample, seed))
    write_negatives([item.row for item in items], out)
    print(f"{len(items)} of {len(rows)} negatives -> {out}")


def count(out: Path, rater: str) -> None:
    """Print how often each verdict was given, with the 95 % Wilson interval of its share in per
    cent.
    """
    verdicts = read_verdicts(verdict_path(out, rater))
    print("| part of speech | read | " + " | ".join(VERDICTS) + " |")
    print("|---|---:|" + "---:|" * len(VERDICTS))
    for pos, given in shares(verdicts.values()).items():
        cells = []
        for verdict in VERDICTS:
            low, high = given[verdict].interval
            cells.append(f"{given[verdict].count} ({100 * low:.1f} to {100 * high:.1f})")
        print(f"| {pos} | {given['valid'].total} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["make", "draw", "count"])
    parser.add_argument("out", type=Path)
    parser.add_argument("files", type=Path, nargs="*", help="captions for make, negatives for draw")
    parser.add_argument("--format", default="captions")
    parser.add_argument("--captions", type=int, default=6000)
    parser.add_argument("--pos", nargs="+", default=list(PARTS_OF_SPEECH))
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rater", default="first")
    asked = parser.parse_args()
    if asked.action == "make":
        make(asked.out, asked.files[0], asked)
    elif asked.action == "draw":
        draw(asked.out, asked.files, asked.sample, asked.seed)
    else:
        count(asked.out, asked.rater)


if __name__ == "__main__":
    main()
