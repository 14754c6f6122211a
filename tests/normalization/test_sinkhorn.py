"""Sinkhorn: the published numbers, finiteness, uniform marginals, new items."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from finereel.errors import ConfigError, DataError
from finereel.normalization import Sinkhorn, create, published_sinkhorn
from finereel.statistics.metrics import retrieval_metrics
from places import DATA, GOLDEN

GOLDEN = GOLDEN / "sinkhorn.npz"
REAL_MATRIX = DATA / "similarity/msrvtt_titles_matrix.npy"

MATRICES = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=7),
    elements=st.floats(-100, 100, allow_nan=False, width=32),
)
TEMPERATURES = st.floats(1e-3, 500.0)


@pytest.mark.parametrize("case", ["small", "logit_like", "square"])
@pytest.mark.parametrize("n_iters", [1, 4, 20])
def test_published_values(case: str, n_iters: int) -> None:
    golden = np.load(GOLDEN)
    row, column = published_sinkhorn(golden[f"{case}/x"], n_iters)
    assert row.dtype == column.dtype == np.float32
    np.testing.assert_allclose(row, golden[f"{case}/it{n_iters}_row"], rtol=1e-5)
    np.testing.assert_allclose(column, golden[f"{case}/it{n_iters}_column"], rtol=1e-5)


def test_finite_where_the_published_code_gives_nan() -> None:
    golden = np.load(GOLDEN)
    assert "wide_range/it4_row" not in golden
    matrix = golden["wide_range/x"]
    row, column = published_sinkhorn(torch.tensor(matrix), 4)
    assert torch.isfinite(row).all()
    assert torch.isfinite(column).all()
    expected_row, expected_column = log_domain_by_hand(matrix.astype(np.longdouble), 4)
    np.testing.assert_allclose(row.numpy(), expected_row.astype(float), rtol=1e-5)
    np.testing.assert_allclose(column.numpy(), expected_column.astype(float), rtol=1e-5)


def log_domain_by_hand(matrix: np.ndarray, n_iters: int) -> tuple[np.ndarray, np.ndarray]:
    """The published loop in extended precision, whose exponents reach e^11000 and so need no log
    domain.
    """
    scaled = np.exp(matrix - matrix.max())
    column = 1 / scaled.sum(axis=0)
    for _ in range(n_iters):
        row = 1 / (scaled @ column)
        column = 1 / (scaled.T @ row)
    return np.log(row / row.sum()), np.log(column / column.sum())


def test_published_evaluation_of_three_granularities() -> None:
    golden = np.load(GOLDEN)
    granularities = ("video_sentence", "frame_sentence", "patch_word")
    corrected = []
    for granularity in granularities:
        bank = golden[f"epoch/{granularity}_bank"]
        _, bias = published_sinkhorn(bank)
        np.testing.assert_allclose(bias, golden[f"epoch/{granularity}_bias"], rtol=1e-5)
        corrected.append(golden[f"epoch/{granularity}_test"] + bias)
        ours = Sinkhorn().fit(bank).apply(golden[f"epoch/{granularity}_test"].astype(np.float64))
        shift = ours - (golden[f"epoch/{granularity}_test"] + bias.astype(np.float64))
        np.testing.assert_allclose(shift, shift[0, 0], atol=2e-5)  # one constant: the same ranks
    np.testing.assert_allclose(
        np.mean(corrected, axis=0), golden["epoch/fused"], rtol=1e-5, atol=1e-6
    )


@given(MATRICES, TEMPERATURES)
def test_transductive_result_has_uniform_popularity(matrix: np.ndarray, temperature: float) -> None:
    # Convergence slows without bound as the range over the temperature grows; test it where 300
    # rounds suffice.
    matrix = matrix / np.abs(matrix).max(initial=1.0) * 2 * temperature
    result = (
        Sinkhorn(mode="transductive", temperature=temperature, iterations=300).apply(matrix)
        / temperature
    )
    share = np.exp(result - result.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(share.sum(axis=0), len(matrix) / matrix.shape[1], rtol=1e-6)


@given(MATRICES, TEMPERATURES, st.integers(1, 6))
def test_finite_for_any_temperature(
    matrix: np.ndarray, temperature: float, iterations: int
) -> None:
    fitted = Sinkhorn(temperature=temperature, iterations=iterations).fit(matrix)
    assert np.isfinite(fitted.apply(matrix)).all()
    assert np.isfinite(fitted.extend(matrix)).all()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e5])
@pytest.mark.parametrize("temperature", [1e-3, 1.0, 500.0])
def test_finite_for_rank_one_and_wide_range(scale: float, temperature: float) -> None:
    rank_one = np.outer(np.linspace(-1, 1, 9), np.linspace(-2, 3, 6)) * scale
    assert np.isfinite(Sinkhorn(temperature=temperature).fit(rank_one).apply(rank_one)).all()


def test_overflow_is_a_typed_error() -> None:
    with pytest.raises(DataError, match="overflow at temperature"):
        Sinkhorn(temperature=1e-3).fit(np.array([[1e300, 0.0]]))


@given(MATRICES, st.floats(-50, 50))
def test_a_bank_without_hubs_leaves_scores_as_they_are(matrix: np.ndarray, level: float) -> None:
    result = Sinkhorn().fit(np.full((4, matrix.shape[1]), level)).apply(matrix)
    np.testing.assert_allclose(result, matrix, rtol=0, atol=1e-12)


@given(MATRICES, st.floats(-50, 50))
def test_a_shift_of_the_bank_changes_nothing(matrix: np.ndarray, shift: float) -> None:
    plain, shifted = Sinkhorn().fit(matrix), Sinkhorn().fit(matrix + shift)
    np.testing.assert_allclose(shifted.bias_, plain.bias_, atol=1e-9)


def test_a_hub_loses_and_strength_scales_the_bias() -> None:
    bank = np.array([[5.0, 1.0, 2.0], [5.0, 2.0, 1.0], [6.0, 0.0, 0.0]])
    full, half, off = (
        Sinkhorn(strength=strength).fit(bank).apply(np.zeros((1, 3)))
        for strength in (1.0, 0.5, 0.0)
    )
    assert full.argmin() == 0
    np.testing.assert_allclose(half, full / 2)
    np.testing.assert_allclose(full[0], Sinkhorn().fit(bank).bias_)
    np.testing.assert_array_equal(off, 0)
    assert full.sum() == pytest.approx(0)


def test_temperature_rescales_scores() -> None:
    bank = np.random.default_rng(0).standard_normal((9, 5))
    np.testing.assert_allclose(
        Sinkhorn(temperature=0.1).fit(bank / 10).bias_, Sinkhorn().fit(bank).bias_ / 10
    )


@pytest.mark.parametrize("direction", ["text_to_video", "video_to_text"])
@pytest.mark.parametrize("temperature", [0.2, 1.0, 30.0])
def test_half_step_gives_fitted_items_their_own_bias(direction: str, temperature: float) -> None:
    bank = np.random.default_rng(1).standard_normal((8, 6)) * 5
    given_bank = bank if direction == "text_to_video" else bank.T
    fitted = Sinkhorn(direction=direction, temperature=temperature).fit(given_bank)
    part = bank[:, 2:5] if direction == "text_to_video" else bank[:, 2:5].T
    np.testing.assert_allclose(fitted.extend(part), fitted.bias_[2:5], rtol=1e-12)


def test_half_step_is_the_formula_and_leaves_the_fit_alone() -> None:
    rng = np.random.default_rng(2)
    fitted = Sinkhorn().fit(rng.standard_normal((8, 6)))
    before = fitted.to_dict()
    new = rng.standard_normal((8, 3))
    expected = -np.log(np.exp(new + fitted.query_potential_[:, None]).sum(axis=0)) - fitted.offset_
    np.testing.assert_allclose(fitted.extend(new), expected)
    assert isinstance(fitted.extend(torch.tensor(new)), torch.Tensor)
    assert fitted.to_dict() == before


def test_half_step_refuses_another_bank_and_an_unfitted_start() -> None:
    with pytest.raises(ConfigError, match="expected the 8 queries"):
        Sinkhorn().fit(np.zeros((8, 6))).extend(np.zeros((7, 1)))
    with pytest.raises(ConfigError, match="fit"):
        Sinkhorn().extend(np.zeros((7, 1)))


def test_numbers_of_rounds_below_one_and_negative_strength_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least one iteration"):
        published_sinkhorn(np.eye(2), 0)
    with pytest.raises(ConfigError, match="iterations"):
        Sinkhorn(iterations=0)
    with pytest.raises(ConfigError, match="strength"):
        Sinkhorn(strength=-0.5)


def test_large_banks_are_summed_in_blocks() -> None:
    bank = np.random.default_rng(4).standard_normal((1300, 1700))
    fitted = Sinkhorn().fit(bank)
    np.testing.assert_allclose(fitted.extend(bank[:, :3]), fitted.bias_[:3], rtol=1e-9)


@pytest.mark.skipif(
    not REAL_MATRIX.exists(),
    reason="needs the sibling folder shared/ with the real similarity matrix",
)
def test_real_matrix_gains_from_normalisation() -> None:
    scores = np.load(REAL_MATRIX)
    assert retrieval_metrics(scores).r1 == pytest.approx(29.7)
    assert retrieval_metrics(scores.T).r1_optimistic == pytest.approx(28.4)
    assert retrieval_metrics(scores.T).r1 == pytest.approx(28.25)  # five captions occur twice: ties
    settings = {"mode": "transductive", "temperature": 0.01}
    by_video = create("sinkhorn", **settings).apply(scores)
    by_text = create("sinkhorn", direction="video_to_text", **settings).apply(scores)
    assert retrieval_metrics(by_video).r1 > 33
    assert retrieval_metrics(by_text.T).r1 > 32
