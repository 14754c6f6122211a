"""Cheaper scores beside exact ones: cascades are honest below their share, repaired ranks are exact."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gallery_doubles import make_split

from finereel.data.base import Split
from finereel.errors import ConfigError
from finereel.evaluation import scoring
from finereel.evaluation.gallery import Coverage, EncodedSplit, ScoredSplit, score_encoded
from finereel.evaluation.retrieval import rank_texts, rank_videos
from finereel.evaluation.scoring import Scoring, best_share, cascades, score_cheaply
from finereel.models.features import TextFeatures
from finereel.models.heads import compiled
from finereel.models.heads.stages import FINE
from finereel.models.retrieval import RetrievalModel
from finereel.ranking import fuse
from support.kernels import without_kernels
from tiny_models import random_text, random_video, tiny_model, tiny_peer

CLIPS, EACH = 40, 2
RANK = {"text_to_video": rank_videos, "video_to_text": rank_texts}


def encoded(name: str = "test", seed: int = 1) -> EncodedSplit:
    """Captions that lean towards their clips."""
    split: Split = make_split(name, CLIPS, EACH)
    text, video = random_text(CLIPS * EACH, seed), random_video(CLIPS, seed + 1)
    own = torch.from_numpy(split.video_of_caption)
    text = TextFeatures(
        text.sentence + 2 * video.video[own], text.words + video.patches[own, :1], text.word_mask
    )
    coverage = Coverage(split.hash, CLIPS, CLIPS * EACH, {}, 0)
    return EncodedSplit(split, text, video, coverage)


@pytest.fixture(scope="module")
def model() -> RetrievalModel:
    return tiny_model()


@pytest.fixture(scope="module")
def exact(model: RetrievalModel) -> ScoredSplit:
    return score_encoded(model, encoded())


def ranks(scored: ScoredSplit, way: str, parts: dict[str, np.ndarray] | None = None) -> np.ndarray:
    fused = fuse(parts or scored.scores, scored.weights)
    found: np.ndarray = RANK[way](fused, scored.relation).ranks.expected
    return found


@pytest.mark.parametrize("switch", ["on", "off"])
def test_a_whole_cascade_is_exact(
    model: RetrievalModel, exact: ScoredSplit, switch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With and without the kernels, where they are installed."""
    monkeypatch.setenv(compiled.SWITCH, switch)
    cheap = score_cheaply(model, encoded(), Scoring("cascade", 1.0))
    for name, part in exact.scores.items():
        np.testing.assert_allclose(cheap.scored.scores[name], part, atol=2e-4)
    for cascade in cheap.cascades.values():
        assert cascade.kept.all()


def test_a_cascade_ranks_its_share_fully_and_the_rest_by_the_first_stage(
    model: RetrievalModel, exact: ScoredSplit
) -> None:
    cheap = score_cheaply(model, encoded(), Scoring("cascade", 0.25))
    weights = exact.weights
    stage = sum(exact.scores[name] * weights[name] for name in weights if name != FINE)
    full = fuse(exact.scores, weights)
    for way, cascade in cheap.cascades.items():
        assert cascade.protocol == "cascade:25%"
        found = cascade.apply(cheap.scored.scores)
        flip = (lambda matrix: matrix) if way == "text_to_video" else np.transpose
        parts = [found[FINE], fuse(found, weights), cascade.kept, stage, full]
        for fine, fused, kept, cheaply, fully in zip(*map(flip, parts), strict=True):
            assert kept.sum() == np.ceil(0.25 * len(kept))
            assert cheaply[kept].min() >= cheaply[~kept].max()
            assert fused[kept].min() > fused[~kept].max()
            assert fine[kept].min() > fine[~kept].max()
            for below in (fine, fused):
                np.testing.assert_array_equal(below[~kept].argsort(), cheaply[~kept].argsort())
            np.testing.assert_allclose(fused[kept], fully[kept], atol=2e-4)
    assert cheap.facts["share"] == 0.25
    assert 0.25 <= cheap.facts["pairs"] < 0.5
    assert "first stage" in cheap.facts["below_share"]


def test_the_share_is_the_smallest_that_keeps_the_first_ranks(exact: ScoredSplit) -> None:
    found = scoring.chosen_share(exact)

    def first(share: float) -> list[float]:
        made = cascades(exact.scores, exact.weights, share)
        return [
            float(np.mean(ranks(exact, way, made[way].apply(exact.scores)) <= 1)) for way in RANK
        ]

    wanted = [float(np.mean(ranks(exact, way) <= 1)) for way in RANK]
    fitting = [share for share in scoring.SHARES if first(share) == wanted]
    assert found == (fitting[0] if fitting else None)


