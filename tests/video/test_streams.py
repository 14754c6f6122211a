"""Of several picture streams the film is read, not its cover, thumbnails or preview."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import BrokenVideoError
from finereel.video.clips import ClipReader
from finereel.video.decode import Source
from finereel.video.plan import ClipPlan, Limits
from finereel.video.streams import missing_bytes
from support.media import BLUE, GREEN, RED, Recipe, make_video


@dataclass(frozen=True)
class Track:
    """A picture stream of one colour; every frame lasts `seconds` / `frames`."""

    colour: tuple[int, int, int]
    frames: int = 50
    seconds: float = 2.0
    codec: str = "libx264"
    size: tuple[int, int] = (64, 48)
    disposition: int = 0


FILM = Track(RED)
COVER = Track(GREEN, 1, 0.04, "mjpeg", (640, 480))


def make(path: Path, tracks: Sequence[Track]) -> Path:
    """A file with `tracks`, interleaved by time."""
    with av.open(str(path), "w") as output:
        packets = []
        for track in tracks:
            stream = output.add_stream(track.codec, rate=25)
            stream.width, stream.height = track.size
            stream.pix_fmt = "yuvj420p" if track.codec == "mjpeg" else "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000)
            stream.disposition = Disposition(track.disposition)
            pixels = np.full((track.size[1], track.size[0], 3), track.colour, np.uint8)
            for index in range(track.frames):
                frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
                frame.pts, frame.time_base = (
                    round(1000 * index * track.seconds / track.frames),
                    Fraction(1, 1000),
                )
                packets += stream.encode(frame)
            packets += stream.encode()
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)
    return path


def colour_and_end(path: Path) -> tuple[int, float]:
    """The strongest channel of what is read (0 red, 1 green, 2 blue), and where its last
    clip ends.
    """
    source = Source(path, Limits())
    try:
        clips = list(ClipReader(source, ClipPlan()))
        return int(clips[0].frames.pixels.mean(axis=(0, 1, 2)).argmax()), clips[-1].window.end
    finally:
        source.close()


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
@pytest.mark.parametrize("tracks", [(FILM, COVER), (COVER, FILM)])
def test_a_cover_is_not_the_film(tmp_path: Path, suffix: str, tracks: tuple[Track, Track]) -> None:
    colour, end = colour_and_end(make(tmp_path / f"a.{suffix}", tracks))
    assert (colour, round(end)) == (0, 2)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize(
    "other",
    [
        Track(GREEN, 1, 0.04, "libx264", (640, 480)),  # a cover in the film's own codec
        Track(
            GREEN, 1, 0.04, "mjpeg", (640, 480), int(Disposition.default)
        ),  # a cover that says it is the default
        Track(GREEN, 4, 0.16, "mjpeg", (320, 240)),  # a cover that moves
        Track(GREEN, 50, 2.0, "libx264", (32, 24)),  # a preview
    ],
)
def test_other_streams_are_not_the_film(tmp_path: Path, suffix: str, other: Track) -> None:
    film = Track(RED, 250, 10.0)
    other = other if other.frames < 50 else Track(GREEN, 250, 10.0, "libx264", (32, 24))
    for tracks in ((film, other), (other, film)):
        assert colour_and_end(make(tmp_path / f"a.{suffix}", tracks))[0] == 0


def test_of_two_films_the_default_one_is_taken(tmp_path: Path) -> None:
    other = Track(BLUE, size=(96, 64))
    default = Track(RED, disposition=int(Disposition.default))
    assert colour_and_end(make(tmp_path / "a.mkv", (other, default)))[0] == 0


def test_of_equal_films_the_first_one_is_taken(tmp_path: Path) -> None:
    """Angles, and the two lenses of a 360-degree camera."""
    for suffix in ("mkv", "mp4", "ts"):
        assert colour_and_end(make(tmp_path / f"a.{suffix}", (FILM, Track(BLUE))))[0] == 0


def test_a_file_of_pictures_only_is_still_read(tmp_path: Path) -> None:
    assert colour_and_end(make(tmp_path / "a.mkv", (COVER,)))[0] == 1
    assert colour_and_end(make(tmp_path / "b.mkv", (COVER, COVER)))[0] == 1


def test_a_stream_without_a_decoder_gives_way(tmp_path: Path) -> None:
    data = make(
        tmp_path / "a.avi", (Track(GREEN, codec="mpeg4", size=(96, 64)), Track(RED, codec="mpeg4"))
    ).read_bytes()
    place = data.index(b"FMP4")
    (tmp_path / "b.avi").write_bytes(
        data[:place] + b"QQQQ" + data[place + 4 :].replace(b"FMP4", b"QQQQ", 1)
    )
    assert colour_and_end(tmp_path / "b.avi")[0] == 0
    (tmp_path / "c.avi").write_bytes(data.replace(b"FMP4", b"QQQQ"))
    with pytest.raises(BrokenVideoError, match="no decoder for its pictures"):
        colour_and_end(tmp_path / "c.avi")


# A file that says how long it is, is believed about being too short.
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
