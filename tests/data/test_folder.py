"""A user's own captions: CSV and JSONL say the same, and mistakes are named."""

import csv
import io
import json
import posixpath
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.data import load
from finereel.data.base import Caption
from finereel.errors import DataError

NAMES = st.text("abc/-_.é 1", min_size=1, max_size=6).map(str.strip).filter(bool)
SPELLED_ONCE = NAMES.filter(
    lambda name: unicodedata.normalize("NFC", posixpath.normpath(name)) == name
)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30
).filter(str.strip)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("folder")


@given(
    split_of=st.dictionaries(
        SPELLED_ONCE, st.sampled_from(["train", "val", "test"]), min_size=1, max_size=4
    ),
    texts=st.lists(st.tuples(st.integers(0, 3), TEXTS), min_size=1, max_size=8),
)
def test_csv_and_jsonl_give_what_was_written(
    folder: Path, split_of: dict[str, str], texts: list[tuple[int, str]]
) -> None:
    videos = list(split_of)
    rows = [{"video": videos[at % len(videos)], "caption": text} for at, text in texts]
    rows = [{**row, "split": split_of[row["video"]]} for row in rows]
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, ["split", "caption", "video"])
    writer.writeheader()
    writer.writerows(rows)
    (folder / "a.csv").write_bytes(out.getvalue().encode())
    (folder / "a.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    one, two = load("folder", folder / "a.csv"), load("folder", folder / "a.jsonl")
    assert one == two
    wanted = sorted((row["split"], row["video"], row["caption"].strip()) for row in rows)
    found = [
        (name, text.video_id, text.text)
        for name, split in one.splits.items()
        for text in split.captions
    ]
    assert sorted(found) == wanted
    assert one.selection == ("val" if "val" in one.splits else None)
    repeated = len({row["video"] for row in rows}) < len(rows)
    assert one.protocol.texts == ("multiple" if repeated else "single")


def load_lines(
    tmp_path: Path, *lines: str, name: str = "captions.csv"
) -> dict[str, tuple[Caption, ...]]:
    (tmp_path / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return {name: split.captions for name, split in load("folder", tmp_path).splits.items()}


def test_ids_and_splits_may_be_left_out(tmp_path: Path) -> None:
    found = load_lines(tmp_path, "video,caption,note", "a.mp4,x,1", "a.mp4,y,")
    assert found == {"all": (Caption("a.mp4#0", "a.mp4", "x"), Caption("a.mp4#1", "a.mp4", "y"))}
    found = load_lines(tmp_path, "id,video,caption", "q7,a.mp4,x")
    assert found == {"all": (Caption("q7", "a.mp4", "x"),)}


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (
            ("video,caption,split", "a,x,train", "b,z,val", "a,y,val"),
            "line 4: 'a' is in split 'train' too",
        ),
        (
            ("id,video,caption,split", "1,a,x,train", "1,b,y,val"),
            "line 3: the id '1' was listed already .line 2.",
        ),
        (("id,video,caption", "a#0,b,x", ",a,y"), "line 3: 'id' is empty"),
        (("video,caption,split", "a,x,"), "line 2: 'split' is empty"),
        (
            ("video,caption", 'a.mp4,"a horse runs', "b.mp4,two astronauts"),
            "line 2: not CSV .*quote texts that hold",
        ),
        (
            ("video,caption", "a.mp4,a horse, brown"),
            "line 2: expected 2 fields .'video, caption'., got 3",
        ),
        (
            ("video;caption", "a;x"),
            "line 1: expected the columns video, caption; no video, caption in 'video;caption'",
        ),
    ],
)
def test_mistakes(tmp_path: Path, lines: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        load_lines(tmp_path, *lines)


def test_a_spreadsheet_with_commas_quotes_and_lines_in_its_texts(tmp_path: Path) -> None:
    text = (
        '\ufeffvideo,caption\r\na.mp4,"a horse, brown, ""fast""\r\nruns"\r\nb.mp4,two '
        "astronauts\r\n"
    )
    (tmp_path / "captions.csv").write_bytes(text.encode())
    found = load("folder", tmp_path).split("all").captions
    assert [caption.text for caption in found] == [
        'a horse, brown, "fast"\r\nruns',
        "two astronauts",
    ]


def test_files_that_are_no_captions(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a .csv or .jsonl file"):
        load("folder", tmp_path / "captions.xlsx")
    with pytest.raises(DataError, match=r"has no captions.csv or captions.jsonl"):
        load("folder", tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        load("folder", tmp_path / "nowhere")
