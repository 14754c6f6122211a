"""A search of text alone gives exactly the hits and scores that it gave before there were moments
and composed queries.

The numbers of the toy model are small multiples of powers of two, so every processor adds them up
to the same bits. The answers were stored by the package as of commit e666203, with

    PYTHONPATH=src:tests python tests/index/test_answers.py FILE
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from finereel.index.query import Query
from finereel.library import Library
from index.doubles import ToyModel, ToySource, write_video

STORED = Path(__file__).with_name("stored_answers.json")
QUERIES = ("a7", "b31", "c5", "seen nowhere")
WAYS: tuple[dict[str, Any], ...] = (
    {},
    {"top": 3},
    {"top": 25, "per_video": 2},
    {"top": 40, "per_video": None, "candidates": None},
    {"top": 5, "per_video": None, "candidates": 5},
)


class SignModel(ToyModel):
    """Every feature is 1 or -1, in 16 dimensions: all lengths are 4."""

    def _project(self, pixels: np.ndarray) -> Tensor:
        return torch.where(super()._project(pixels) > 0, 1.0, -1.0)

    def coarse_query(self, text: object) -> Tensor:
        return super().coarse_query(text.__class__(text.words[:, 0], text.words, text.word_mask))  # type: ignore[attr-defined]


def answers(folder: Path) -> list[list[Any]]:
    """All answers of a library of 40 videos of three clips, two of them with equal content."""
    for number in range(40):
        words = [f"{letter}{min(number, 38)}" for letter in "abc"]
        write_video(folder / "videos" / f"{number:02d}.toy", *words)
    library = Library.open(folder / "library", SignModel(), ToySource())
    library.add([folder / "videos"])
    return [
        [
            [
                Path(hit.video).name,
                *(hit.start, hit.end, hit.score, hit.parts, hit.best_frame),
                hit.clip_id.rsplit("-", 1)[1],
                [Path(copy).name for copy in hit.copies],
            ]
            for hit in library.search(Query(text, **way))
        ]
        for text in QUERIES
        for way in WAYS
    ]


def test_text_alone_gives_the_stored_answers(tmp_path: Path) -> None:
    assert answers(tmp_path) == json.loads(STORED.read_text(encoding="utf-8"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        rows = answers(Path(made))
        lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
        Path(sys.argv[1]).write_text(f"[\n{lines}\n]\n", encoding="utf-8")
