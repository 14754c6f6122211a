"""The published files give the published splits, skipped where the files are absent."""

import json
import re
import shutil
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from finereel.data import PUBLISHED, load
from finereel.data.base import Dataset
from finereel.evaluation.evaluate import BenchmarkSettings, given_scores, record_scores
from finereel.evaluation.gallery import cut_captions
from finereel.text import clip_tokenizer
from places import DATA, ROOT

SHARED = DATA
FOLDERS = {
    "msrvtt": "MSRVTT",
    "msvd": "MSVD",
    "didemo": "DiDeMo",
    "activitynet": "ActivityNet",
    "vln_uvo": "VLN-UVO",
}
HELD = {"didemo": {"train": (8362, 8362), "val": (1062, 1062)}}
"""Where the files in circulation have fewer videos than papers report."""
HASHES = {
    "msrvtt": {
        "train_9k": "bdc6b72c9eb7",
        "train_7k": "98b2a1e0456b",
        "test": "777e1b9e63ae",
        "test_20": "2c90af09d455",
    },
    "msvd": {"train": "ed495de93a8a", "val": "25fe175e4292", "test": "f602d3f7b384"},
    "didemo": {"train": "cdef14fac149", "val": "628c7cf9c815", "test": "5a3c3aa343f3"},
    "activitynet": {"train": "bb6f0b355fa0", "test": "f4eb94e6d9d2"},
    "vln_uvo": {"all": "37b0e3b50cfe"},
}
pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the published annotation files are not here"
)
NAMES = [pytest.param(name, marks=pytest.mark.slow if name == "msrvtt" else ()) for name in FOLDERS]
"""The 200,000 captions of MSR-VTT take two seconds, and many more where every call is checked."""


@cache
def published(name: str) -> Dataset:
    return load(name, SHARED / "annotations" / FOLDERS[name])


@pytest.mark.parametrize("name", NAMES)
def test_split_sizes_and_hashes(name: str) -> None:
    splits = published(name).splits
    found = {split.name: (len(split.videos), len(split.captions)) for split in splits.values()}
    wanted = {split: (size.videos, size.captions) for split, size in PUBLISHED[name].items()}
    assert found == wanted | HELD.get(name, {})
    assert {split.name: split.hash for split in splits.values()} == HASHES[name]


@pytest.mark.parametrize("name", NAMES)
def test_no_test_video_was_trained_on(name: str) -> None:
    splits = published(name).splits
    trained = {
        video
        for split in splits.values()
        if split.name.startswith("train")
        for video in split.videos
    }
    tested = {
        video
        for split in splits.values()
        if not split.name.startswith("train")
        for video in split.videos
    }
    assert not trained & tested


def test_the_thousand_pairs_of_1ka_need_no_other_file(tmp_path: Path) -> None:
    file = "MSRVTT_JSFUSION_test.csv"
    (tmp_path / file).symlink_to(SHARED / "annotations" / "MSRVTT" / file)
    dataset = load("msrvtt", tmp_path)
    assert {name: split.hash for name, split in dataset.splits.items()} == {
        "test": HASHES["msrvtt"]["test"]
    }
    assert len(dataset.split("test").videos) == len(dataset.split("test").captions) == 1000


@pytest.mark.slow
def test_msrvtt_has_twenty_captions_per_video_and_one_in_1ka() -> None:
    msrvtt = published("msrvtt")
    first = msrvtt.split("test").captions[0]
    assert (first.id, first.video_id, first.text) == (
        "ret0",
        "video9770",
        "a person is connecting something to system",
    )
    assert msrvtt.split("train_7k").videos[0] == "video0"
    assert len({caption.id for caption in msrvtt.split("train_9k").captions}) == 180_000
    assert set(msrvtt.split("test").videos) == set(msrvtt.split("test_20").videos)


