"""The child may do what it likes: the parent gets clips or a named error, in time, and no process
is left behind.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from finereel import errors
from finereel.errors import (
    BrokenVideoError,
    FinereelError,
    NotAVideoError,
    StalledVideoError,
    VideoError,
    VideoLimitError,
)
from finereel.types import Window
from finereel.video import reader as reader_module
from finereel.video.plan import ClipPlan, Limits
from finereel.video.reader import ClipStream, VideoReader, probe, read_clips
from places import DATA
from support.broken_videos import CLIPS, BadFile, broken_videos
from support.media import RED, Recipe, level, make_video, repeat_video

SHARED = DATA / "videos"
LONG = Recipe(frames=1500, width=256, height=256)
"""A minute of video: six clips of 2.4 MB, more than a pipe holds, so the child waits in the middle.
"""


@pytest.fixture(scope="module")
def reader() -> Iterator[VideoReader]:
    with VideoReader() as reader:
        yield reader


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "good.mp4")


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "long.mp4", LONG)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[BadFile]:
    return broken_videos(tmp_path_factory.mktemp("bad"))


def gone(pid: int, within: float = 20.0) -> bool:
    """Whether a process ends soon (a zombie has ended)."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.01)
    return False


def test_clips_arrive_as_decoded(reader: VideoReader, video: Path) -> None:
    stream = reader.read(video, ClipPlan(num_frames=4))
    (clip,) = stream
    assert clip.window == Window(0.0, 2.0)
    assert clip.frames.seconds.tolist() == [0.24, 0.72, 1.24, 1.72]
    wanted = [level(round(second * 25), 50) for second in clip.frames.seconds]
    np.testing.assert_allclose(clip.frames.pixels.mean(axis=(1, 2, 3)), wanted, atol=6)
    assert stream.info is not None
    assert (stream.info.codec, stream.info.frames, stream.info.mode) == ("h264", 50, "sequential")
    assert stream.warning == ""
    assert stream.decode_seconds > 0


def test_one_child_serves_many_files(reader: VideoReader, video: Path, long_video: Path) -> None:
    list(reader.read(video))
    pid = reader.pid
    assert len(list(reader.read(long_video))) == 6
    with pytest.raises(VideoError):
        list(reader.read(Path(__file__)))
    assert reader.probe(video).frames == 50
    assert reader.pid == pid


