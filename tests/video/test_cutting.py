"""Parts of videos as new files: which pictures and sound they hold, told by the pictures themselves."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from finereel.errors import BrokenVideoError, ConfigError, NotAVideoError, VideoLimitError
from finereel.video.plan import CutOrder, Limits
from finereel.video.reader import VideoReader
from support.media import Recipe, level, make_video, turn

FRAMES = 100
SMALL = Recipe(frames=FRAMES, options={"g": "25", "bf": "2"}, sound=True, sound_seconds=4)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s at 25 frames per second, a keyframe each second, grey rising with time."""
    return make_video(tmp_path_factory.mktemp("film") / "film.mp4", SMALL)


@pytest.fixture(scope="module")
def reader() -> Iterator[VideoReader]:
    with VideoReader() as opened:
        yield opened


def cut(reader: VideoReader, source: Path, order: CutOrder, target: Path) -> tuple[float, float]:
    """Cut a part of `source` to `target`; what the reader says of it."""
    stream = reader.cut(source, order)
    with target.open("wb") as file:
        for at, data in stream.pieces():
            file.seek(at)
            file.write(data)
    assert stream.part is not None
    return stream.part


def pictures(path: Path) -> tuple[list[float], list[float]]:
    """Seconds and grey levels of the pictures of a file."""
    with av.open(str(path)) as container:
        frames = list(container.decode(container.streams.video[0]))
    greys = [float(frame.to_ndarray(format="rgb24").mean()) for frame in frames]
    return [float(frame.time or 0.0) for frame in frames], greys


def numbers(greys: list[float]) -> list[int]:
    """Which frames of the film these are."""
    levels = np.array([level(index, FRAMES) for index in range(FRAMES)])
    return [int(np.abs(levels - grey).argmin()) for grey in greys]


@pytest.mark.parametrize("form", ["mp4", "mov", "matroska"])
def test_a_copy_begins_at_the_keyframe_before(
    reader: VideoReader, film: Path, tmp_path: Path, form: str
) -> None:
    target = tmp_path / "part"
    start, end = cut(reader, film, CutOrder(1.5, 2.4, False, form), target)
    times, greys = pictures(target)
    found = numbers(greys)
    assert start == pytest.approx(found[0] / 25, abs=0.05)
    assert 0.9 < start <= 1.0
    assert 2.4 - 0.01 <= end < 2.6
    assert np.abs(np.diff(found) - 1).max() <= 1
    assert times[0] == pytest.approx(0.0, abs=0.005)
    assert len(found) == pytest.approx((end - start) * 25, abs=1)


def test_a_copy_keeps_every_bit(reader: VideoReader, film: Path, tmp_path: Path) -> None:
    target = tmp_path / "part.mp4"
    cut(reader, film, CutOrder(1.5, 2.4, False, "mp4"), target)
    with av.open(str(film)) as whole, av.open(str(target)) as part:
        packets = {bytes(packet) for packet in whole.demux(whole.streams.video[0])}
        assert {bytes(packet) for packet in part.demux(part.streams.video[0])} <= packets


def test_an_exact_part_holds_these_frames_and_no_others(
    reader: VideoReader, film: Path, tmp_path: Path
) -> None:
    target = tmp_path / "part.mp4"
    assert cut(reader, film, CutOrder(1.48, 2.4, True, "mp4"), target) == pytest.approx((1.48, 2.4))
    times, greys = pictures(target)
    assert len(times) == 23
    assert np.abs(np.array(numbers(greys)) - np.arange(37, 60)).max() <= 1
    assert np.allclose(times, np.arange(23) / 25, atol=0.002)


def test_an_exact_part_begins_with_the_frame_on_screen(
    reader: VideoReader, film: Path, tmp_path: Path
) -> None:
    target = tmp_path / "part.mp4"
    cut(reader, film, CutOrder(1.50, 1.61, True, "mp4"), target)  # frame 37 is shown 1.48 to 1.52
    times, greys = pictures(target)
    assert np.abs(np.array(numbers(greys)) - [37, 38, 39, 40]).max() <= 1
    assert np.allclose(times, [0.0, 0.02, 0.06, 0.10], atol=0.002)


