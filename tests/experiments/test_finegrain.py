"""The fine-grained experiment: sides kept apart, and a page whose numbers follow from the records."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from finereel.errors import DataError
from finereel.evaluation.finegrain.groups import Group
from finereel.experiments.beds import Bed, BedOptions, bed
from finereel.experiments.fine_page import _reciprocal, _scores
from finereel.experiments.fine_run import FineRequest, fine_results, result_of, run_fine
from finereel.experiments.fine_sets import DISJOINT, SAME, fine_groups, with_negatives
from finereel.experiments.fine_sets import test_sets as sets_of
from finereel.experiments.fine_variants import HEADS, ROWS, TEXT_ALONE, fine_variants
from finereel.experiments.jobs import Job
from finereel.experiments.trade_off import draw_trade_off, recall, reciprocal
from finereel.experiments.training import train_towers
from finereel.negatives.files import write_negatives
from finereel.negatives.types import Negative
from finereel.reelworld.contrasts import side_of


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> BedOptions:
    return BedOptions(tmp_path_factory.mktemp("work"), debug=True)


@pytest.fixture(scope="module")
def drawn(options: BedOptions) -> Bed:
    return bed("reelworld-tokens", options)


def pairs(groups: tuple[Group, ...]) -> set[tuple[str, str]]:
    found = set()
    for group in groups:
        for text in group.negatives:
            words = zip(group.caption.replace(",", "").split(), text.replace(",", "").split(), strict=True)
            found |= {(old, new) for old, new in words if old != new}
    return found


def test_what_is_trained_with_and_what_is_tested_share_no_pair(drawn: Bed, options: BedOptions) -> None:
    tested = sets_of(drawn, options)
    trained = with_negatives(drawn, options, ("word", "phrase")).fine
    assert trained is not None
    assert trained.negatives is not None
    learned = set()
    for (_, caption), texts in trained.negatives.texts.items():
        for text in texts:
            learned |= {(old, new) for old, new in zip(caption.split(), text.split(), strict=True) if old != new}
    assert learned
    assert pairs(tested[DISJOINT])
    assert not learned & pairs(tested[DISJOINT])
    assert all(side_of(old, new) == "training" for old, new in pairs(trained.validation) | pairs(tested[SAME]))


def test_levels_choose_the_negatives_and_no_levels_leave_them_out(drawn: Bed, options: BedOptions) -> None:
    by_level = {}
    for level in ("word", "phrase"):
        fine = with_negatives(drawn, options, (level,)).fine
        assert fine is not None
        assert fine.negatives is not None
        by_level[level] = {(key, text) for key, texts in fine.negatives.texts.items() for text in texts}
    assert not by_level["word"] & by_level["phrase"]
    without = with_negatives(drawn, options, ()).fine
    assert without is not None
    assert without.negatives is None
    assert without.validation


def test_groups_hold_words_only_and_not_too_many() -> None:
    rows = [
        Negative(str(n), "v", "c", "a dog runs", f"a thing{n} runs", "noun", 2, 5, "dog", f"thing{n}", method)
        for n in range(40)
        for method in ("training:word", "training:adjective+noun")
    ]
    (group,) = fine_groups(rows)
    assert len(group.negatives) == len(set(group.negatives)) == 15
    assert fine_groups(rows) == (group,)


def test_a_file_of_other_clips_is_refused(drawn: Bed, options: BedOptions, tmp_path: Path) -> None:
    write_negatives(
        [Negative("n", "elsewhere", "c", "a dog", "a cat", "noun", 2, 5, "dog", "cat", "m")], tmp_path / "n.jsonl"
    )
    with pytest.raises(DataError, match="no negatives of the"):
        sets_of(drawn, replace(options, negatives=(("other", tmp_path / "n.jsonl"),)))


def test_every_head_has_every_row(drawn: Bed) -> None:
    names = [variant.name for head in HEADS for variant in fine_variants(drawn, head).values()]
    assert len(set(names)) == len(HEADS) * len(ROWS)


def test_the_page_says_what_the_records_hold(drawn: Bed, options: BedOptions) -> None:
    request = FineRequest("clip4clip", "reelworld-tokens", options, ("baseline", "+ both"), (1,), 1, "the command")
    page = run_fine(request)
    variant = fine_variants(drawn, "clip4clip")["+ both"]
    record = result_of(Job("reelworld-tokens", options, variant, 1)).fine[DISJOINT]
    mean = np.mean(_reciprocal(_scores(record), "fused"))
    table = page[page.index("## Disjoint generator") : page.index("## Rendered twins")]
    (row,) = [line for line in table.splitlines() if line.startswith("| + both")]
    assert row.split("|")[2].strip() == f"{mean:.3f}"
    assert mean == pytest.approx(record.results["all"]["granularities"]["fused"]["MRR"], abs=1e-9)
    assert "the command" in page
    header = next(line for line in table.splitlines() if line.startswith("| |"))
    assert all(line.count("|") == header.count("|") for line in table.splitlines() if line.startswith("|"))
    assert run_fine(request) == page


def test_weights_are_rows_and_points_of_a_picture(drawn: Bed, options: BedOptions, tmp_path: Path) -> None:
    variants = fine_variants(drawn, "clip4clip", ("baseline",), (0.05, 5.0))
    assert {name: variant.weight for name, variant in variants.items()} == {
        "baseline": 0.2,
        "+ word, weight 0.05": 0.05,
        "+ word, weight 5": 5.0,
    }
    request = FineRequest("clip4clip", "reelworld-tokens", options, ("baseline",), (1,), 1, weights=(0.05, 5.0))
    rows = fine_results(request)
    light, heavy = (rows[f"+ word, weight {weight}"][0].fine[SAME] for weight in ("0.05", "5"))
    assert not np.array_equal(_scores(light).granularities["fused"], _scores(heavy).granularities["fused"])
    mean, low, high = reciprocal(rows["baseline"], SAME)
    assert low <= mean <= high
    record = rows["baseline"][0].fine[SAME]
    assert mean == pytest.approx(record.results["all"]["granularities"]["fused"]["MRR"], abs=1e-9)
    assert recall(rows["baseline"])[0] == pytest.approx(
        rows["baseline"][0].coarse.results["text_to_video"]["fused"]["R@1"]
    )
    draw_trade_off(rows, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 10_000


def test_text_alone_sees_nothing_and_leaves_the_towers_of_the_others(drawn: Bed, options: BedOptions) -> None:
    variant = fine_variants(drawn, "ucofia")[TEXT_ALONE]
    apart = replace(options, work=options.work / "apart")
    apart.work.mkdir()
    for tokens in options.work.glob("reelworld-tokens-*"):
        (apart.work / tokens.name).symlink_to(tokens)
    result = result_of(Job("reelworld-tokens", apart, variant, 1))
    for record in result.fine.values():
        scores = _scores(record)
        np.testing.assert_allclose(scores.granularities["fused"], scores.baselines["wrong_video"], rtol=1e-5)
    assert result.coarse.source["clips"] == "one average clip"
    found, expected = (train_towers(drawn, 1, place.work).encoder.state_dict() for place in (apart, options))
    assert all(torch.equal(found[name], expected[name]) for name in expected)
