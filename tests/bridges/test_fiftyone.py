"""Hits become FiftyOne's temporal detections and come back as moments and captions."""

import json
from pathlib import Path

import pytest

from finereel.bridges.fiftyone import write_detections
from finereel.data.fiftyone import read_spans
from finereel.data.moment_files import read_moments
from finereel.data.sources import captions_of
from finereel.errors import ConfigError
from finereel.types import Hit


def hit(video: str, start: float, end: float, score: float = 1.0) -> Hit:
    return Hit(video, start, end, score, {"video_sentence": score}, start, f"{video}-0")


FOUND = {
    "a dog runs": [hit("/v/a/one.mp4", 0.5, 2.0, 3.5), hit("/v/b/one.mp4", 10.0, 20.0)],
    "a cat": [hit("/v/a/one.mp4", 4.0, 5.25)],
    "nothing": [],
}


def test_what_is_written_has_the_layout_of_fiftyone(tmp_path: Path) -> None:
    write_detections(tmp_path / "out", FOUND)
    data = json.loads((tmp_path / "out" / "data.json").read_text("utf-8"))
    assert data == {"one": "/v/a/one.mp4", "one-2": "/v/b/one.mp4"}
    labels = json.loads((tmp_path / "out" / "labels.json").read_text("utf-8"))
    assert labels["classes"] == ["a dog runs", "a cat", "nothing"]
    first = {"score": 3.5, "clip_id": "/v/a/one.mp4-0"}
    assert labels["labels"]["one"] == [
        {"label": 0, "timestamps": [0.5, 2.0], "attributes": first},
        {"label": 1, "timestamps": [4.0, 5.25], "attributes": {**first, "score": 1.0}},
    ]
    with pytest.raises(ConfigError, match="no hits"):
        write_detections(tmp_path / "none", {"a": []})
    assert not (tmp_path / "none").exists()


def test_it_is_read_as_moments_and_captions(tmp_path: Path) -> None:
    write_detections(tmp_path, FOUND)
    moments = {
        (query.video_id, query.text): query.spans
        for query in read_moments("fiftyone", tmp_path, "test")
    }
    assert moments == {
        ("one", "a dog runs"): ((0.5, 2.0),),
        ("one", "a cat"): ((4.0, 5.25),),
        ("one-2", "a dog runs"): ((10.0, 20.0),),
    }
    captions = list(captions_of(tmp_path, "fiftyone"))
    assert [(one.id, one.video_id, one.text) for one in captions] == [
        ("one#0", "one", "a dog runs"),
        ("one#1", "one", "a cat"),
        ("one-2#0", "one-2", "a dog runs"),
    ]
    assert len(read_spans(tmp_path / "labels.json")) == 3
    with pytest.raises(ConfigError, match="no split"):
        list(captions_of(tmp_path, "fiftyone", "test"))
