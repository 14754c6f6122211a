"""Ask a library plain questions and count right answers: precision at 3 with an interval, and the misses.

    python -m research.scripts.plain_queries --videos DIR --model everyday --out docs/results

The right answers of each query (`research/plain_queries.json`, by file name) were written from the
captions alone, before any search.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finereel.library import Library
from finereel.models.choice import default_model

QUERIES = Path(__file__).parents[1] / "plain_queries.json"
SHOWN = 3
_DRAWS = 2000


@dataclass(frozen=True)
class Answer:
    """A query, the file names of its first hits, and the names of all right answers."""

    query: str
    found: tuple[str, ...]
    right: frozenset[str]

    @property
    def precision(self) -> float:
        """The share of the first hits that are right, of as many as can be.

        >>> Answer("a swan", ("swan.mp4", "cat.mp4", "dog.mp4"), frozenset({"swan.mp4"})).precision
        1.0
        """
        possible = min(SHOWN, len(self.right))
        return min(possible, sum(name in self.right for name in self.found)) / possible


def ask(videos: Path, model: str, queries: Mapping[str, Sequence[str]]) -> list[Answer]:
    """Index the videos in a folder of their own and search for every query, one moment a video."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Library.open(Path(folder) / "library", model=model)) as library,
    ):
        library.add([videos])
        return [
            Answer(
                query,
                tuple(Path(hit.video).name for hit in library.search(query, top=SHOWN)),
                frozenset(right),
            )
            for query, right in queries.items()
        ]


def page(answers: Sequence[Answer], model: str) -> str:
    """The answers as Markdown."""
    values = np.array([answer.precision for answer in answers])
    draws = np.random.default_rng(0).choice(values, (_DRAWS, len(values))).mean(1)
    low, high = np.quantile(draws, (0.025, 0.975))
    first = np.mean([answer.found[0] in answer.right for answer in answers])
    lines = [
        f"# Plain queries on real clips: {model}",
        "",
        f"Precision at {SHOWN} of {len(answers)} queries: **{100 * values.mean():.1f} %** "
        f"(95 % bootstrap over queries: {100 * low:.1f} to {100 * high:.1f}); the first hit is right "
        f"for {100 * first:.1f} %. Where fewer than {SHOWN} clips are right, their number counts as "
        "all there is to find.",
        "",
        f"    python -m research.scripts.plain_queries --videos DIR --model {model}",
        "",
        f"| query | right among the first {SHOWN} | the first hits, wrong ones in brackets |",
        "|---|---|---|",
    ]
    for answer in answers:
        names = [name if name in answer.right else f"({name})" for name in answer.found]
        possible = min(SHOWN, len(answer.right))
        lines.append(
            f"| {answer.query} | {round(answer.precision * possible)} of {possible} "
            f"| {', '.join(names)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--model", default=default_model())
    parser.add_argument("--out", type=Path, help="folder for the page; printed where not given")
    arguments = parser.parse_args()
    queries = json.loads(QUERIES.read_text(encoding="utf-8"))
    made = page(ask(arguments.videos, arguments.model, queries), arguments.model)
    if arguments.out is None:
        print(made)
    else:
        (arguments.out / "plain-queries.md").write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
