"""Ranges of a file: exactly the bytes that were asked for, from the handle that was given."""

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.web import files
from finereel.web.files import FileAnswer
from finereel.web.ranges import UnsatisfiableError, byte_range

BYTES = random.Random(0).randbytes(5_000)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(files, "CHUNK", 999)
    (tmp_path / "video.mp4").write_bytes(BYTES)
    return tmp_path / "video.mp4"


def ask(path: Path, method: str = "GET", **headers: str) -> httpx.Response:
    handle = path.open("rb")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await FileAnswer(handle, "video/mp4", {"ETag": '"1"'})(scope, receive, send)

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, "/", headers=given)

    answer = asyncio.run(asked())
    assert handle.closed
    return answer


@pytest.mark.parametrize(
    ("asked", "status", "part", "told"),
    [
        ("", 200, slice(None), None),
        ("bytes=0-0", 206, slice(0, 1), "bytes 0-0/5000"),
        ("bytes=998-2001", 206, slice(998, 2002), "bytes 998-2001/5000"),
        ("bytes=4990-", 206, slice(4990, None), "bytes 4990-4999/5000"),
        ("bytes=-7", 206, slice(-7, None), "bytes 4993-4999/5000"),
        ("bytes=-9999", 206, slice(None), "bytes 0-4999/5000"),
        ("bytes=1-2,4-5", 200, slice(None), None),
        ("bytes=5-1", 200, slice(None), None),
        ("bytes=5000-", 416, slice(0, 0), "bytes */5000"),
        ("bytes=-0", 416, slice(0, 0), "bytes */5000"),
    ],
)
def test_ranges(path: Path, asked: str, status: int, part: slice, told: str | None) -> None:
    answer = ask(path, Range=asked)
    assert answer.status_code == status
    assert answer.content == BYTES[part]
    assert answer.headers.get("content-range") == told
    head = ask(path, "HEAD", Range=asked)
    assert (head.status_code, head.content) == (status, b"")
    assert head.headers["content-length"] == str(len(BYTES[part]))


def test_a_range_of_another_state_of_the_file_gives_all_of_it(path: Path) -> None:
    assert ask(path, Range="bytes=0-9", If_Range='"1"').status_code == 206
    assert ask(path, Range="bytes=0-9", If_Range='"2"').status_code == 200


@given(st.text(max_size=20), st.integers(0, 50))
def test_any_range_header_gives_bytes_of_the_file_or_an_error(header: str, size: int) -> None:
    for text in (header, f"bytes={header}"):
        try:
            found = byte_range(text, size)
        except UnsatisfiableError:
            continue
        assert found is None or 0 <= found[0] <= found[1] < size
