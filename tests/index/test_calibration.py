"""How often an answer is right, learnt from a data set and kept with a model."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finereel.errors import ConfigError
from finereel.index.calibration import (
    KEY,
    AnswerCalibration,
    fit_calibration,
    keep_calibration,
    load_calibration,
    measure_calibration,
)
from finereel.index.query import Filters, Query
from finereel.library import Library
from index.doubles import ToyModel, ToySource, write_video

KNOWN = AnswerCalibration((2.0, -1.0, -0.5, 1.0), "clips/val", 60, 0.8, 0.4, 0.02)


def scored(signal: float, videos: int = 80, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores of two captions of every clip; of half of them the clip's stands out."""
    random = np.random.default_rng(seed)
    right = np.repeat(np.arange(videos), 2)
    scores = random.normal(size=(2 * videos, videos))
    clear = random.random(2 * videos) < 0.5
    scores[np.arange(2 * videos), right] += np.where(clear, signal, 0.0)
    return scores.astype(np.float32), right


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "finereel" / "calibrations"


def test_a_clear_answer_gets_a_high_probability_and_half_of_the_queries_have_none() -> None:
    fitted = fit_calibration(*scored(8.0), "clips/val")
    assert fitted.videos == 80
    assert fitted.data == "clips/val"
    rest = [2.0, 1.8, 1.6, 1.5, 1.4, 1.3, 1.2, 1.2, 1.1]
    assert fitted.right([8.0, *rest], 80) > 0.95
    assert fitted.right([2.1, *rest], 80) < 0.3
    assert fitted.auroc > 0.9
    assert fitted.ece < 0.06


def test_more_clips_than_were_measured_count_as_those() -> None:
    scores = [3.0] * 10
    assert KNOWN.right(scores, 55) != KNOWN.right(scores, 60)
    assert KNOWN.right(scores, 60) == KNOWN.right(scores, 100_000)
    assert KNOWN.right(scores, 10) == KNOWN.right(scores, 50)


def test_the_probabilities_hold_on_data_that_were_not_fitted() -> None:
    fitted = fit_calibration(*scored(4.0), "clips/val")
    other = measure_calibration(fitted, *scored(4.0, seed=1), "clips/test")
    assert other.weights == fitted.weights
    assert other.data == "clips/test"
    assert other.ece < 0.06
    assert other.auroc > 0.8
    bold = replace(fitted, weights=(*fitted.weights[:3], fitted.weights[3] + 2))
    assert measure_calibration(bold, *scored(4.0, seed=1), "clips/test").ece > 2 * other.ece


def test_captions_in_another_order_give_nearly_the_same() -> None:
    scores, right = scored(4.0)
    order = np.random.default_rng(5).permutation(len(right))
    first = fit_calibration(scores, right, "a")
    second = fit_calibration(scores[order], right[order], "a")
    assert abs(first.auroc - second.auroc) < 0.05


@pytest.mark.parametrize(
    ("scores", "right", "message"),
    [
        (np.eye(20), np.arange(20), "50 videos or more, got 20"),
        (-np.eye(60), np.arange(60), "one kind only"),
    ],
)
def test_too_little_to_learn_from_is_refused(
    scores: np.ndarray, right: np.ndarray, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        fit_calibration(scores, right, "a")


def test_a_models_folder_gets_it_in_its_card_and_keeps_the_rest(
    tmp_path: Path, cache: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    config = {"format": "finereel-model", "version": 1, "card": {"trained": True}}
    (folder / "config.json").write_text(json.dumps(config))
    assert keep_calibration(KNOWN, str(folder), "f1") == folder / "config.json"
    written = json.loads((folder / "config.json").read_text())
    assert load_calibration(written["card"], "f1") == KNOWN
    del written["card"][KEY]
    assert written == config
    assert not cache.exists()


@pytest.mark.parametrize("kind", ["plain", "missing", "bundled"])
def test_other_models_have_it_in_the_users_cache_for_their_fingerprint(
    tmp_path: Path, cache: Path, kind: str
) -> None:
    folder = Path("everyday") if kind == "bundled" else tmp_path / "clip"
    if kind == "plain":
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"model_type": "clip"}))
    assert keep_calibration(KNOWN, str(folder), "f1") == cache / "f1.json"
    assert load_calibration({}, "f1") == KNOWN
    assert load_calibration({}, "f2") is None


@pytest.mark.parametrize(
    "described",
    [
        None,
        [],
        {"weights": [1, 2, 3]},
        {**KNOWN.__dict__, "weights": [1, 2, 3]},
        {**KNOWN.__dict__, "weights": [1, 2, 3, float("nan")]},
        {**KNOWN.__dict__, "data": 7},
        {**KNOWN.__dict__, "more": 1},
    ],
)
def test_what_is_no_calibration_is_none(described: Any, cache: Path) -> None:
    assert load_calibration({KEY: described}, "f1") is None


def test_a_damaged_file_of_the_cache_is_no_calibration(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "f1.json").write_text("{")
    assert load_calibration({KEY: KNOWN.__dict__}, "f1") == KNOWN


# In a library.
@pytest.fixture
def library(tmp_path: Path, cache: Path) -> Library:
    for number in range(14):
        write_video(tmp_path / "videos" / f"v{number}.toy", f"scene{number}", f"dog{number}")
    library = Library.open(tmp_path / "library", ToyModel(), ToySource())
    library.add([tmp_path / "videos"])
    keep_calibration(KNOWN, "toy", ToyModel().fingerprint)
    return library


def test_an_answer_has_the_probability_of_its_ten_best_clips(library: Library) -> None:
    answer = library.answer(Query("scene3", top=10))
    assert answer.confidence is not None
    assert answer.confidence.by == "60 videos of clips/val"
    expected = KNOWN.right([hit.score for hit in answer.hits], 28)
    assert answer.confidence.right == pytest.approx(expected)


@pytest.mark.parametrize("top", [1, 3, 14])
def test_fewer_or_more_hits_change_neither_the_probability_nor_the_hits(
    library: Library, top: int
) -> None:
    query = Query("scene3", top=top)
    answer, ten = library.answer(query), library.answer(Query("scene3", top=10))
    assert answer.hits == library.search(query)
    assert len(answer.hits) == top
    assert answer.confidence == ten.confidence


def test_filters_count_only_the_clips_that_pass(library: Library, tmp_path: Path) -> None:
    folder = (str(tmp_path / "videos"),)
    narrow = tuple(str(tmp_path / "videos" / f"v{number}.toy") for number in range(11))
    wide = library.answer(Query("scene3", Filters(folders=folder))).confidence
    some = library.answer(Query("scene3", Filters(folders=narrow)))
    assert wide is not None
    assert wide.right is not None
    assert some.confidence is not None
    scores = [hit.score for hit in some.hits]
    assert some.confidence.right == pytest.approx(KNOWN.right(scores, 22))


def test_where_fewer_than_ten_clips_are_found_nothing_is_told(
    library: Library, tmp_path: Path
) -> None:
    one = Filters(folders=(str(tmp_path / "videos" / "v1.toy"),))
    found = library.answer(Query("scene3", one)).confidence
    assert found is not None
    assert found.right is None


def test_under_a_normalization_nothing_is_told(library: Library) -> None:
    library.fit_normalization([f"scene{number} dog{number}" for number in range(14)])
    found = library.answer(Query("scene3")).confidence
    assert found is not None
    assert found.right is None