@pytest.mark.parametrize(
    ("name", "split", "file"),
    [
        pytest.param("msrvtt", "test_20", "msr1ka_adverb_RE20.json", marks=pytest.mark.slow),
        pytest.param("msrvtt", "test_20", "msr1ka_preposition_RE20.json", marks=pytest.mark.slow),
        ("vln_uvo", "all", "uvo_val_adverb_RE20.json"),
        ("vln_uvo", "all", "uvo_val_preposition_RE20.json"),
    ],
)
def test_the_published_hard_negatives_name_our_captions(name: str, split: str, file: str) -> None:
    """A negative differs in one word from the caption with its id; with the caption next to it, it
    shares few.
    """
    texts = {caption.id: caption.text for caption in published(name).split(split).captions}
    negatives = json.loads((SHARED / "negatives" / file).read_text(encoding="utf-8"))
    assert negatives.keys() <= texts.keys()
    apart = [differing(texts[key], own["0"]) for key, own in negatives.items()]
    assert sum(count <= 1 for count in apart) / len(apart) > 0.9


def differing(one: str, other: str) -> int:
    """Words of one text that the other lacks."""
    return len(set(re.findall(r"\w+", one.lower())) - set(re.findall(r"\w+", other.lower())))


def test_didemo_labels_and_descriptions_give_the_same_paragraphs(tmp_path: Path) -> None:
    folder = SHARED / "annotations" / "DiDeMo"
    labelled = published("didemo")
    for name, videos in (("val", 1094), ("test", 1037)):
        (tmp_path / f"{name}_data.json").symlink_to(folder / f"{name}_data.json")
        described = load("didemo", tmp_path).split(name)
        assert len(described.videos) == videos
        texts = {caption.video_id: caption.text for caption in described.captions}
        assert all(
            texts[caption.video_id] == caption.text for caption in labelled.split(name).captions
        )
        (tmp_path / f"{name}_list.txt").write_text("\n".join(labelled.split(name).videos))
        assert load("didemo", tmp_path).split(name).hash == labelled.split(name).hash


def test_a_folder_of_clips_with_captions() -> None:
    dataset = load("folder", SHARED / "videos")
    assert {
        name: (len(split.videos), len(split.captions)) for name, split in dataset.splits.items()
    } == {"all": (60, 60)}
    assert dataset.protocol.texts == "single"


@pytest.mark.parametrize(
    ("name", "words", "cut"), [("activitynet", 64, "1,275 of 4,917"), ("didemo", 64, "10 of 1,004")]
)
def test_paragraphs_longer_than_the_window_are_counted(name: str, words: int, cut: str) -> None:
    split = published(name).split("test")
    reads = SimpleNamespace(tokenizer=clip_tokenizer(), config=SimpleNamespace(max_words=words))
    assert f"{cut_captions(reads, split):,} of {len(split.captions):,}" == cut
    assert cut in (ROOT / "docs" / "guide" / "evaluate.md").read_text("utf-8")


def test_captions_that_1k_a_has_twice_keep_a_perfect_model_from_100(tmp_path: Path) -> None:
    """A model that gives equal sentences equal scores; R@1 is the expectation over its ties."""
    shutil.copy(SHARED / "annotations" / "MSRVTT" / "MSRVTT_JSFUSION_test.csv", tmp_path)
    dataset = load("msrvtt", tmp_path)
    split = dataset.split("test")
    texts = np.array([caption.text for caption in split.captions])
    same = texts[:, None] == texts[None]
    scored, made = given_scores(split, same[:, np.argsort(split.video_of_caption)], "perfect")
    plain, right = (
        record_scores(dataset, scored, made, BenchmarkSettings(doubled_right=counted))
        for counted in (False, True)
    )
    assert (plain.dataset.doubled, right.dataset.doubled) == (9, 9)
    assert plain.row("text_to_video")["R@1"] == pytest.approx(99.5)
    assert right.row("text_to_video")["R@1"] == 100.0