def test_the_validation_split_chooses_and_is_told(
    model: RetrievalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "chosen_share", lambda scored: {"val": 0.2}[scored.split.name])
    cheap = score_cheaply(model, encoded(), Scoring("cascade"), encoded("val", 5))
    assert cheap.facts["share"] == 0.2
    assert cheap.facts["validation"] == "val"
    monkeypatch.setattr(scoring, "chosen_share", lambda scored: None)
    cheap = score_cheaply(model, encoded(), Scoring("cascade"), encoded("val", 5))
    assert cheap.facts["kind"] == "exact"
    assert not cheap.cascades
    with pytest.raises(ConfigError, match="validation"):
        score_cheaply(model, encoded(), Scoring("cascade"))


def needs_kernels() -> None:
    if compiled.state() in ("off", "not installed"):
        without_kernels()


def test_int16_finds_the_same_best_clip(model: RetrievalModel, exact: ScoredSplit) -> None:
    needs_kernels()
    cheap = score_cheaply(model, encoded(), Scoring("int16"))
    assert cheap.facts == {"kind": "int16"}
    found, wanted = (fuse(each.scores, exact.weights) for each in (cheap.scored, exact))
    assert not np.array_equal(found, wanted)
    assert (found.argmax(1) == wanted.argmax(1)).mean() >= 0.995


def test_repaired_ranks_are_exact(
    model: RetrievalModel, exact: ScoredSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounding made so coarse that most ranks would be wrong."""
    needs_kernels()
    noise = np.random.default_rng(0).uniform(-3, 3, exact.scores[FINE].shape)
    rough = torch.from_numpy((exact.scores[FINE] + noise).astype(np.float32))
    monkeypatch.setattr(scoring, "int16_scores", lambda *sides: rough)
    cheap = score_cheaply(model, encoded(), Scoring("repaired"))
    assert cheap.facts["kind"] == "repaired"
    assert cheap.facts["sample_equal"] is True
    assert 0 < cheap.facts["rescored"] < 1
    for way in RANK:
        np.testing.assert_array_equal(ranks(cheap.scored, way), ranks(exact, way))
        unrepaired = ranks(exact, way, {**exact.scores, FINE: rough.numpy()})
        assert (unrepaired != ranks(exact, way)).any()


def test_a_sample_that_differs_falls_back_to_exact(
    model: RetrievalModel, exact: ScoredSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_kernels()
    noise = np.random.default_rng(0).uniform(-3, 3, exact.scores[FINE].shape)
    rough = torch.from_numpy((exact.scores[FINE] + noise).astype(np.float32))
    monkeypatch.setattr(scoring, "int16_scores", lambda *sides: rough)
    monkeypatch.setattr(scoring, "_MARGIN", 0.0)
    cheap = score_cheaply(model, encoded(), Scoring("repaired"))
    assert (cheap.facts["kind"], cheap.facts["asked"]) == ("exact", "repaired")
    np.testing.assert_array_equal(cheap.scored.scores[FINE], exact.scores[FINE])


def test_without_kernels_int16_is_exact_and_says_so(
    model: RetrievalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(compiled.SWITCH, "off")
    for kind in ("int16", "repaired"):
        facts = score_cheaply(model, encoded(), Scoring(kind)).facts
        assert (facts["kind"], facts["asked"]) == ("exact", kind)
        assert "kernels" in facts["reason"]


def test_other_heads_and_wrong_shares_are_refused() -> None:
    split = encoded()
    split = replace(split, video=replace(split.video, contextual=split.video.frames))
    with pytest.raises(ConfigError, match="ucofia"):
        score_cheaply(tiny_peer("clip4clip"), split, Scoring("cascade", 0.1))
    for wrong in (("cascade", 0.0), ("cascade", 1.5), ("exact", 0.1), ("int8", None)):
        with pytest.raises(ConfigError):
            Scoring(*wrong)


def test_ties_are_cut_by_place() -> None:
    assert (
        best_share(np.zeros((4, 2)), 0.5, "video_to_text").tolist()
        == [[True] * 2] * 2 + [[False] * 2] * 2
    )
