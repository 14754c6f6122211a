"""The fine-grained experiment: sides kept apart, and a page whose numbers follow from the
records.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from research.benchmark_sets import Benchmark, BenchmarkOptions, open_benchmark
from research.fine_page import _reciprocal, _scores
from research.fine_run import FineRequest, fine_results, result_of, run_fine
from research.fine_sets import OTHER_PAIRS, SAME, fine_groups, with_negatives
from research.fine_sets import test_sets as sets_of
from research.fine_variants import HEADS, ROWS, TEXT_ALONE, fine_variants
from research.jobs import Job
from research.trade_off import draw_trade_off, recall, reciprocal
from research.training import shared_towers

from finereel.errors import DataError
from finereel.finegrain.evaluate.groups import Group
from finereel.finegrain.files import write_negatives
from finereel.finegrain.types import Negative
from finereel.reelworld.contrasts import side_of


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkOptions:
    return BenchmarkOptions(tmp_path_factory.mktemp("work"), debug=True)


@pytest.fixture(scope="module")
def drawn(options: BenchmarkOptions) -> Benchmark:
    return open_benchmark("reelworld-tokens", options)


def pairs(groups: tuple[Group, ...]) -> set[tuple[str, str]]:
    found = set()
    for group in groups:
        for text in group.negatives:
            words = zip(
                group.caption.replace(",", "").split(), text.replace(",", "").split(), strict=True
            )
            found |= {(old, new) for old, new in words if old != new}
    return found


def test_what_is_trained_with_and_what_is_tested_share_no_pair(
    drawn: Benchmark, options: BenchmarkOptions
) -> None:
    tested = sets_of(drawn, options)
    trained = with_negatives(drawn, options, ("word", "phrase"))
    negatives = trained.data.negatives
    assert negatives is not None
    learned = set()
    for (_, caption), texts in negatives.texts.items():
        for text in texts:
            learned |= {
                (old, new)
                for old, new in zip(caption.split(), text.split(), strict=True)
                if old != new
            }
    assert learned
    assert pairs(tested[OTHER_PAIRS])
    assert not learned & pairs(tested[OTHER_PAIRS])
    assert all(
        side_of(old, new) == "training"
        for old, new in pairs(trained.validation) | pairs(tested[SAME])
    )


def test_levels_choose_the_negatives_and_no_levels_leave_them_out(
    drawn: Benchmark, options: BenchmarkOptions
) -> None:
    by_level = {}
    for level in ("word", "phrase"):
        negatives = with_negatives(drawn, options, (level,)).data.negatives
        assert negatives is not None
        by_level[level] = {(key, text) for key, texts in negatives.texts.items() for text in texts}
    assert not by_level["word"] & by_level["phrase"]
    without = with_negatives(drawn, options, ())
    assert without.data.negatives is None
    assert without.validation


def test_groups_hold_words_only_and_not_too_many() -> None:
    rows = [
        Negative(
            str(n),
            "v",
            "c",
            "a dog runs",
            f"a thing{n} runs",
            "noun",
            2,
            5,
            "dog",
            f"thing{n}",
            method,
        )
        for n in range(40)
        for method in ("training:word", "training:adjective+noun")
    ]
    (group,) = fine_groups(rows)
    assert len(group.negatives) == len(set(group.negatives)) == 15
    assert fine_groups(rows) == (group,)


def test_a_file_of_other_clips_is_refused(
    drawn: Benchmark, options: BenchmarkOptions, tmp_path: Path
) -> None:
    write_negatives(
        [Negative("n", "elsewhere", "c", "a dog", "a cat", "noun", 2, 5, "dog", "cat", "m")],
        tmp_path / "n.jsonl",
    )
    with pytest.raises(DataError, match="no negatives of the"):
        sets_of(drawn, replace(options, negatives=(("other", tmp_path / "n.jsonl"),)))


def test_every_head_has_every_row(drawn: Benchmark) -> None:
    names = [variant.name for head in HEADS for variant in fine_variants(drawn, head).values()]
    assert len(set(names)) == len(HEADS) * len(ROWS)


def test_the_page_says_what_the_records_hold(drawn: Benchmark, options: BenchmarkOptions) -> None:
    request = FineRequest(
        "clip4clip", "reelworld-tokens", options, ("baseline", "+ both"), (1,), 1, "the command"
    )
    page = run_fine(request)
    variant = fine_variants(drawn, "clip4clip")["+ both"]
    record = result_of(Job("reelworld-tokens", options, variant, 1)).fine[OTHER_PAIRS]
    mean = np.mean(_reciprocal(_scores(record), "fused"))
    table = page[page.index("## Disjoint generator") : page.index("## Rendered twins")]
    (row,) = [line for line in table.splitlines() if line.startswith("| + both")]
    assert row.split("|")[2].strip() == f"{mean:.3f}"
    assert mean == pytest.approx(record.results["all"]["granularities"]["fused"]["MRR"], abs=1e-9)
    assert "the command" in page
    header = next(line for line in table.splitlines() if line.startswith("| |"))
    assert all(
        line.count("|") == header.count("|") for line in table.splitlines() if line.startswith("|")
    )
    assert run_fine(request) == page


def test_weights_are_rows_and_points_of_a_picture(
    drawn: Benchmark, options: BenchmarkOptions, tmp_path: Path
) -> None:
    variants = fine_variants(drawn, "clip4clip", ("baseline",), (0.05, 5.0))
    assert {name: variant.loss.weight for name, variant in variants.items()} == {
        "baseline": 0.2,
        "+ word, weight 0.05": 0.05,
        "+ word, weight 5": 5.0,
    }
    request = FineRequest(
        "clip4clip", "reelworld-tokens", options, ("baseline",), (1,), 1, weights=(0.05, 5.0)
    )
    rows = fine_results(request)
    light, heavy = (rows[f"+ word, weight {weight}"][0].fine[SAME] for weight in ("0.05", "5"))
    assert not np.array_equal(
        _scores(light).granularities["fused"], _scores(heavy).granularities["fused"]
    )
    mean, low, high = reciprocal(rows["baseline"], SAME)
    assert low <= mean <= high
    record = rows["baseline"][0].fine[SAME]
    assert mean == pytest.approx(record.results["all"]["granularities"]["fused"]["MRR"], abs=1e-9)
    assert recall(rows["baseline"])[0] == pytest.approx(
        rows["baseline"][0].coarse.results["text_to_video"]["fused"]["R@1"]
    )
    draw_trade_off(rows, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 10_000


def test_text_alone_sees_nothing_and_leaves_the_towers_of_the_others(
    drawn: Benchmark, options: BenchmarkOptions
) -> None:
    variant = fine_variants(drawn, "ucofia")[TEXT_ALONE]
    apart = replace(options, work=options.work / "apart")
    apart.work.mkdir()
    for tokens in options.work.glob("reelworld-tokens-*"):
        (apart.work / tokens.name).symlink_to(tokens)
    result = result_of(Job("reelworld-tokens", apart, variant, 1))
    for record in result.fine.values():
        scores = _scores(record)
        np.testing.assert_allclose(
            scores.granularities["fused"], scores.baselines["wrong_video"], rtol=1e-5, atol=1e-6
        )
    assert result.coarse.source["clips"] == "one average clip"
    found, expected = (
        made.encoder.state_dict()
        for place in (apart, options)
        if (made := shared_towers(drawn, 1, place.work))
    )
    assert all(torch.equal(found[name], expected[name]) for name in expected)
