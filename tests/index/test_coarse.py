"""Every way of looking for candidates gives those of the exact product."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from finereel.index import coarse, quantized, sidecar
from finereel.index.bank import Bank
from finereel.index.coarse import AnnCoarse, Coarse, ExactCoarse, ScanCoarse, first_look
from finereel.index.kept import RowIds, VectorTable
from finereel.index.sidecar import refresh_vectors
from finereel.index.snapshot import Snapshot
from finereel.index.store import ClipStore
from index.made_vectors import add_clips, bank_of, random_vectors, table_of
from support.kernels import without_kernels

FILES, CLIPS = 3, 700


@pytest.fixture(scope="module", params=[1.0, 0.05], ids=["random", "clustered"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    """A table of three files."""
    store = table_of(tmp_path_factory.mktemp("coarse") / "index-0")
    for number in range(FILES):
        add_clips(store, random_vectors(CLIPS, number, request.param), number)
    bank_of(store, 0)
    return store


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of this size are scanned, where there are kernels, and kept in files."""
    monkeypatch.setattr(coarse, "SCANNED_FROM", 1)
    monkeypatch.setattr(sidecar, "KEPT_FROM", 1)


def queries(count: int = 5) -> Tensor:
    return 100 * random_vectors(count, 77, 0.3)


def exact(
    table: VectorTable, bank: Bank | None, query: Tensor, part: RowIds | None = None
) -> tuple[RowIds, np.ndarray]:
    """Row ids and scores, best first, in single precision."""
    scores = (table.vectors.float() @ query).numpy()
    if bank is not None:
        assert table.rows is not None
        scores = scores + bank.biases_of(table.rows)[:, 0]
    keep = np.arange(len(scores)) if part is None else np.isin(table.row_ids, part).nonzero()[0]
    order = keep[np.argsort(-scores[keep], kind="stable")]
    return table.row_ids[order], scores[order]


def require_exact(look: Coarse, snapshot: Snapshot, bank: Bank | None, part: RowIds | None) -> None:
    """The order is that of exact scores; but for ties within their rounding, which is coarser where
    the product is one of half precision.
    """
    rounding = 0.05 if isinstance(look, ExactCoarse) else 1e-3
    table = snapshot.vectors()
    for query in queries():
        ids, scores = exact(table, bank, query, part)
        known = dict(zip(ids.tolist(), scores.tolist(), strict=True))
        for count in (1, 10, 200, len(ids) + 5):
            found = look.candidates(query, count).tolist()
            assert len(found) == len(set(found)) == min(count, len(ids))
            own = np.array([known[row] for row in found])
            np.testing.assert_allclose(own, scores[: len(found)], atol=rounding)


def needs_kernels() -> None:
    if not quantized.scans():
        without_kernels(every_processor=False)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("biased", [False, True], ids=["plain", "bank"])
@pytest.mark.parametrize("kept", [False, True], ids=["memory", "file"])
def test_the_scan_gives_the_exact_order(made: ClipStore, biased: bool, kept: bool) -> None:
    needs_kernels()
    if kept:
        refresh_vectors(made)
    else:
        sidecar._remove_others(Path(str(made.folder)), None)
    snapshot, bank = made.snapshot(), Bank.load(made.folder) if biased else None
    look = first_look(snapshot, bank)
    assert isinstance(look, ScanCoarse)
    require_exact(look, made.snapshot(), bank, None)
    require_exact(look.unbiased(), made.snapshot(), None, None)
    part = np.random.default_rng(3).permutation(snapshot.row_ids())[:900]
    require_exact(look.among(part), made.snapshot(), bank, part)
    places, scores = look.among(part).best(queries(), 7)
    others, same = ExactCoarse(*_table(made, bank)).among(part).best(queries(), 7)
    assert places.shape == others.shape == (5, 7)
    torch.testing.assert_close(scores, same)


def _table(store: ClipStore, bank: Bank | None) -> tuple[VectorTable, np.ndarray | None]:
    table = store.snapshot().vectors()
    return table, None if bank is None else coarse.bias_of(table.rows, bank)


@pytest.mark.usefixtures("small")
def test_without_kernels_the_file_gives_the_answers_of_the_table(
    made: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINEREEL_KERNELS", "off")
    bank = Bank.load(made.folder)
    sidecar._remove_others(Path(str(made.folder)), None)
    before = first_look(made.snapshot(), bank)
    refresh_vectors(made)
    snapshot = made.snapshot()
    after = first_look(snapshot, bank)
    assert isinstance(before, ExactCoarse)
    assert isinstance(after, ExactCoarse)
    for query in queries():
        for count in (1, 50, FILES * CLIPS):
            same = before.candidates(query, count).tolist()
            assert after.candidates(query, count).tolist() == same
    assert snapshot.count == FILES * CLIPS


def test_small_tables_are_looked_at_as_before(made: ClipStore) -> None:
    assert isinstance(first_look(made.snapshot(), None), ExactCoarse)


@pytest.mark.usefixtures("small")
def test_damaged_halves_are_read_from_the_table(made: ClipStore) -> None:
    needs_kernels()
    refresh_vectors(made)
    snapshot = made.snapshot()
    kept = sidecar.open_vectors(snapshot)
    assert kept is not None
    kept.table.vectors[:] = 0.25  # as after bits changed beneath the mapping
    look = ScanCoarse(snapshot, kept.table, kept.int8, None)
    require_exact(look, made.snapshot(), None, None)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kept", [False, True], ids=["table", "file"])
def test_the_index_gives_nearly_the_exact_order(
    tmp_path: Path, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = table_of(tmp_path / "index-0")
    for number in range(FILES):
        add_clips(store, random_vectors(CLIPS, number), number)
    store.refresh_ann(1000)
    if kept:
        refresh_vectors(store)
    else:
        monkeypatch.setattr(sidecar, "KEPT_FROM", 10**9)
    bank = bank_of(store, 1, 4.0)
    for own in (None, bank):
        snapshot = store.snapshot()
        look = first_look(snapshot, own)
        assert isinstance(look, AnnCoarse)
        table = store.snapshot().vectors()
        for query in queries():
            found = look.candidates(query, 100)
            ids, _ = exact(table, own, query)
            assert len(np.intersect1d(found, ids[:100])) >= 95
            at = {row: place for place, row in enumerate(ids.tolist())}
            assert (np.diff([at[row] for row in found.tolist()]) > 0).mean() > 0.97
        for share in (0.2, 0.8):
            part = np.random.default_rng(3).permutation(snapshot.row_ids())
            part = part[: int(share * len(part))]
            require_exact(look.among(part), store.snapshot(), own, part)