def test_the_child_knows_no_torch_and_the_parent_no_decoder(video: Path) -> None:
    code = (
        "import sys\nfrom finereel.video import VideoReader\n"
        "assert not {'av', 'torch'} & set(sys.modules)\n"
        f"reader = VideoReader(); list(reader.read({str(video)!r}))\n"
        "maps = open(f'/proc/{reader.pid}/maps').read(); reader.close()\n"
        "assert 'libavcodec' in maps and 'libtorch' not in maps"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_a_worn_child_is_replaced(video: Path) -> None:
    with VideoReader(Limits(files_per_worker=2)) as reader:
        pids = []
        for _ in range(4):
            list(reader.read(video))
            pids.append(reader.pid)
    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert pids[0] is not None
    assert gone(pids[0])


def test_bad_files_come_to_the_right_end(reader: VideoReader, corpus: list[BadFile]) -> None:
    """All of them through one child, which lives on; each in well under the time a person would
    wait.
    """
    wrong = []
    list(reader.read(next(bad.path for bad in corpus if bad.why == "odd name")))
    pid = reader.pid
    for bad in corpus:
        started = time.monotonic()
        try:
            outcome = CLIPS if list(reader.read(bad.path)) else "nothing"
        except VideoError as error:
            outcome = (
                type(error).__name__ if str(error).isprintable() else f"unprintable: {error!r}"
            )
        if outcome not in bad.outcomes or time.monotonic() - started > 20:
            wrong.append((bad.path.name, outcome, bad.outcomes))
    assert wrong == []
    assert len(corpus) > 100
    assert reader.pid == pid


def test_a_playlist_opens_no_other_file(reader: VideoReader, tmp_path: Path) -> None:
    """Neither by a format of its own nor inside a format that is allowed."""
    canary = make_video(tmp_path / "canary.mp4", Recipe(colour=RED))
    os.utime(canary, ns=(0, 0))
    texts = {
        "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{canary.name}\n#EXT-X-ENDLIST\n",
        "b.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{canary}\n#EXT-X-ENDLIST\n",
        "c.mp4": f"ffconcat version 1.0\nfile {canary.name}\n",
        "d.txt": f"subfile,,start,0,end,0,,:{canary}",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(NotAVideoError):
            list(reader.read(tmp_path / name))
    assert (
        canary.stat().st_atime_ns == 0 or os.statvfs(tmp_path).f_flag & 1024
    )  # never read (where that is recorded)


def test_a_cut_file_gives_what_is_there_and_says_so(reader: VideoReader, tmp_path: Path) -> None:
    recipe = Recipe(frames=750, container_options={"movflags": "faststart"}, options={"g": "25"})
    data = make_video(tmp_path / "a.mp4", recipe).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 3 // 4])
    stream = reader.read(tmp_path / "cut.mp4")
    clips = list(stream)
    assert clips[0].window == Window(0.0, 10.0)
    assert len(clips[0].frames) == 12
    assert clips[-1].window.end < 30
    assert "bytes are missing" in stream.warning
    assert "pictures end at" in stream.warning


def test_a_stalled_child_is_killed_at_the_deadline(long_video: Path, video: Path) -> None:
    with VideoReader(Limits(deadline_s=3.0)) as reader:
        stream = reader.read(long_video)
        next(stream)
        pid = reader.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(
            StalledVideoError, match=r"long\.mp4: no clip within 3 s.*the machine is busy"
        ):
            list(stream)
        assert 3 <= time.monotonic() - started < 30
        assert gone(pid)
        assert len(list(reader.read(video))) == 1


def test_the_caller_s_own_time_does_not_count(long_video: Path) -> None:
    with VideoReader(Limits(deadline_s=3.0)) as reader:
        stream = reader.read(long_video, ClipPlan(windows=(Window(0.0, 10.0), Window(10.0, 20.0))))
        next(stream)
        time.sleep(3.2)
        next(stream)


def test_a_child_killed_midway_keeps_the_clips_so_far(
    reader: VideoReader, long_video: Path, video: Path
) -> None:
    stream = reader.read(long_video)
    next(stream)
    assert reader.pid is not None
    os.kill(reader.pid, signal.SIGKILL)
    list(stream)
    assert "the decoder was ended by signal 9" in stream.warning
    assert len(list(reader.read(video))) == 1


def test_a_child_killed_before_the_first_clip_is_an_error(
    reader: VideoReader, long_video: Path, video: Path
) -> None:
    list(reader.read(video))
    assert reader.pid is not None
    os.kill(reader.pid, signal.SIGSTOP)
    stream = reader.read(long_video)
    os.kill(reader.pid, signal.SIGKILL)
    with pytest.raises(
        BrokenVideoError, match=r"long\.mp4: the decoder was ended by signal 9 on this file"
    ):
        list(stream)
    assert len(list(reader.read(video))) == 1


def words_of(stream: ClipStream) -> str:
    """What a stream says of its end: by its warning after some clips, by its error before any."""
    try:
        list(stream)
    except VideoLimitError as error:
        return str(error)
    return stream.warning


def test_memory_has_an_end(tmp_path: Path, video: Path) -> None:
    # Whether the first picture of 8192 x 8192 still fits depends on what the libraries take.
    big = make_video(
        tmp_path / "big.mp4",
        Recipe(frames=2, width=8192, height=8192, options={"preset": "ultrafast"}),
    )
    with VideoReader(Limits(memory_mib=512)) as reader:
        assert "raise memory_mib" in words_of(reader.read(big))
        assert len(list(reader.read(video))) == 1


def test_giving_up_early_ends_the_child(reader: VideoReader, long_video: Path, video: Path) -> None:
    stream = reader.read(long_video)
    next(stream)
    pid = reader.pid
    assert pid is not None
    stream.close()
    assert gone(pid)
    assert list(stream) == []
    list(reader.read(video))


def test_a_second_file_closes_the_first(reader: VideoReader, long_video: Path, video: Path) -> None:
    first = reader.read(long_video)
    next(first)
    assert len(list(reader.read(video))) == 1
    assert list(first) == []


def test_too_big_to_open_is_a_limit(reader: VideoReader, corpus: list[BadFile]) -> None:
    for bad in corpus:
        if bad.path.name in ("huge-size.gif", "many-streams.avi"):
            with pytest.raises(VideoLimitError, match=r"max_pixels|more than 256 streams"):
                list(reader.read(bad.path))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_child_outlives_its_parent(long_video: Path, how: signal.Signals) -> None:
    """Not even one that is stopped, which stands for one that is stuck in the decoder."""
    code = (
        "import sys, time\nfrom finereel.video import VideoReader\n"
        f"reader = VideoReader(); next(reader.read({str(long_video)!r})); print(reader.pid, "
        "flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(how)
        parent.wait(30)
    assert gone(child)


def test_a_file_that_changes_while_it_is_read(reader: VideoReader, tmp_path: Path) -> None:
    """Emptied or deleted between two clips: clips or an error, but an end."""
    for change in (lambda path: path.write_bytes(b""), lambda path: path.unlink()):
        path = make_video(tmp_path / "a.mkv", LONG)
        stream = reader.read(path)
        next(stream)
        change(path)
        rest = list(stream)
        assert len(rest) == 5 or stream.warning


def test_relative_names_follow_the_caller(
    reader: VideoReader, video: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    list(reader.read(video))
    (tmp_path / "-here.mp4").write_bytes(video.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert len(list(reader.read("-here.mp4"))) == 1


@pytest.mark.parametrize(
    "header",
    [
        {"kind": "clip", "start": 0.0, "end": 1.0, "seconds": [0.0], "shape": [1, 2**31, 2**31, 3]},
        {"kind": "clip", "start": 0.0, "end": 1.0, "seconds": [0.0], "shape": [99, 1, 1, 3]},
        {"kind": "clip", "start": 0.0, "end": 1.0, "seconds": [0.0], "shape": [-1, -1, -1, 3]},
        {"kind": "clip", "start": 0.0},
        {"kind": "info", "duration": 1.0},
        {"kind": "error", "error": "SystemExit", "reason": "x"},
        {"kind": "piece", "at": 1, "count": 1},
        {"kind": "piece", "at": 0, "count": 2**30},
        {"kind": "piece", "at": 0, "count": 0},
        {"kind": "cut", "start": 0.0},
        {"kind": "cut", "start": float("nan"), "end": 1.0},
        {"kind": "surprise"},
        {"reason": "no kind"},
    ],
)
def test_nonsense_from_the_child_is_a_broken_file(header: dict[str, object]) -> None:
    class Liar:
        killed = False

        def receive(self) -> dict[str, object]:
            return header

        def words(self) -> list[str]:
            return []

        def kill(self) -> None:
            self.killed = True

    liar = Liar()
    stream = ClipStream.__new__(ClipStream)
    vars(stream).update(
        _worker=liar, _path="a.mp4", _plan=ClipPlan(), _clips=0, _done=False, info=None, warning=""
    )
    vars(stream)["_size"] = 0
    with pytest.raises(BrokenVideoError, match=r"a\.mp4: the decoder answered nonsense"):
        next(stream)
    assert liar.killed


def test_an_installation_without_a_decoder_is_not_blamed_on_the_file(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finereel.video.worker._START", "raise SystemExit('no decoder here')")
    with (
        VideoReader() as reader,
        pytest.raises(FinereelError, match=r"does not start.*no decoder here") as caught,
    ):
        list(reader.read(video))
    assert not isinstance(caught.value, VideoError)


def test_read_clips_from_many_threads_shares_warm_children(video: Path) -> None:
    counts: list[int] = []

    def work() -> None:
        counts.extend(len(list(read_clips(video))) for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [1] * 9
    assert 1 <= len(reader_module._IDLE) <= 3
    pids = {reader.pid for reader in reader_module._IDLE}
    list(read_clips(video))
    assert {reader.pid for reader in reader_module._IDLE} == pids
    reader_module._close_idle()
    assert all(pid is not None and gone(pid) for pid in pids)


def test_probe_tells_without_reading(video: Path, tmp_path: Path) -> None:
    info = probe(video)
    assert (info.duration, info.fps, info.width, info.height, info.rotation) == (
        2.0,
        25.0,
        64,
        48,
        0,
    )
    (tmp_path / "a.mp4").write_text("text")
    with pytest.raises(NotAVideoError):
        probe(tmp_path / "a.mp4")


def test_every_error_of_the_tree_can_cross_the_pipe() -> None:
    tree = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, VideoError)
    }
    assert set(reader_module._ERRORS) == tree


@pytest.mark.skipif(
    not SHARED.is_dir(), reason="the sibling folder `shared` with real clips is absent"
)
def test_real_clips_all_read_without_a_warning(reader: VideoReader) -> None:
    paths = sorted(path for path in SHARED.iterdir() if path.suffix in {".mp4", ".avi", ".mkv"})
    assert len(paths) == 60
    for path in paths:
        stream = reader.read(path)
        clips = list(stream)
        assert clips
        assert stream.warning == ""
        assert all(len(clip.frames) == 12 for clip in clips)
        assert stream.info is not None
        assert clips[-1].window.end == pytest.approx(stream.info.duration)


@pytest.mark.slow
def test_a_film_that_decodes_too_slowly_is_read_by_keyframes(tmp_path: Path) -> None:
    """4K120 in a container without an index: a few frames encoded once, and repeated."""
    path = repeat_video(
        tmp_path / "big.ts", Recipe(frames=32, fps=120, width=3840, height=2160), times=40
    )
    with VideoReader(Limits(deadline_s=9.0)) as reader:
        stream = reader.read(path)
        clips = list(stream)
    assert stream.note.startswith("read by keyframes only from 0 s on")
    assert stream.warning == ""
    assert [len(clip.frames) for clip in clips] == [12]