@pytest.mark.parametrize("exact", [False, True])
def test_sound_stays_with_the_pictures(
    reader: VideoReader, film: Path, tmp_path: Path, exact: bool
) -> None:
    target = tmp_path / "part.mp4"
    start, end = cut(reader, film, CutOrder(1.5, 2.4, exact, "mp4"), target)
    with av.open(str(target)) as container:
        frames = list(container.decode(container.streams.audio[0]))
    begins = float(frames[0].time or 0.0)
    ends = float(frames[-1].time or 0.0) + frames[-1].samples / frames[-1].sample_rate
    assert abs(begins) < 0.15  # a frame of AAC has 0.128 s at 8,000 samples per second
    assert abs(ends - (min(end, 2.4) - start)) < 0.3


@pytest.mark.parametrize("exact", [False, True])
def test_a_turned_video_stays_upright(reader: VideoReader, tmp_path: Path, exact: bool) -> None:
    source = make_video(tmp_path / "flat.mp4", Recipe(frames=25))
    turned = turn(source, tmp_path / "turned.mp4", 90)
    cut(reader, turned, CutOrder(0.0, 0.8, exact, "mp4"), tmp_path / "part.mp4")
    info = reader.probe(tmp_path / "part.mp4")
    assert (info.width, info.height) == (48, 64)
    assert info.rotation == (0 if exact else 90)


@pytest.mark.parametrize(
    ("recipe", "name", "form"),
    [
        (Recipe(codec="libvpx-vp9", frames=30), "a.webm", "webm"),
        (Recipe(codec="mpeg4", frames=50, options={"g": "12"}), "a.avi", "matroska"),
        (
            Recipe(codec="libx264", frames=50, options={"g": "12"}, container="mpegts"),
            "a.ts",
            "mp4",
        ),
        (Recipe(codec="libx264", frames=50, options={"bf": "3", "g": "20"}), "a.mkv", "matroska"),
        (Recipe(width=63, height=47, pixels="yuv444p", frames=30), "a.mp4", "mp4"),
    ],
    ids=["vp9", "avi", "ts", "mkv with reordered pictures", "odd size"],
)
def test_other_formats_are_cut_too(
    reader: VideoReader, tmp_path: Path, recipe: Recipe, name: str, form: str
) -> None:
    source = make_video(tmp_path / name, recipe)
    for begin, exact in [(0.4, False), (0.4, True), (0.7, False), (0.7, True)]:
        target = tmp_path / f"part{begin}{exact}"
        order = CutOrder(begin, begin + 0.4, exact, "mp4" if exact else form)
        start, end = cut(reader, source, order, target)
        times, _ = pictures(target)
        assert start <= begin + 0.01
        assert end >= begin + 0.39
        assert len(times) >= 10
        assert times == sorted(set(times))
        assert (start == pytest.approx(begin, abs=0.01)) or not exact


def test_a_part_past_the_end_has_no_picture(reader: VideoReader, film: Path) -> None:
    for exact in (False, True):
        with pytest.raises(BrokenVideoError, match=r"no picture could be read from 9 s to 10 s"):
            list(reader.cut(film, CutOrder(9.0, 10.0, exact, "mp4")).pieces())


def test_what_is_no_video_is_told(reader: VideoReader, tmp_path: Path) -> None:
    text = tmp_path / "a.mp4"
    text.write_text("hello, this is a letter " * 100)
    with pytest.raises(NotAVideoError):
        list(reader.cut(text, CutOrder(0.0, 1.0, False, "mp4")).pieces())
    with pytest.raises(NotAVideoError):
        reader.cut(tmp_path / "gone.mp4", CutOrder(0.0, 1.0, False, "mp4"))
    with pytest.raises(ConfigError):
        CutOrder(1.0, 1.0, False, "mp4")


def test_packets_that_do_not_fit_say_what_helps(reader: VideoReader, film: Path) -> None:
    with pytest.raises(BrokenVideoError, match=r"cannot be written as webm .*--exact"):
        list(reader.cut(film, CutOrder(0.0, 1.0, False, "webm")).pieces())


def test_the_deadline_ends_a_cut(film: Path) -> None:
    with (
        VideoReader(Limits(deadline_s=1e-6)) as impatient,
        pytest.raises((VideoLimitError, ValueError)),
    ):
        list(impatient.cut(film, CutOrder(0.0, 3.0, True, "mp4")).pieces())


def test_a_cut_that_is_left_costs_the_child_only(reader: VideoReader, film: Path) -> None:
    stream = reader.cut(film, CutOrder(0.0, 3.0, True, "mp4"))
    next(stream.pieces())
    stream.close()
    assert reader.probe(film).frames == FRAMES
