"""A file that says how long it is, is believed about being too short."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.video.truncation import missing_bytes
from support.media import Recipe, make_video

CASES = {
    "a.mp4": Recipe(),
    "first.mp4": Recipe(container_options={"movflags": "faststart"}),
    "fragments.mp4": Recipe(
        container_options={"movflags": "frag_keyframe+empty_moov"}, options={"g": "10"}
    ),
    "a.mkv": Recipe(),
    "a.avi": Recipe(codec="mpeg4"),
    "a.ts": Recipe(codec="mpeg2video"),
    "live.webm": Recipe(codec="libvpx-vp9", container_options={"live": "1"}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_whole_file_misses_nothing(tmp_path: Path, name: str) -> None:
    with make_video(tmp_path / name, CASES[name]).open("rb") as file:
        assert missing_bytes(file) == 0


@pytest.mark.parametrize("name", ["a.mp4", "first.mp4", "a.mkv", "a.avi"])
def test_a_cut_file_misses_what_was_cut(tmp_path: Path, name: str) -> None:
    data = make_video(tmp_path / name, CASES[name]).read_bytes()
    for cut in (1, 100, len(data) // 3):
        assert 0 < missing_bytes(io.BytesIO(data[:-cut])) <= cut


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"RIFF", b"\x1aE\xdf\xa3", b"\0\0\0\x10ftyp"])
)
def test_any_bytes_are_survived(body: bytes, head: bytes) -> None:
    assert missing_bytes(io.BytesIO(head + body)) >= 0
