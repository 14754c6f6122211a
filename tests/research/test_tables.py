"""Tables of variants and seeds: means, intervals, corrected comparisons, and what cannot be
compared.
"""

import numpy as np
import pytest
from research.tables import Line, OverSeeds, markdown
from research.tables import table as table_of_ranks

from finereel.errors import DataError
from finereel.statistics.metrics import ranks_of_order

RNG = np.random.default_rng(0)


def table(
    rows: dict[str, list[np.ndarray]], reference: str, clusters: np.ndarray | None = None
) -> tuple[Line, ...]:
    ordered = {name: [ranks_of_order(seed) for seed in seeds] for name, seeds in rows.items()}
    return table_of_ranks(ordered, reference, clusters)


def ranks(share: float, size: int = 400, seed: int = 0) -> np.ndarray:
    """Rank 1 for a share of the queries, 7 for the others."""
    return np.where(np.random.default_rng(seed).random(size) < share, 1.0, 7.0)


def test_a_line_is_the_mean_over_seeds_and_their_spread() -> None:
    [line, _] = table({"a": [np.full(10, 1.0), np.full(10, 7.0)], "b": [np.full(10, 1.0)] * 2}, "b")
    assert line.recall == (50.0, 50.0, 100.0)
    assert line.median_rank == 4.0
    assert line.seeds is not None
    assert line.seeds.spread == pytest.approx(50 * np.sqrt(2))  # ddof 1: two seeds at 0 and 100


def test_an_interval_over_seeds_covers_the_mean_of_a_normal_distribution() -> None:
    rng = np.random.default_rng(0)
    found = [OverSeeds.of(rng.normal(40.0, 2.0, 3).tolist()).interval for _ in range(2000)]
    assert 0.935 <= np.mean([one.low <= 40.0 <= one.high for one in found]) <= 0.965
    with pytest.raises(DataError, match="two seeds"):
        OverSeeds.of([1.0])


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
