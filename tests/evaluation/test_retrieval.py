"""Both directions, every granularity, the multi-caption protocol, normalisation and its label."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from finereel.errors import ConfigError, DataError
from finereel.evaluation.published import published_multi_caption_metrics
from finereel.evaluation.retrieval import (
    EvaluationSettings,
    evaluate_scores,
    metric_intervals,
    rank_texts,
    rank_videos,
)
from finereel.models.features import Scores
from finereel.normalization import per_granularity
from finereel.statistics.intervals import DEFAULT_CONFIDENCE
from finereel.statistics.metrics import pool_captions, retrieval_metrics
from places import GOLDEN

GOLDEN = np.load(GOLDEN / "metrics.npz")
QUICK = EvaluationSettings(confidence=DEFAULT_CONFIDENCE)
RNG = np.random.default_rng(0)
PARTS = {"video_sentence": RNG.standard_normal((8, 8)), "patch_word": RNG.standard_normal((8, 8))}


def test_scores_are_read_by_rows_and_by_columns() -> None:
    weights = {"video_sentence": 0.25, "patch_word": 0.75}
    scores = Scores(
        {name: torch.tensor(part, requires_grad=True) for name, part in PARTS.items()}, weights
    )
    result = evaluate_scores(scores, settings=QUICK)
    fused = 0.25 * PARTS["video_sentence"] + 0.75 * PARTS["patch_word"]
    for name, matrix in {**PARTS, "fused": fused}.items():
        assert result.text_to_video[name].metrics == retrieval_metrics(matrix)
        assert result.video_to_text[name].metrics == retrieval_metrics(matrix.T)
        assert result.text_to_video[name].protocol == "none"
    assert list(result.text_to_video) == ["video_sentence", "patch_word", "fused"]


def test_plain_matrices_fuse_with_equal_weights() -> None:
    result = evaluate_scores(PARTS, settings=QUICK)
    mean = (PARTS["video_sentence"] + PARTS["patch_word"]) / 2
    assert (
        result.text_to_video["fused"].ranks.optimistic.tolist()
        == rank_videos(mean).ranks.optimistic.tolist()
    )


def test_several_captions_per_video() -> None:
    scores = GOLDEN["multi/S"]
    owners = np.searchsorted(GOLDEN["multi/cut"], np.arange(len(scores)), side="right")
    published_videos, published_texts = published_multi_caption_metrics(scores, owners)
    result = evaluate_scores({"video_sentence": scores}, owners, QUICK)
    by_caption, by_video = result.text_to_video["fused"], result.video_to_text["fused"]
    assert (by_caption.metrics.queries, by_video.metrics.queries) == (61, 20)
    assert by_caption.metrics.r1 == pytest.approx(published_videos.r1)
    assert by_video.metrics.r1 == pytest.approx(published_texts.r1)
    assert rank_videos(scores, owners).clusters.tolist() == owners.tolist()


def test_videos_without_a_caption_distract_and_are_no_queries() -> None:
    scores = np.array([[0.1, 0.9, 0.5], [0.2, 0.3, 0.4]])
    assert rank_videos(scores, np.array([2, 0])).ranks.optimistic.tolist() == [2, 3]
    found = rank_texts(scores, np.array([2, 0]))
    assert found.queries.tolist() == [0, 2]
    assert found.ranks.optimistic.tolist() == [1, 1]


def test_doubled_captions_count_as_right_where_that_is_asked_for() -> None:
    """Captions 0 and 3 have the same words: without that a perfect model is not perfect."""
    owners, sentences = np.array([0, 1, 2, 3]), np.array([7, 8, 9, 7])
    scores = 2 * np.eye(4)
    scores[0, 3] = scores[3, 0] = 2.0
    plain = evaluate_scores({"video_sentence": scores}, owners, QUICK)
    right = evaluate_scores({"video_sentence": scores}, owners, replace(QUICK, sentences=sentences))
    for way in ("text_to_video", "video_to_text"):
        assert getattr(plain, way)["fused"].metrics.r1 == 75.0
        assert getattr(right, way)["fused"].metrics.r1 == 100.0


def test_of_a_group_only_the_doubled_caption_counts_as_right() -> None:
    owners, sentences = np.array([0, 0, 1, 1]), np.array([0, 1, 2, 0])
    scores = np.array([[0.9, 0.1], [0.2, 0.1], [0.95, 0.1], [0.9, 0.1]])
    found = rank_texts(scores, owners, sentences)
    assert found.ranks.expected.tolist()[0] == 2.0  # caption 2 is wrong of video 0 and stands above
    scores[2, 0] = 0.0
    assert rank_texts(scores, owners, sentences).ranks.expected.tolist()[0] == 1.0


def test_a_relation_lets_any_right_text_count() -> None:
    relation = np.array([[True, False, False], [True, True, False], [False, True, False]])
    scores = np.array([[0.1, 0.9, 0.0], [0.5, 0.6, 0.0], [0.8, 0.7, 0.0]])
    found = rank_texts(scores, relation)
    assert found.queries.tolist() == [0, 1]  # nothing describes video 2
    assert found.ranks.optimistic.tolist() == [2, 2]
    assert rank_videos(scores, relation).ranks.optimistic.tolist() == [2, 1, 2]


def test_normalisation_is_per_direction_and_labelled() -> None:
    banks = {name: RNG.standard_normal((20, 8)) * 2 for name in PARTS}
    normalizer = per_granularity("sinkhorn", list(PARTS)).fit(banks, bank_id="train")
    settings = EvaluationSettings({"text_to_video": normalizer}, confidence=None)
    result, raw = evaluate_scores(PARTS, settings=settings), evaluate_scores(PARTS, settings=QUICK)
    corrected = normalizer.apply(PARTS)
    assert result.text_to_video["patch_word"].metrics == retrieval_metrics(corrected["patch_word"])
    assert result.text_to_video["fused"].metrics == retrieval_metrics(sum(corrected.values()) / 2)
    assert {row.protocol for row in result.text_to_video.values()} == {"bank:train"}
    assert {row.protocol for row in result.video_to_text.values()} == {"none"}
    assert result.video_to_text["fused"].metrics == raw.video_to_text["fused"].metrics
    assert result.text_to_video["fused"].intervals == {}
    with pytest.raises(ConfigError, match="text_to_video normalizer was given for video_to_text"):
        EvaluationSettings({"video_to_text": normalizer})


def test_intervals_hold_the_metrics_and_clusters_widen_them() -> None:
    scores = RNG.standard_normal((60, 12)) + np.eye(12)[np.repeat(np.arange(12), 5)] * 2
    owners = np.repeat(np.arange(12), 5)
    row = evaluate_scores({"video_sentence": scores}, owners, QUICK).text_to_video["fused"]
    values = row.metrics.as_dict()
    assert list(row.intervals) == ["R@1", "R@5", "R@10", "MdR", "MnR"]
    assert all(
        interval.low <= values[name] <= interval.high for name, interval in row.intervals.items()
    )
    copies = retrieval_ranks_copied(scores)
    plain, clustered = (
        metric_intervals(copies, clusters)["MnR"]
        for clusters in (None, np.repeat(np.arange(60), 4))
    )
    assert clustered.high - clustered.low > 1.6 * (plain.high - plain.low)


def retrieval_ranks_copied(scores: np.ndarray):  # type: ignore[no-untyped-def]
    """Ranks in which every query stands four times."""
    return rank_videos(np.repeat(scores, 4, axis=0), np.repeat(np.arange(12), 20)).ranks


def test_result_is_json() -> None:
    described = json.loads(json.dumps(evaluate_scores(PARTS, settings=QUICK).as_dict()))
    row = described["video_to_text"]["fused"]
    assert row["protocol"] == "none"
    assert row["intervals"]["R@1"][0] <= row["R@1"] <= row["intervals"]["R@1"][1]


def test_empty_and_misnamed_scores_are_refused() -> None:
    with pytest.raises(DataError, match="one matrix per granularity"):
        evaluate_scores({})
    with pytest.raises(DataError, match="none named 'fused'"):
        evaluate_scores({"fused": np.eye(2)})


def test_pooling_takes_the_best_caption_and_refuses_odd_owners() -> None:
    pooled = pool_captions(
        np.array([[1.0, 5.0, 0.0], [3.0, 2.0, 0.0], [0.0, 0.0, 7.0]]), np.array([2, 2, 0])
    )
    assert pooled.videos.tolist() == [0, 2]
    assert pooled.scores.tolist() == [[0.0, 0.0, 7.0], [3.0, 5.0, 0.0]]
    with pytest.raises(DataError, match="one video number for each of 2 texts"):
        pool_captions(np.zeros((2, 2)), np.array([0]))
    with pytest.raises(DataError, match="from 0 to 1, got 0 to 2"):
        pool_captions(np.zeros((2, 2)), np.array([0, 2]))
