"""The released form: captions from elsewhere, parts of speech from the file's name."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from finereel.data.base import Caption
from finereel.errors import ConfigError, DataError
from finereel.finegrain.files import read_negatives, write_negatives
from finereel.finegrain.files.base import Known
from finereel.finegrain.files.released import pos_named, video_of
from finereel.finegrain.types import Negative
from tiny_negatives import CAPTIONS, KNOWN

ROW = Negative("a", "v", "v#0", "a dog", "a cat", "noun", 2, 5, "dog", "cat", "set")


@pytest.mark.parametrize(
    ("caption_id", "video"),
    [
        ("video7960#7", "video7960"),
        ("--7qK_w-g3Y##*##12", "--7qK_w-g3Y"),
        ("5Jm0DJqRr2A_000000_000010#3", "5Jm0DJqRr2A_000000_000010"),
        ("ret0", "ret0"),
        ("a#b#2", "a#b"),
    ],
)
def test_the_video_of_a_caption(caption_id: str, video: str) -> None:
    assert video_of(caption_id) == video


@pytest.mark.parametrize(
    ("name", "pos"),
    [
        ("msr1ka_adverb_RE20.json", "adverb"),
        ("uvo_val_preposition_RE20.json", "preposition"),
        ("vatex1k5_adj_RE20.json", "adjective"),
        ("VERB.json", "verb"),
        ("noun-20.json", "noun"),
        ("uvo_adp.json", "preposition"),
        ("proverbs.json", None),
        ("noun_and_verb.json", None),
        ("RE20.json", None),
    ],
)
def test_the_part_of_speech_in_a_name(name: str, pos: str | None) -> None:
    assert pos_named(Path(name)) == pos


def written(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_rows_of_a_released_file(tmp_path: Path) -> None:
    path = written(
        tmp_path / "x_adverb.json", {"video7#0": {"0": "a man walks fast, near an apple"}}
    )
    (row,) = read_negatives(path, None, KNOWN)
    assert (row.id, row.video_id, row.caption_id, row.pos) == (
        "video7#0/adverb/0",
        "video7",
        "video7#0",
        "adverb",
    )
    assert (row.start, row.end, row.source, row.replacement) == (12, 18, "slowly", "fast")
    assert row.caption == CAPTIONS["video7#0"].text


def test_what_a_reader_is_told_wins_over_the_name(tmp_path: Path) -> None:
    path = written(
        tmp_path / "x_adverb.json", {"video7#0": {"0": "a man walks fast, near an apple"}}
    )
    assert read_negatives(path, None, Known(CAPTIONS, "noun"))[0].pos == "noun"


def test_captions_are_needed(tmp_path: Path) -> None:
    path = written(tmp_path / "x_adverb.json", {"video7#0": {"0": "a"}})
    with pytest.raises(ConfigError, match="--captions"):
        read_negatives(path)
    other = {"video8#0": Caption("video8#0", "video8", "rain")}
    with pytest.raises(
        DataError, match=r"video7#0.*none of the 1 captions given .* like 'video8#0'"
    ):
        read_negatives(path, None, Known(other))


def test_a_part_of_speech_is_needed(tmp_path: Path) -> None:
    path = written(tmp_path / "x.json", {"video7#0": {"0": "a"}})
    with pytest.raises(ConfigError, match="--read-as"):
        read_negatives(path, None, KNOWN)


def test_one_part_of_speech_per_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one part of speech, got noun, verb"):
        write_negatives([ROW, replace(ROW, id="b", pos="verb")], tmp_path / "x.json", "released")


def test_negatives_of_a_caption_are_numbered(tmp_path: Path) -> None:
    rows = [ROW, replace(ROW, id="b", caption_id="w#0"), replace(ROW, id="c", negative="a cow")]
    write_negatives(rows, tmp_path / "x.json", "released")
    assert json.loads((tmp_path / "x.json").read_text()) == {
        "v#0": {"0": "a cat", "1": "a cow"},
        "w#0": {"0": "a cat"},
    }


@pytest.mark.parametrize(
    "value", [["a"], [["a"]], [["a", "X"]], [["a", "noun", "b"]], "a", [[3, "NOUN"]]]
)
def test_thesis_entries_that_are_none(tmp_path: Path, value: object) -> None:
    path = written(tmp_path / "x.json", {"video7#0": value})
    with pytest.raises(DataError, match="video7#0"):
        read_negatives(path, "thesis", KNOWN)


def test_a_thesis_file_holds_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got phrase"):
        write_negatives([replace(ROW, pos="phrase")], tmp_path / "x.json", "thesis")
