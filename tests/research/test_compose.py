"""The measurement of composed queries, on numbers known by hand and on a tiny model."""

import numpy as np
import pytest
from research.scripts.compose import Denial, Gallery, mean_precision, measure_not, measure_then
from research.scripts.moments import Chain, unit

from finereel.types import Frames
from tiny_models import tiny_model


def test_average_precision_counts_the_places_of_what_is_right() -> None:
    scores = np.array([0.1, 0.9, 0.5, 0.7])
    assert mean_precision(scores, np.array([True, True, False, False])) == pytest.approx(0.75)
    assert mean_precision(scores, np.array([False, True, False, True])) == 1


def test_both_measurements_run_and_print_a_row_for_each_way(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = tiny_model()
    texts = model.encode_text(["a dog", "a cat", "a car", "a boat", "a red car", "a blue boat"])
    rng = np.random.default_rng(0)
    videos = model.encode_video(
        [
            Frames(
                rng.integers(0, 256, (2, *[model.encoder.image_size] * 2, 3), dtype=np.uint8),
                np.arange(2.0),
            )
            for _ in range(6)
        ]
    )
    right = np.array([True, False] * 3)
    judged = np.ones(6, dtype=bool)
    denial = Denial(
        "word", "a dog", "a dog and a cat", "a dog without a cat", right, ~right, judged
    )
    measure_not(model, Gallery(videos, [denial, denial]))
    frames = unit(videos.frames[videos.frame_mask])
    names = ("a dog", "a cat", "a car")
    spans = ((0.0, 4.0), (4.0, 8.0), (8.0, 12.0))
    seconds = np.arange(len(frames), dtype=float)
    chain = Chain(frames, seconds, 12.0, names, unit(texts.sentence[:3]), spans)
    measure_then(model, [chain, chain])
    printed = capsys.readouterr().out
    for way in ("the text alone", "NOT", "one sentence", "sum of both maxima", "THEN"):
        assert f"{way} |" in printed
    (tie,) = [line for line in printed.splitlines() if line.startswith("| sum of both")]
    assert "| 50.0 (" in tie
