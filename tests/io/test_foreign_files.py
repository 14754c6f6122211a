"""Files that others made: what they may be, how large, and how deep."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from finereel.io.foreign_files import (
    DEEPEST,
    ForeignFileError,
    brief,
    parse_json_object,
    read_json_object,
    read_npz,
)


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 30)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "got a folder"),
        (lambda path: os.mkfifo(path), "got a pipe or device"),
        (lambda path: path.symlink_to("/dev/zero"), "got a pipe or device"),
        (lambda path: path.symlink_to(path.name), "cannot be opened"),
        (sparse, "at most 1 MiB, got 1024"),
        (lambda path: path.write_bytes(b'{"a": "\xff"}'), "byte 7 is none"),
        (lambda path: path.write_bytes(b""), "expected JSON"),
        (lambda path: path.write_bytes(b"[1]"), "expected a JSON object, got a list"),
        (lambda path: path.write_bytes(b'{"a":' * 150_000), "levels of JSON, got hundreds"),
        (lambda path: path.write_bytes(b'{"a": 1, "a": 2}'), "'a' occurs twice"),
    ],
)
def test_what_is_no_json_object(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "config.json"
    make(path)
    with pytest.raises(ForeignFileError, match=message):
        read_json_object(path)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json_object(tmp_path / "a.json") == {"a": 1}


def test_how_deep_objects_may_lie() -> None:
    def nested(levels: int) -> str:
        return '{"a":' * levels + "1" + "}" * levels

    parse_json_object(nested(DEEPEST))
    with pytest.raises(ForeignFileError, match="got more"):
        parse_json_object(nested(DEEPEST + 1))


def test_messages_stay_short_and_on_one_line() -> None:
    assert "\n" not in brief("a\n\x1b[2J")
    assert len(brief("x" * 10**6)) < 100
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert brief(deep) == "a list"


def packed(arrays: dict[str, np.ndarray], compressed: bool = False) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_arrive_as_they_were(tmp_path: Path, compressed: bool) -> None:
    arrays = {
        "floats": np.arange(12.0, dtype=np.float32).reshape(3, 4), "turned": np.asfortranarray(np.eye(3)),
        "texts": np.array(["a", "bcd"]), "scalar": np.array("x"), "none": np.empty((0, 4)), "truth": np.array([True]),
    }  # fmt: skip
    (tmp_path / "a.npz").write_bytes(packed(arrays, compressed))
    for found in (read_npz(tmp_path / "a.npz"), read_npz(packed(arrays, compressed))):
        assert found.keys() == arrays.keys()
        assert all(np.array_equal(found[name], array) for name, array in arrays.items())
        found["floats"][0, 0] = 7  # nobody shares the memory


def claiming(shape: str, body: bytes = b"\0" * 16) -> bytes:
    """An npz whose array says to have a shape."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(
            "a.npy",
            b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + body,
        )
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            packed({"a": np.zeros(1 << 24, np.float64)}, compressed=True),
            "more than an npz file may hold",
        ),
        (claiming("(1000000000000,)"), "holds 16 bytes"),
        (claiming("(-4,)"), "holds 16 bytes"),
        (claiming("(4,)"), ""),
        (packed({"a": np.array([{"b": 1}], dtype=object)}), "pickled"),
        (packed({"a": np.zeros(100)})[:-80], "not a complete npz"),
        (b"", "not a complete npz"),
    ],
)
def test_what_is_no_npz(content: bytes, message: str) -> None:
    if not message:
        assert read_npz(content)["a"].shape == (4,)
        return
    with pytest.raises(ForeignFileError, match=message):
        read_npz(content)
