"""The scripts that measure words on captioned clips, and fit a model's record of them."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from research.scripts import word_record
from research.scripts.word_swaps import captioned_clips, measured, resampled

from finereel.index.evidence import records_of
from finereel.index.faithfulness import Swaps
from finereel.models.saving import load
from support.media import BLUE, RED, Recipe, make_video
from tiny_models import tiny_model


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """Two clips with three captions, and a model folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tiny_model().save(tmp_path / "model")
    for name, colour in (("red", RED), ("blue", BLUE)):
        make_video(tmp_path / f"{name}.mp4", Recipe(colour=colour))
    rows = ("red,a red car", "red,a dog runs", "red,a dog runs", "blue,a blue car")
    (tmp_path / "captions.csv").write_text("\n".join(("video,caption", *rows)) + "\n")
    values = {"data": "folder", "split": "all", "features": None, "captions": 20, "scenes": 2}
    return argparse.Namespace(
        model=tmp_path / "model", annotations=tmp_path / "captions.csv", videos=tmp_path, **values
    )


def test_clips_keep_each_of_their_captions_once(given: argparse.Namespace) -> None:
    clips = captioned_clips(load(given.model), given)
    assert [clip.captions for clip in clips] == [("a red car", "a dog runs"), ("a blue car",)]
    assert {slot.words[0] for slot in clips[0].slots} >= {"red", "dog"}
    assert [len(clip.video) for clip in clips] == [1, 1]


def test_the_record_is_written_beside_what_the_card_holds(
    given: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = json.loads((given.model / "config.json").read_text())
    fingerprint = load(given.model).fingerprint
    options = ("model", "data", "split", "annotations", "videos")
    words = [word for name in options for word in (f"--{name}", str(getattr(given, name)))]
    monkeypatch.setattr("sys.argv", ["word_record", *words])
    word_record.main()
    after = json.loads((given.model / "config.json").read_text())
    record = after["card"].pop("words")
    assert after == {**before, "card": before.get("card", {})}
    assert record["noun"]["pairs"] >= 1
    assert records_of({"words": record})["noun"].margin is None  # too few words to judge by
    assert load(given.model).fingerprint == fingerprint


def test_an_interval_is_over_clips_not_words() -> None:
    random = np.random.default_rng(0)
    per_clip = random.normal(size=20)
    values, clips = np.repeat(per_clip, 30), np.repeat(np.arange(20), 30)
    low, high = resampled(clips, lambda at: float(values[at].mean()))
    assert low < values.mean() < high
    assert high - low > 0.5  # 600 independent words would give 0.15


def test_what_is_measured_of_a_part_of_speech() -> None:
    found = measured(Swaps([1.0, 2.0, 3.0], [0.0, -1.0, 2.5], [1.0, 1.0, 0.5], [0, 1, 1]))
    assert (found["true"], found["clips"]) == (3, 2)
    assert found["auroc"] == pytest.approx(7 / 9)
    assert found["auroc_95"][0] <= found["auroc"] <= found["auroc_95"][1]
    assert found["pair_accuracy"] == pytest.approx(250 / 3)
