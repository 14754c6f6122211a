"""From a model and a data set to the record."""

from pathlib import Path

import numpy as np
import pytest
from gallery_doubles import ToyModel, ToySource, make_split

from finereel.data.base import CaptionProtocol, Dataset
from finereel.errors import ConfigError
from finereel.evaluation.evaluate import BenchmarkSettings, evaluate
from finereel.evaluation.gallery import score_split
from finereel.evaluation.normalizing import BankSettings
from finereel.evaluation.retrieval import EvaluationSettings, evaluate_scores
from finereel.statistics.intervals import DEFAULT_CONFIDENCE
from finereel.statistics.metrics import ranks, retrieval_metrics

SPLITS = {
    "train": make_split("train", 60, 2),
    "val": make_split("val", 40),
    "test": make_split("test", 30, 2),
}
DATASET = Dataset("toy", SPLITS, CaptionProtocol(texts="multiple"))
QUICK = BenchmarkSettings(
    confidence=DEFAULT_CONFIDENCE, banks=BankSettings(texts=50, videos=30, held_out=20)
)


def settings(**changes: object) -> BenchmarkSettings:
    return BenchmarkSettings(**{**QUICK.__dict__, **changes})  # type: ignore[arg-type]


def test_the_record_holds_the_results_of_the_scores() -> None:
    record = evaluate(ToyModel(spread=2.0), DATASET, ToySource(), QUICK)
    scored = score_split(ToyModel(spread=2.0), SPLITS["test"], ToySource())
    expected = evaluate_scores(
        scored.scores, scored.relation, EvaluationSettings({}, QUICK.confidence, {**scored.weights})
    ).as_dict()
    assert record.results == expected
    assert record.row("text_to_video")["queries"] == 60
    assert record.row("video_to_text")["queries"] == 30
    assert (record.dataset.name, record.dataset.split, record.dataset.coverage) == (
        "toy",
        "test",
        "30/30",
    )
    assert record.dataset.split_hash == record.dataset.scored_hash == SPLITS["test"].hash
    assert record.model.weights == {"video_sentence": 0.75, "frame_sentence": 0.25}
    assert (record.name, record.source, record.dataset.texts) == (
        "toy model",
        {"source": "toy"},
        "multiple",
    )


def test_ranks_are_kept_by_query() -> None:
    record = evaluate(ToyModel(spread=2.0), DATASET, ToySource(), QUICK)
    asked = record.queries["text_to_video"]
    assert asked.ids == tuple(caption.id for caption in SPLITS["test"].captions)
    assert asked.videos == tuple(caption.video_id for caption in SPLITS["test"].captions)
    assert 100 * float(asked.ranks["fused"].within(1).mean()) == record.row("text_to_video")["R@1"]
    assert record.queries["video_to_text"].ids == SPLITS["test"].videos


@pytest.mark.parametrize("captions", [1, 3])
@pytest.mark.parametrize("name", ["none", "transductive", "bank"])
def test_kept_scores_are_those_that_were_ranked(name: str, captions: int) -> None:
    dataset = Dataset("toy", {**SPLITS, "test": make_split("test", 30, captions)})
    record = evaluate(ToyModel(spread=3.0), dataset, ToySource(), settings(normalization=name))
    assert record.scores is not None
    for direction, kept in record.scores.items():
        metrics = retrieval_metrics(kept.matrix, kept.right)
        assert metrics.as_dict().items() <= dict(record.row(direction)).items()
        found = ranks(kept.matrix, kept.right)
        np.testing.assert_array_equal(
            found.expected, record.queries[direction].ranks["fused"].expected
        )
        assert kept.queries == record.queries[direction].ids
    by_video = captions > 1
    gallery = record.scores["video_to_text"].gallery
    assert gallery == (
        SPLITS["test"].videos if by_video else tuple(f"test-{n}#0" for n in range(30))
    )


def test_coverage_is_in_the_record() -> None:
    record = evaluate(ToyModel(), DATASET, ToySource({"test-4": "broken"}), QUICK)
    assert (record.dataset.coverage, record.dataset.complete) == ("29/30", False)
    assert record.dataset.missing == {"test-4": "broken"}
    assert record.dataset.split_hash == SPLITS["test"].hash != record.dataset.scored_hash


@pytest.mark.parametrize("name", ["bank", "inverted", "transductive", "dsl"])
def test_the_protocol_stands_in_every_row(name: str) -> None:
    record = evaluate(ToyModel(spread=3.0), DATASET, ToySource(), settings(normalization=name))
    for direction, rows in record.results.items():
        assert {row["protocol"] for row in rows.values()} == {
            record.normalization["protocols"][direction]
        }
    seen = set(record.normalization["protocols"].values()) - {"none"}
    honest = "bank:" if name in ("bank", "inverted") else "transductive"
    assert all(protocol.startswith(honest) for protocol in seen)


def test_wrong_names_fail_before_any_encoding() -> None:
    model = ToyModel()
    for changes, message in (
        ({"normalization": "sk"}, "unknown normalization"),
        ({"split": "tset"}, "unknown split"),
    ):
        with pytest.raises(ConfigError, match=message):
            evaluate(model, DATASET, ToySource(), settings(**changes))
    assert model.texts == []


def test_a_lone_test_split_can_be_normalised_without_a_bank(tmp_path: Path) -> None:
    dataset = Dataset("toy", {"test": SPLITS["test"]}, selection=None)
    record = evaluate(
        ToyModel(), dataset, ToySource(), settings(normalization="dsl", cache=tmp_path)
    )
    assert record.row("text_to_video")["protocol"].startswith("transductive:")
    with pytest.raises(ConfigError, match="no training split"):
        evaluate(ToyModel(), dataset, ToySource(), settings(normalization="bank"))


def test_seeds_and_settings_are_told() -> None:
    record = evaluate(
        ToyModel(), DATASET, ToySource(), settings(name="run 3", training_seed=3, keep_scores=False)
    )
    assert record.seeds == {"training": 3, "bank": 0}
    assert (record.name, record.scores, record.reload_verified) == ("run 3", None, False)
