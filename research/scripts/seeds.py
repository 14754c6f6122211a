"""Compare trainings of one recipe with several seeds, on each part of a test split.

    python -m research.scripts.seeds runs/seed-*/record --parts "MSR-VTT=^video" "photos=[.]jpg$"

Parts are named by a pattern of their video ids; each is ranked by itself, with the scores of the
record. Intervals over seeds are Student's, 95 %.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from finereel.evaluation.record import GalleryScores, RunRecord
from finereel.evaluation.record_files import load_record
from finereel.statistics.intervals import student
from finereel.statistics.metrics import ranks, summarise


def part_recalls(scores: GalleryScores, videos: re.Pattern[str], way: str) -> list[float]:
    """R@1, R@5 and R@10 among the videos of a part and their captions, in percent."""
    texts = way == "text_to_video"
    names = np.array(scores.gallery if texts else scores.queries)
    chosen = np.array([bool(videos.search(name)) for name in names])
    if texts:
        rows, columns = chosen[scores.right], chosen
    else:
        rows, columns = chosen, np.isin(np.arange(len(scores.gallery)), scores.right[chosen])
    places = np.cumsum(columns) - 1
    found = summarise(ranks(scores.matrix[np.ix_(rows, columns)], places[scores.right[rows]]))
    return [found.r1, found.r5, found.r10]


def lines(records: Sequence[RunRecord], parts: dict[str, str]) -> Iterator[str]:
    """A table: a row per part and direction."""
    yield f"| part | direction | {' | '.join(record.name for record in records)} | mean |"
    yield "|---" * (3 + len(records)) + "|"
    for part, pattern in parts.items():
        for way in ("text_to_video", "video_to_text"):
            every = []
            for record in records:
                if record.scores is None:
                    raise SystemExit(f"{record.name} was saved without its scores")
                every.append(part_recalls(record.scores[way], re.compile(pattern), way))
            values = np.array(every)
            width = student(len(values) - 1) * values.std(axis=0, ddof=1) / np.sqrt(len(values))
            cells = [", ".join(f"{value:.1f}" for value in row) for row in values]
            mean = ", ".join(
                f"{m:.1f} ± {w:.1f}" for m, w in zip(values.mean(axis=0), width, strict=True)
            )
            yield f"| {part} | {way} | {' | '.join(cells)} | {mean} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("records", type=Path, nargs="+")
    parser.add_argument("--parts", nargs="+", metavar="NAME=PATTERN", default=["all=."])
    given = parser.parse_args()
    parts = dict(part.split("=", 1) for part in given.parts)
    print("\n".join(lines([load_record(folder) for folder in given.records], parts)))


if __name__ == "__main__":
    main()
