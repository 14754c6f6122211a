"""The size from which on there is an index, and its probes, are measured and kept."""

import json
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from finereel.index import coarse_choice, quantized, store
from finereel.index.coarse import AnnCoarse, ExactCoarse, first_look
from finereel.index.coarse_choice import CoarseChoice, exact_up_to, fewest_probes
from finereel.index.snapshot import Snapshot
from finereel.index.store import ClipStore
from index.made_vectors import add_clips, random_vectors, table_of


@pytest.fixture
def made(tmp_path: Path) -> ClipStore:
    """A table of 1,200 clips."""
    made = table_of(tmp_path / "index-0")
    for number in range(2):
        add_clips(made, random_vectors(600, number), number)
    return made


def test_an_index_is_made_where_an_exact_look_takes_too_long(
    made: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LEAST_APPROXIMATE", 1000)
    for most, kind in ((1200, ExactCoarse), (1199, AnnCoarse)):
        monkeypatch.setattr(store, "exact_up_to", lambda dim, most=most: most)
        (Path(str(made.folder)) / coarse_choice.NAME).unlink(missing_ok=True)
        made.refresh_ann(None)
        assert isinstance(first_look(made.snapshot(), None), kind)
        assert CoarseChoice.load(made.folder).exact_up_to == most
    choice = CoarseChoice.load(made.folder)
    assert choice.clips == 1200
    assert choice.probes in coarse_choice.PROBES
    assert choice.recall is not None
    assert choice.recall >= 0.99
    # As on a faster machine: the index that is there is not used.
    CoarseChoice(exact_up_to=1200).save(made.folder)
    made.refresh_ann(None)
    assert isinstance(first_look(made.snapshot(), None), ExactCoarse)
    made.refresh_ann(1000)
    assert isinstance(first_look(made.snapshot(), None), AnnCoarse)


def test_small_libraries_time_nothing(made: ClipStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "exact_up_to", lambda dim: pytest.fail("timed"))
    made.refresh_ann(None)
    assert not (Path(str(made.folder)) / coarse_choice.NAME).exists()


def test_what_was_timed_is_not_timed_again(
    made: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LEAST_APPROXIMATE", 1)
    CoarseChoice(exact_up_to=5000).save(made.folder)
    monkeypatch.setattr(store, "exact_up_to", lambda dim: pytest.fail("timed"))
    made.refresh_ann(None)
    assert isinstance(first_look(made.snapshot(), None), ExactCoarse)


def test_the_fewest_probes_with_enough_recall_are_taken(
    made: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.refresh_ann(1)
    shares = {10: 0.5, 20: 0.98, 35: 0.995}
    found = coarse_choice._found

    def fewer(snapshot: Snapshot, query: Tensor, probes: int) -> np.ndarray:
        every = found(snapshot, query, 500)
        return every[: round(shares[probes] * len(every))]

    monkeypatch.setattr(coarse_choice, "_found", fewer)
    assert fewest_probes(made.snapshot()) == (35, pytest.approx(0.995))


def test_the_timed_size_follows_the_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coarse_choice, "TIMED", 1000)
    monkeypatch.setattr(coarse_choice, "_memory", lambda: 2**40)
    monkeypatch.setattr(coarse_choice, "_seconds", lambda work: 0.001)
    assert exact_up_to(32) == coarse_choice.LEAST_APPROXIMATE
    monkeypatch.setattr(coarse_choice, "_seconds", lambda work: 0.00001)
    assert exact_up_to(32) == pytest.approx(3_000_000, abs=1)
    monkeypatch.setattr(coarse_choice, "_memory", lambda: 200_000 * 4 * 64)
    monkeypatch.setattr(quantized, "_library", lambda: None)
    assert exact_up_to(32) == 200_000


@pytest.mark.parametrize("kernels", ["", "off"])
def test_timing_works_with_and_without_kernels(
    monkeypatch: pytest.MonkeyPatch, kernels: str
) -> None:
    monkeypatch.setenv("FINEREEL_KERNELS", kernels)
    monkeypatch.setattr(coarse_choice, "TIMED", 4096)
    assert exact_up_to(64) >= coarse_choice.LEAST_APPROXIMATE


def test_a_damaged_or_other_choice_is_as_none(tmp_path: Path) -> None:
    assert CoarseChoice.load(tmp_path) == CoarseChoice()
    CoarseChoice(10, 20, 35, 0.99).save(tmp_path)
    assert CoarseChoice.load(tmp_path) == CoarseChoice(10, 20, 35, 0.99)
    for text in ("{", json.dumps({"other": 1}), "[]"):
        (tmp_path / coarse_choice.NAME).write_text(text, encoding="utf-8")
        assert CoarseChoice.load(tmp_path) == CoarseChoice()
