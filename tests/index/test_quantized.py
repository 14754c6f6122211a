"""The scan of int8 vectors against a product in double precision, on every instruction set."""

from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finereel.errors import DataError
from finereel.index import quantized
from finereel.index.quantized import Int8Vectors, scans, width_of
from support.kernels import without_kernels


@pytest.fixture(scope="module")
def library() -> ModuleType:
    quantized._library.cache_clear()
    found = quantized._library()
    if found is None:
        without_kernels()
    return found  # type: ignore[no-any-return]


def rounded_scores(int8: Int8Vectors, query: torch.Tensor, bias: np.ndarray | None) -> np.ndarray:
    """What the scan computes, in double precision."""
    worth = float(query.abs().max()) / 127
    number = np.zeros(int8.numbers.shape[1])
    number[: len(query)] = np.round((query / max(worth, 1e-38)).numpy())
    scores = int8.numbers.astype(np.float64) @ number * int8.scales * worth
    return scores if bias is None else scores + bias  # type: ignore[no-any-return]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_scan_finds_the_best_of_a_plain_product(
    library: ModuleType, data: st.DataObject
) -> None:
    count, dim = data.draw(st.integers(1, 9000)), data.draw(st.integers(1, 300))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**31)))
    vectors = torch.randn(count, dim, generator=generator).half()
    if data.draw(st.booleans(), label="clustered"):
        vectors = (vectors[:1] + 0.05 * vectors).half()
    query = data.draw(st.sampled_from([1e-3, 1.0, 300.0])) * torch.randn(dim, generator=generator)
    bias = torch.randn(count, generator=generator).numpy() if data.draw(st.booleans()) else None
    rows = None
    if data.draw(st.booleans(), label="part"):
        rows = np.flatnonzero(torch.rand(count, generator=generator).numpy() < 0.3)
    int8, wanted = Int8Vectors.of(vectors), data.draw(st.integers(0, 500))
    scores = rounded_scores(int8, query, bias)
    among = np.arange(count) if rows is None else rows
    torch.set_num_threads(data.draw(st.sampled_from([1, 2])))
    for name in library.SETS:
        found = int8.best(query, wanted, bias, rows, name)
        assert len(found) == len(set(found.tolist())) == min(wanted, len(among))
        assert np.isin(found, among).all()
        best = np.sort(scores[among])[::-1][: len(found)]
        np.testing.assert_allclose(scores[found], best, rtol=1e-5, atol=1e-5 * abs(scores).max())
    torch.set_num_threads(1)


def test_of_equal_vectors_the_first_are_found(library: ModuleType) -> None:
    int8 = Int8Vectors.of(torch.ones(20_000, 8).half())
    for name in library.SETS:
        found = int8.best(torch.ones(8), 300, instructions=name)
        assert found.tolist() == list(range(300))


def test_the_largest_numbers_do_not_overflow(library: ModuleType) -> None:
    signs = torch.tensor([[1.0] * 4096, [-1.0] * 4096])
    int8 = Int8Vectors.of(signs.half())
    for name in library.SETS:
        assert int8.best(signs[0], 2, instructions=name).tolist() == [0, 1]
        assert int8.best(signs[1], 2, instructions=name).tolist() == [1, 0]


@pytest.mark.parametrize("where", ["query", "vector"])
def test_nan_is_refused_as_by_the_exact_look(library: ModuleType, where: str) -> None:
    del library
    vectors, query = torch.ones(5, 4).half(), torch.ones(4)
    (query if where == "query" else vectors[3])[1] = float("nan")
    with pytest.raises(DataError, match="without NaN"):
        Int8Vectors.of(vectors).best(query, 2)


def test_vectors_of_zeros_score_nothing(library: ModuleType) -> None:
    del library
    vectors = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]).half()
    assert Int8Vectors.of(vectors).best(torch.tensor([2.0, 0.0]), 3).tolist() == [1, 0, 2]


def test_rounding_is_within_half_a_step() -> None:
    vectors = torch.randn(100, 70, generator=torch.Generator().manual_seed(0)).half()
    int8 = Int8Vectors.of(vectors)
    assert int8.numbers.shape == (100, width_of(70)) == (100, 128)
    assert not int8.numbers[:, 70:].any()
    restored = int8.numbers[:, :70] * int8.scales[:, None]
    assert (abs(restored - vectors.numpy()) <= 0.501 * int8.scales[:, None]).all()


def test_switched_off_or_missing_nothing_is_scanned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINEREEL_KERNELS", "off")
    assert not scans()
    monkeypatch.delenv("FINEREEL_KERNELS")
    monkeypatch.setattr(quantized, "_library", lambda: None)
    assert not scans()


def test_another_interface_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Newer:
        INTERFACE = quantized.INTERFACE + 1

    quantized._library.cache_clear()
    monkeypatch.setattr(quantized.importlib, "import_module", lambda name: Newer)
    assert quantized._library() is None
    quantized._library.cache_clear()
