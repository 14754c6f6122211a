"""Dual and inverted softmax: the published arithmetic, and what the default does differently."""

import numpy as np
import pytest

from finereel.errors import ConfigError
from finereel.normalization import DualSoftmax, InvertedSoftmax

COSINES = np.random.default_rng(0).uniform(-0.1, 0.5, (40, 12))
BANK = np.random.default_rng(1).uniform(-0.1, 0.5, (30, 12)) + np.linspace(0, 0.1, 12)


def test_dual_softmax_is_the_published_product() -> None:
    scores = 100 * COSINES
    weights = np.exp(scores) / np.exp(scores).sum(axis=0)
    np.testing.assert_allclose(DualSoftmax().apply(scores), scores * weights, rtol=1e-10)
    over_videos = np.exp(scores / 5) / np.exp(scores / 5).sum(axis=1, keepdims=True)
    by_text = DualSoftmax(direction="video_to_text", temperature=5.0).apply(scores)
    np.testing.assert_allclose(by_text, scores * over_videos, rtol=1e-10)


def test_dual_softmax_gives_a_lone_query_its_raw_scores() -> None:
    np.testing.assert_allclose(DualSoftmax().apply(COSINES[:1]), COSINES[:1])
    with pytest.raises(ConfigError, match="at least one query"):
        DualSoftmax().apply(COSINES[:0])


def published_inverted_softmax(scores: np.ndarray, bank: np.ndarray, beta: float) -> np.ndarray:
    """Dynamic inverted softmax as QB-Norm states it, k = 1."""
    hubs = np.unique(bank.argmax(axis=1))
    normalised = np.exp(beta * scores) / np.exp(beta * bank).sum(axis=0)
    active = np.isin(scores.argmax(axis=1), hubs)
    assert active.any()
    return np.where(active[:, None], normalised, scores)


@pytest.mark.parametrize("beta", [1 / 1.99, 20.0])
def test_inverted_softmax_published_values(beta: float) -> None:
    bank = BANK[:4]  # few bank queries, so that some items are no hubs
    result = InvertedSoftmax(beta=beta, published=True).fit(bank).apply(COSINES)
    np.testing.assert_allclose(result, published_inverted_softmax(COSINES, bank, beta), rtol=1e-12)
    untouched = (result == COSINES).all(axis=1)
    assert 0 < untouched.sum() < len(COSINES)


@pytest.mark.parametrize("dynamic", [True, False])
def test_default_ranks_every_query_as_the_published_values_do(dynamic: bool) -> None:
    default = InvertedSoftmax(dynamic=dynamic).fit(BANK[:4]).apply(COSINES)
    published = InvertedSoftmax(dynamic=dynamic, published=True).fit(BANK[:4]).apply(COSINES)
    assert np.array_equal(default.argsort(axis=1), published.argsort(axis=1))


def test_plain_inverted_softmax_touches_every_query() -> None:
    result = InvertedSoftmax(dynamic=False).fit(BANK[:4]).apply(COSINES)
    shift = result - COSINES
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape), atol=1e-12)
    assert np.abs(shift[0]).min() > 0
    assert shift[0].sum() == pytest.approx(0)


def test_a_bank_without_hubs_leaves_scores_as_they_are() -> None:
    result = InvertedSoftmax(dynamic=False).fit(np.full((3, 12), 0.25)).apply(COSINES)
    np.testing.assert_allclose(result, COSINES, atol=1e-12)


def test_published_overflow_is_refused_and_the_default_stays_finite() -> None:
    scores, bank = 100 * COSINES, 100 * BANK - 100
    with pytest.raises(ConfigError, match="overflows at beta"):
        InvertedSoftmax(dynamic=False, published=True).fit(bank).apply(scores)
    assert np.isfinite(InvertedSoftmax(dynamic=False).fit(bank).apply(scores)).all()
