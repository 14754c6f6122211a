"""What every data set owes: it reads its authors' files, and says file and line of whatever is
wrong with them.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from finereel.data import DATASETS, PUBLISHED, VIRTUAL, load
from finereel.errors import ConfigError, DataError
from tiny_annotations import CAPTION, FILES, SIZES, write_annotations

LONGEST_MESSAGE = 500  # with the path of a test's folder in it
LISTS = {
    "msrvtt": "MSRVTT_train.9k.csv",
    "msvd": "val_list.txt",
    "vatex": "test_list.txt",
    "vln_uvo": "vln_UVO_val.txt",
}


def first_file(name: str) -> str:
    return next(iter(FILES[name]))


def cut_in_half(text: bytes) -> bytes:
    return text[: text.index(CAPTION.encode()) - 1]


def doubled(name: str, text: bytes) -> bytes:
    """The first record once more."""
    if first_file(name).endswith(".json"):
        value = json.loads(text)
        if name == "msrvtt":
            value["sentences"].insert(0, value["sentences"][0])
        elif isinstance(value, list):
            value.insert(0, value[0])
        else:
            key, entry = next(iter(value.items()))
            return b"{" + json.dumps({key: entry})[1:-1].encode() + b"," + text[1:]
        return json.dumps(value).encode()
    lines = text.split(b"\n")
    record = 1 if first_file(name).endswith(".csv") and name != "lsmdc" else 0
    return b"\n".join([*lines[: record + 1], *lines[record:]])


# What is done to the first file of a data set. Each must end as a DataError that names the file.
BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "an empty caption": lambda text: text.replace(CAPTION.encode(), b"  ").replace(
        b"   it stops", b" "
    ),
    "not UTF-8": lambda text: text.replace(CAPTION.encode(), b"caf\xe9"),
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "a NUL byte": lambda text: text.replace(CAPTION.encode(), b"a\0b"),
    "nothing": lambda text: b"",
    "blank lines": lambda text: b"\n\n  \n",
    "another kind of file": lambda text: b"\x89PNG\r\n\x1a\n" * 20,
}
BROKEN_JSON: dict[str, Callable[[bytes], bytes]] = {
    "cut in half": cut_in_half,
    "a bomb of brackets": lambda text: b"[" * 1_000_000,
    "a bomb of braces": lambda text: b'{"a":' * 1_000_000,
    "a number for a text": lambda text: text.replace(json.dumps(CAPTION).encode(), b"3"),
    "null for a text": lambda text: text.replace(json.dumps(CAPTION).encode(), b"null"),
    "a list for a text": lambda text: text.replace(json.dumps(CAPTION).encode(), b'["a"]'),
    "half a surrogate pair": lambda text: text.replace(CAPTION.encode(), b"\\ud800"),
    "an escaped NUL": lambda text: text.replace(CAPTION.encode(), b"\\u0000"),
    "a whole number of 10,000 digits": lambda text: b'{"a": ' + b"1" * 10_000 + b"}",
    "another shape": lambda text: b'{"a": {"b": 1}}' if text.startswith(b"[") else b"[1, 2]",
    "a number": lambda text: b"3",
    "null": lambda text: b"null",
    "an empty list": lambda text: b"[]",
    "an empty object": lambda text: b"{}",
}
BROKEN_CSV: dict[str, Callable[[bytes], bytes]] = {
    "a column gone": lambda text: text.replace(b"video", b"vidoe", 1),
    "a field too many": lambda text: text.replace(
        CAPTION.encode(), CAPTION.encode() + b",more,of,it"
    ),
    "an open quote": lambda text: text.replace(CAPTION.encode(), b'"a dog runs'),
    "a column twice": lambda text: text.replace(b"\r\n", b",video\r\n").replace(
        b"video", b"video,video", 1
    ),
    "only the header": lambda text: text.split(b"\r\n")[0],
}
CASES = [
    (name, what)
    for name in DATASETS
    for what in (
        *BROKEN,
        *(BROKEN_JSON if ".json" in first_file(name) else ()),
        *(BROKEN_CSV if first_file(name).endswith(".csv") and name != "lsmdc" else ()),
    )
]


def complaint(name: str, folder: Path) -> str:
    began = time.perf_counter()
    with pytest.raises(DataError) as caught:
        load(name, folder)
    assert time.perf_counter() - began < 10, (
        "a broken file fails at once; this bound is only for crowded machines"
    )
    message = str(caught.value)
    assert len(message) < LONGEST_MESSAGE
    assert message.isprintable()
    return message


def test_the_registries_name_the_same_data_sets() -> None:
    assert DATASETS.keys() == PUBLISHED.keys() == FILES.keys() == SIZES.keys()
    assert VIRTUAL.keys() <= DATASETS.keys()


@pytest.mark.parametrize("name", DATASETS)
def test_loads_what_is_there(name: str, tmp_path: Path) -> None:
    dataset = load(name, write_annotations(name, tmp_path))
    assert dataset.name == name
    assert {
        split.name: (len(split.videos), len(split.captions)) for split in dataset.splits.values()
    } == SIZES[name]
    assert list(dataset.splits) == list(SIZES[name])
    assert any(
        CAPTION in caption.text for split in dataset.splits.values() for caption in split.captions
    )
    assert dataset.selection in {None, "val"}
    assert (dataset.selection is None) == ("val" not in dataset.splits or name.startswith("vln"))


@pytest.mark.parametrize("name", DATASETS)
def test_the_same_files_give_the_same_hash_and_another_caption_another(
    name: str, tmp_path: Path
) -> None:
    def hashes(folder: Path) -> list[str]:
        return [split.hash for split in load(name, folder).splits.values()]

    one, two = (write_annotations(name, tmp_path / folder) for folder in "ab")
    before = hashes(one)
    assert before == hashes(two)
    file = two / first_file(name)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert before == hashes(two), "a byte order mark changes nothing"
    file.write_bytes(file.read_bytes().replace(CAPTION.encode(), b"a dog sits"))
    assert before != hashes(two)


@pytest.mark.parametrize("name", DATASETS)
def test_annotations_in_a_subfolder(name: str, tmp_path: Path) -> None:
    write_annotations(name, tmp_path / "annotations")
    assert SIZES[name].keys() == load(name, tmp_path).splits.keys()


@pytest.mark.parametrize(("name", "what"), CASES)
def test_broken_files_are_named(name: str, what: str, tmp_path: Path) -> None:
    file = write_annotations(name, tmp_path) / first_file(name)
    before, damage = file.read_bytes(), {**BROKEN, **BROKEN_JSON, **BROKEN_CSV}[what]
    if name == "didemo" and what == "an empty caption":
        before = before.replace(b" it stops", b"")
    file.write_bytes(damage(before))
    assert file.read_bytes() != before
    message = complaint(name, tmp_path)
    assert str(file) in message


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("what", ["an empty caption", "not UTF-8", "a NUL byte", "cut in half"])
def test_the_place_is_named(name: str, what: str, tmp_path: Path) -> None:
    file = write_annotations(name, tmp_path) / first_file(name)
    text = file.read_bytes().replace(b" it stops", b"") if name == "didemo" else file.read_bytes()
    file.write_bytes({**BROKEN, **BROKEN_JSON}[what](text))
    if what == "cut in half" and file.suffix != ".json":
        pytest.skip("half a file of lines is a shorter file")
    assert re.search(r"line \d+|\[.+\]", complaint(name, tmp_path).removeprefix(str(file)))


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "lsmdc"])
def test_an_id_that_stands_twice_is_refused(name: str, tmp_path: Path) -> None:
    """In LSMDC a clip may have several sentences, except in the test file."""
    file = write_annotations(name, tmp_path) / first_file(name)
    file.write_bytes(doubled(name, file.read_bytes()))
    message = complaint(name, tmp_path)
    assert str(file) in message
    assert "listed already" in message or "occurs twice" in message


def test_lsmdc_tests_on_one_sentence_per_clip(tmp_path: Path) -> None:
    file = write_annotations("lsmdc", tmp_path) / "LSMDC16_challenge_1000_publictect.csv"
    file.write_bytes(file.read_bytes() * 2)
    assert f"{file}, line 2" in complaint("lsmdc", tmp_path)


def test_a_description_of_didemo_stands_once(tmp_path: Path) -> None:
    file = write_annotations("didemo", tmp_path) / "val_data.json"
    rows = json.loads(file.read_text())
    file.write_text(json.dumps([*rows, rows[0]]))
    assert f"{file}, [2]: annotation_id 1 was listed already" in complaint("didemo", tmp_path)


@pytest.mark.parametrize("name", LISTS)
def test_listed_videos_have_captions_and_stand_once(name: str, tmp_path: Path) -> None:
    listing = write_annotations(name, tmp_path) / LISTS[name]
    text = listing.read_bytes()
    listing.write_bytes(text + b"stranger\n")
    assert "'stranger' has no caption" in complaint(name, tmp_path)
    listing.write_bytes(text + text.split()[-1] + b"\n")
    message = complaint(name, tmp_path)
    assert str(listing) in message
    assert "listed already" in message


@pytest.mark.parametrize("name", DATASETS)
def test_missing_files_are_named(name: str, tmp_path: Path) -> None:
    assert first_file(name) in complaint(name, tmp_path)
    assert "does not exist" in complaint(name, tmp_path / "nowhere")


@pytest.mark.parametrize("name", DATASETS)
def test_a_folder_instead_of_a_file(name: str, tmp_path: Path) -> None:
    file = write_annotations(name, tmp_path) / first_file(name)
    file.unlink()
    file.mkdir()
    assert f"{file} is a folder" in complaint(name, tmp_path)


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "folder"])
def test_a_file_instead_of_the_folder(name: str, tmp_path: Path) -> None:
    file = write_annotations(name, tmp_path) / first_file(name)
    assert "is a file" in complaint(name, file)


@pytest.mark.parametrize("name", DATASETS)
def test_ten_megabytes_in_one_line(name: str, tmp_path: Path) -> None:
    file = write_annotations(name, tmp_path) / first_file(name)
    file.write_bytes(file.read_bytes().replace(CAPTION.encode(), b"x" * 10_000_000))
    began = time.perf_counter()
    dataset = load(name, tmp_path)
    assert (
        max(len(text.text) for split in dataset.splits.values() for text in split.captions)
        >= 10_000_000
    )
    assert time.perf_counter() - began < 10, "under a second on a quiet machine"


@pytest.mark.parametrize("name", DATASETS)
def test_a_very_long_id_is_refused_briefly(name: str, tmp_path: Path) -> None:
    video = load(name, write_annotations(name, tmp_path)).splits[next(iter(SIZES[name]))].videos[-1]
    file = tmp_path / first_file(name)
    file.write_bytes(file.read_bytes().replace(video.encode(), b"y" * 100_000))
    assert str(file) in complaint(name, tmp_path)


def test_unknown_names_and_missing_annotations() -> None:
    with pytest.raises(ConfigError, match="expected one of activitynet, didemo"):
        load("imagenet", Path())
    for name in DATASETS.keys() - VIRTUAL.keys():
        with pytest.raises(ConfigError, match="needs the folder"):
            load(name)


def test_captions_keep_their_bytes(tmp_path: Path) -> None:
    text = "\u2028 e\u0301 'ＡＢ' =SUM(A1) \u0085x"
    file = write_annotations("folder", tmp_path) / "captions.csv"
    file.write_bytes(file.read_bytes().replace(CAPTION.encode(), f"  {text}\t".encode()))
    assert load("folder", tmp_path).split("train").captions[0].text == text.strip()


def test_importing_the_data_sets_needs_no_torch() -> None:
    code = "import sys, finereel.data.check; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_split_of_key_frames_lists_videos_that_msrvtt_knows(tmp_path: Path) -> None:
    listing = write_annotations("msrvtt_frames", tmp_path) / "split.json"
    listing.write_text('{"train": ["video7"], "val": ["stranger"], "test": ["video9"]}')
    assert "val lists 'stranger'" in complaint("msrvtt_frames", tmp_path)
    listing.write_text('{"train": ["video7"], "val": "video8", "test": ["video9"]}')
    assert "a list of video ids under 'val'" in complaint("msrvtt_frames", tmp_path)
