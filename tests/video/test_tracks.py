"""Texts and sound within a video, read in the decoding child; nothing in them stops it or stalls it."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest

from finereel.errors import NotAVideoError, StalledVideoError
from finereel.video import child, messages
from finereel.video.plan import SAMPLE_RATE, Limits
from finereel.video.reader import DiskSource, VideoReader
from finereel.video.subtitles import Cue, FileCues
from support.media import Recipe, make_video
from support.subtitled import TRACKS, as_srt, make_subtitled

CUES = [(0.5, 1.5, "Good <i>morning</i> &amp; hello"), (2.0, 3.0, "Größe\nund Maß")]
READ = (Cue(0.5, 1.5, "Good morning & hello"), Cue(2.0, 3.0, "Größe und Maß"))


@pytest.fixture(scope="module")
def reader() -> Iterator[VideoReader]:
    with VideoReader() as reader:
        yield reader


@pytest.mark.parametrize("suffix", TRACKS)
def test_tracks_of_every_container_are_read(
    reader: VideoReader, tmp_path: Path, suffix: str
) -> None:
    video = make_subtitled(tmp_path / f"film{suffix}", CUES)
    assert reader.cues(video) == FileCues(READ)
    assert len(list(reader.read(video))) == 1


def test_texts_beside_a_video_come_first_and_a_language_is_kept(
    reader: VideoReader, tmp_path: Path
) -> None:
    video = make_subtitled(tmp_path / "film.mkv", CUES, language="ger")
    (tmp_path / "film.en.srt").write_text(as_srt([(1.0, 2.0, "beside")]))
    found = reader.cues(video).cues
    assert [(cue.text, cue.language) for cue in found] == [
        ("beside", "en"),
        ("Good morning & hello", "ger"),
        ("Größe und Maß", "ger"),
    ]


def test_a_video_without_texts_has_none(reader: VideoReader, tmp_path: Path) -> None:
    assert reader.cues(make_video(tmp_path / "film.mp4")) == FileCues()


def test_a_bad_file_is_a_problem_and_the_good_ones_count(
    reader: VideoReader, tmp_path: Path
) -> None:
    video = make_subtitled(tmp_path / "film.mp4", CUES)
    (tmp_path / "film.de.srt").write_bytes(bytes(range(256)) * 99)
    (tmp_path / "film.en.vtt").write_text("WEBVTT\n")
    found = reader.cues(video)
    assert found.cues == READ
    assert [problem.split(":")[0].rsplit("/")[-1] for problem in found.problems] == [
        "film.de.srt",
        "film.en.vtt",
    ]


def test_a_text_that_takes_for_ever_is_given_up_and_the_video_is_read(tmp_path: Path) -> None:
    video = make_subtitled(tmp_path / "film.mp4", CUES)
    (tmp_path / "film.aa.srt").write_text(as_srt([(1.0, 2.0, "fine")]))
    lines = "\n".join(["{" * 900] * 1600)
    (tmp_path / "film.en.srt").write_text(f"1\n00:00:01,000 --> 00:00:02,000\n{lines}\n")
    for deadline in (3.0, 9.0, 27.0):  # a child that a busy machine starts too late tells nothing
        began = time.monotonic()
        with VideoReader(Limits(deadline_s=deadline)) as reader, suppress(StalledVideoError):
            found = reader.cues(video)
            assert [cue.text for cue in found.cues] == ["fine"]
            assert f"no clip within {deadline:g} s" in found.problems[0]
            assert time.monotonic() - began < 10 * deadline
            assert len(list(reader.read(video))) == 1
            return
    pytest.fail("the child was never ready in time")


def test_a_child_that_talks_nonsense_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = make_subtitled(tmp_path / "film.mp4", [])
    with VideoReader() as reader:
        stream = reader._start({"kind": "cues"}, video, reader_plan())
        list(stream)
        for rows in ([[2.0, 1.0, "back", ""]], [["x"]], [[0.0, 1.0, "a", "b", "c"]]):
            with pytest.raises((ValueError, TypeError)):
                stream._take_cues(rows)
        with pytest.raises(ValueError, match="samples at"):
            stream._take_sound(0.0, 10**9)


def reader_plan() -> object:
    from finereel.video.plan import ClipPlan

    return ClipPlan()


def test_a_message_holds_the_longest_cues() -> None:
    rows = [[1e5, 1e5, "\U0001f600" * 1000, "x" * 20]] * child._CUES_AT_ONCE
    assert len(messages.encode({"kind": "cues", "cues": rows})) < messages.MAX_HEADER


def test_what_is_no_video_says_so(reader: VideoReader, tmp_path: Path) -> None:
    with pytest.raises(NotAVideoError):
        reader.cues(tmp_path / "gone.mp4")


def make_tone(path: Path, seconds: float, rate: int = 44_100) -> Path:
    """A video with a tone of 440 Hz on two channels."""
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=5)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = output.add_stream("aac", rate=rate, layout="stereo")
        for _ in range(int(5 * seconds)):
            grey = np.zeros((48, 64, 3), dtype=np.uint8)
            output.mux(video.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        output.mux(video.encode())
        times = np.arange(int(rate * seconds)) / rate
        wave = np.stack([0.5 * np.sin(2 * np.pi * 440 * times)] * 2).astype(np.float32)
        for start in range(0, wave.shape[1], 1024):
            part = np.ascontiguousarray(wave[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = rate, start
            output.mux(sound.encode(frame))
        output.mux(sound.encode())
    return path


def test_sound_comes_as_a_transcriber_takes_it(tmp_path: Path) -> None:
    source = DiskSource()
    pieces = list(source.sound(make_tone(tmp_path / "tone.mp4", 3.0)))
    source.close()
    samples = np.concatenate([samples for _, samples in pieces])
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(3 * SAMPLE_RATE, rel=0.05)
    spectrum = np.abs(np.fft.rfft(samples[SAMPLE_RATE : 2 * SAMPLE_RATE]))
    assert spectrum.argmax() == 440
    ends = [begins + len(part) / SAMPLE_RATE for begins, part in pieces]
    assert [begins for begins, _ in pieces[1:]] == pytest.approx(ends[:-1])


def test_a_silent_video_has_no_sound(reader: VideoReader, tmp_path: Path) -> None:
    assert list(reader.sound(make_video(tmp_path / "film.mp4", Recipe(frames=5)))) == []
