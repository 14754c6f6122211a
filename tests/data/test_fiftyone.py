"""FiftyOne's temporal detections as its documentation describes them, and what is wrong in others."""

import json
from pathlib import Path
from typing import Any

import pytest

from finereel.data.fiftyone import LabelledSpan, read_spans
from finereel.data.moment_files import read_moments
from finereel.errors import DataError


def written(folder: Path, described: Any) -> Path:
    (folder / "labels.json").write_text(json.dumps(described), "utf-8")
    return folder


def test_labels_without_classes_are_texts_and_null_is_no_label(tmp_path: Path) -> None:
    row = {"label": " a dog ", "timestamps": [0, 1.5], "confidence": 0.9, "attributes": {"a": 1}}
    written(tmp_path, {"labels": {"v1": [row], "v2": None, "v3": []}})
    assert read_spans(tmp_path) == [LabelledSpan("v1", "a dog", (0.0, 1.5))]


def test_a_label_that_comes_again_is_one_query(tmp_path: Path) -> None:
    rows = [{"label": 0, "timestamps": [start, start + 1]} for start in (5, 0)]
    written(tmp_path, {"classes": ["a dog"], "labels": {"v": rows}})
    (query,) = read_moments("fiftyone", tmp_path, "any")
    assert query.spans == ((5.0, 6.0), (0.0, 1.0))


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"labels": []}, "'labels' to be an object"),
        ({}, "'labels' to be an object"),
        ([], "labels.json"),
        ({"classes": 3, "labels": {}}, "'classes' to be a list"),
        ({"labels": {"v": 3}}, "video 'v': expected a list"),
        ({"labels": {"v": [3]}}, "a label of 'v'"),
        ({"labels": {"v": [{"label": "a"}]}}, "'timestamps'"),
        ({"labels": {"v": [{"label": "a", "timestamps": [2, 1]}]}}, "0 <= start < end"),
        ({"labels": {"v": [{"label": "a", "timestamps": [True, 1]}]}}, "0 <= start < end"),
        ({"labels": {"v": [{"label": "a", "timestamps": [0, 1e999]}]}}, "0 <= start < end"),
        ({"labels": {"v": [{"label": "a", "support": [1, 9]}]}}, "counts frames"),
        ({"labels": {"v": [{"label": 0, "timestamps": [0, 1]}]}}, "a label as text, got 0"),
        (
            {"classes": ["a"], "labels": {"v": [{"label": -1, "timestamps": [0, 1]}]}},
            "a number below 1",
        ),
        ({"labels": {"v": [{"label": " ", "timestamps": [0, 1]}]}}, "a label as text"),
    ],
)
def test_what_is_wrong_is_named(described: Any, words: str, tmp_path: Path) -> None:
    written(tmp_path, described)
    with pytest.raises(DataError) as caught:
        read_spans(tmp_path)
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)
