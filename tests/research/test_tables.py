"""Tables of variants and seeds: means, intervals, corrected comparisons, and what cannot be
compared.
"""

import numpy as np
import pytest
from research.tables import markdown, table

from finereel.errors import DataError

RNG = np.random.default_rng(0)


def ranks(share: float, size: int = 400, seed: int = 0) -> np.ndarray:
    """Rank 1 for a share of the queries, 7 for the others."""
    return np.where(np.random.default_rng(seed).random(size) < share, 1.0, 7.0)


def test_a_line_is_the_mean_over_seeds_and_their_spread() -> None:
    [line, _] = table({"a": [np.full(10, 1.0), np.full(10, 7.0)], "b": [np.full(10, 1.0)] * 2}, "b")
    assert line.recall == (50.0, 50.0, 100.0)
    assert line.median_rank == 4.0
    assert line.spread == 50.0


def test_a_clear_difference_is_named_and_a_small_one_is_not() -> None:
    base = ranks(0.3)
    same = base.copy()
    same[:3] = 8.0 - same[:3]  # three queries change their mind
    lines = {
        line.name: line
        for line in table({"base": [base], "good": [ranks(0.6, seed=1)], "same": [same]}, "base")
    }
    assert lines["base"].verdict == "reference"
    assert lines["good"].verdict == "better"
    assert lines["same"].verdict == "not distinguishable"
    assert table({"base": [base], "bad": [np.full(400, 7.0)]}, "base")[1].verdict == "worse"


def test_more_rows_make_every_claim_harder() -> None:
    base = ranks(0.30)
    other = base.copy()
    flipped = np.flatnonzero(base == 7.0)[:8]
    other[flipped] = 1.0
    alone = table({"base": [base], "other": [other]}, "base")[1].p
    among = table(
        {"base": [base], "other": [other], **{f"n{k}": [ranks(0.3, seed=k)] for k in range(9)}},
        "base",
    )[1].p
    assert alone is not None
    assert among is not None
    assert alone < 0.05 <= among


def test_captions_of_one_video_are_one_piece_of_evidence() -> None:
    base, better = np.full(200, 7.0), np.full(200, 7.0)
    better[:100] = 1.0  # a hundred captions of a single video
    clusters = np.repeat([0, 1], 100)
    assert table({"base": [base], "better": [better]}, "base")[1].verdict == "better"
    assert (
        table({"base": [base], "better": [better]}, "base", clusters)[1].verdict
        == "not distinguishable"
    )


def test_rows_of_other_queries_and_a_missing_reference_are_refused() -> None:
    with pytest.raises(DataError, match="same queries"):
        table({"a": [np.ones(4)], "b": [np.ones(5)]}, "a")
    with pytest.raises(DataError, match="reference 'c'"):
        table({"a": [np.ones(4)]}, "c")


def test_markdown_has_a_row_per_variant_with_its_verdict() -> None:
    text = markdown(table({"base": [ranks(0.3)], "good": [ranks(0.6, seed=1)]}, "base"))
    lines = text.splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| base |")
    assert lines[2].endswith("reference |")
    assert lines[3].endswith("better |")
    assert len({line.count("|") for line in lines}) == 1
