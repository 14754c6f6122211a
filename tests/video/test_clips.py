"""The pictures of a clip are the ones on screen at its wanted times, by a source made of
numbers.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.types import Window
from finereel.video.clips import ClipReader, Pace, Picture, near_keyframes
from finereel.video.plan import Clip, ClipPlan, frame_times


class Numbers:
    """Pictures of 4 x 4 pixels whose value is their number."""

    def __init__(
        self, seconds: list[float], duration: float, keys: list[float] | None = None
    ) -> None:
        self.seconds = seconds
        self.duration = duration
        self.keys = keys or []
        self.starts: list[float] = []

    def keyframe_times(self) -> np.ndarray:
        return np.array(self.keys, dtype=np.float64)

    def pictures(self, start: float = 0.0) -> Iterator[Picture]:
        self.starts.append(start)
        ends = [*self.seconds[1:], self.seconds[-1] + 0.04]
        for index, (second, end) in enumerate(zip(self.seconds, ends, strict=True)):
            if end > start:
                yield Picture(
                    second,
                    end,
                    lambda _size, index=index: np.full((4, 4, 3), index % 256, np.uint8),
                )

    def keyframes(self, start: float = 0.0) -> Iterator[Picture]:
        for picture in self.pictures(start):
            if picture.seconds in self.keys:
                yield replace(picture, end=picture.seconds + 10.0)


def read(source: Numbers, plan: ClipPlan) -> list[Clip]:
    return list(ClipReader(source, plan))


def numbers(clip: Clip) -> list[int]:
    return [int(value) for value in clip.frames.pixels[:, 0, 0, 0]]


def steady(duration: float, fps: float = 25.0) -> list[float]:
    return [index / fps for index in range(round(duration * fps))]


def test_takes_the_picture_on_screen() -> None:
    (clip,) = read(Numbers([0.0, 1.0, 1.5, 3.0, 3.9], 4.0), ClipPlan(num_frames=4))
    assert numbers(clip) == [0, 2, 3]  # at 0.5, at 1.5 and 2.5, at 3.5
    assert clip.frames.seconds.tolist() == [0.0, 1.5, 3.0]


def test_every_window_gets_its_own_pictures() -> None:
    clips = read(Numbers(steady(30), 30.0), ClipPlan(num_frames=5))
    assert [clip.window for clip in clips] == [
        Window(0.0, 10.0),
        Window(10.0, 20.0),
        Window(20.0, 30.0),
    ]
    assert [len(clip.frames) for clip in clips] == [5, 5, 5]
    assert clips[1].frames.seconds.tolist() == [11.0, 13.0, 15.0, 17.0, 19.0]


@given(st.lists(st.floats(0.001, 5.0), min_size=1, max_size=80), st.integers(1, 20))
def test_frames_are_distinct_ascending_and_never_later_than_wanted(
    gaps: list[float], count: int
) -> None:
    seconds = np.concatenate([[0.0], np.cumsum(gaps)]).tolist()
    for clip in read(Numbers(seconds, seconds[-1] + 0.04), ClipPlan(num_frames=count)):
        times = clip.frames.seconds
        assert (np.diff(times) > 0).all()
        wanted = frame_times(clip.window, count)
        assert len(times) <= count
        assert times[0] <= wanted[0]
        for time in wanted[wanted < seconds[-1]]:
            shown = max(second for second in seconds if second <= time)
            assert shown in times


def test_pictures_that_end_early_shorten_the_clip() -> None:
    source = Numbers(steady(14), 100.0)
    reader = ClipReader(source, ClipPlan(num_frames=10))
    clips = list(reader)
    assert [clip.window.start for clip in clips] == [0.0, 10.0]
    assert clips[-1].window.end == pytest.approx(14.0)
    assert reader.covered == pytest.approx(14.0)
    assert reader.expected == 100.0


def test_no_pictures_no_clips() -> None:
    source = Numbers([0.0], 10.0)
    source.pictures = lambda start=0.0: iter(())  # type: ignore[method-assign]
    assert read(source, ClipPlan()) == []


def test_a_late_first_picture_stands_for_the_time_before_it() -> None:
    (clip,) = read(Numbers([2.0, 3.0], 4.0), ClipPlan(num_frames=4))
    assert numbers(clip) == [0]


def test_damaged_pictures_are_left_out() -> None:
    source = Numbers(steady(10), 10.0)
    whole = source.pictures

    def damaged(start: float = 0.0) -> Iterator[Picture]:
        for picture in whole(start):
            yield (
                picture
                if picture.seconds < 5
                else Picture(picture.seconds, picture.end, lambda _size: None)
            )

    source.pictures = damaged  # type: ignore[method-assign]
    (clip,) = read(source, ClipPlan(num_frames=10))
    assert len(clip.frames) == 5


def test_keyframes_are_the_nearest_ones() -> None:
    source = Numbers(steady(10), 10.0, keys=[0.0, 2.0, 4.0, 6.0, 8.0])
    (clip,) = read(source, ClipPlan(num_frames=3, mode="keyframes"))
    assert clip.frames.seconds.tolist() == [2.0, 6.0, 8.0]  # for 1.67, 5.0 (the later of two), 8.33


@pytest.mark.parametrize(
    ("keys", "length", "mode"),
    [
        (steady(60), 10.0, "keyframes"),  # every picture is one
        ([float(k) for k in range(0, 60, 8)], 10.0, "sequential"),  # too sparse
        ([], 10.0, "sequential"),  # unknown
        ([k / 50 for k in range(60)], 10.0, "sequential"),  # many, but all at the start
        ([], None, "sequential"),  # five seconds apart
        (steady(60, 1.0), 10.0, "keyframes"),  # a phone: one each second, for frames 0.83 s apart
        (steady(60, 1.5), 10.0, "keyframes"),
        (steady(60, 0.5), 10.0, "sequential"),  # a wanted frame may be a whole second away
    ],
)
def test_auto_takes_keyframes_where_nothing_is_lost(
    keys: list[float], length: float | None, mode: str
) -> None:
    assert ClipReader(Numbers(steady(60), 60.0, keys), ClipPlan(length=length)).mode == mode


def test_the_last_keyframe_stands_for_the_end_but_not_for_ever() -> None:
    keys = [0.0, 8.0, 16.0]
    assert len(read(Numbers(steady(24), 24.0, keys), ClipPlan(mode="keyframes"))) == 3
    assert len(read(Numbers(steady(24), 600.0, keys), ClipPlan(mode="keyframes"))) == 3


def test_auto_takes_keyframes_where_frames_are_sparse() -> None:
    assert ClipReader(Numbers(steady(10), 3600.0), ClipPlan(length=None)).mode == "keyframes"


def test_wanted_windows_are_reached_by_seeking() -> None:
    source = Numbers(steady(60), 60.0)
    cut = (Window(1.0, 2.0), Window(2.0, 3.0), Window(50.0, 52.0), Window(90.0, 91.0))
    clips = read(source, ClipPlan(num_frames=2, windows=cut))
    assert [clip.window for clip in clips] == list(cut[:3])
    assert clips[2].frames.seconds.tolist() == [50.48, 51.48]
    assert source.starts == [0.0, 50.0]


def test_keyframes_are_never_farther_than_a_spacing() -> None:
    """And frames that every frame was decoded for, than half of one: what `auto` gives up for its
    speed.
    """
    times, taken = [], {}
    for mode in ("exact", "auto"):
        reader = ClipReader(Numbers(steady(60), 60.0, steady(60, 1.0)), ClipPlan(mode=mode))
        taken[reader.mode] = [second for clip in reader for second in clip.frames.seconds]
        times = [
            time
            for start in range(0, 60, 10)
            for time in frame_times(Window(float(start), start + 10.0), 12)
        ]
    assert len(taken["sequential"]) == 72
    assert len(taken["keyframes"]) >= 55
    nearest = np.abs(np.array(times)[:, None] - np.array(taken["keyframes"])).min(axis=1)
    assert nearest.max() <= 10 / 12
    assert np.median(nearest) < 10 / 24


def test_the_short_last_clip_is_decided_by_itself() -> None:
    """Its frames are wanted closer together than keyframes lie."""
    source = Numbers(steady(63), 63.0, steady(63, 1.0))
    reader = ClipReader(source, ClipPlan())
    clips = list(reader)
    assert reader.mode == "keyframes"
    assert [len(clip.frames) >= 9 for clip in clips] == [True] * 7
    assert all(float(second).is_integer() for clip in clips[:6] for second in clip.frames.seconds)
    assert len(clips[6].frames) == 12


def test_a_video_that_decodes_too_slowly_goes_on_with_keyframes() -> None:
    progress = []
    source = Numbers(steady(30), 30.0, keys=steady(30, 0.1))
    reader = ClipReader(source, ClipPlan(num_frames=5), Pace(0.0, lambda: progress.append(1)))
    clips = list(reader)
    assert [clip.window for clip in clips] == [
        Window(0.0, 10.0),
        Window(10.0, 20.0),
        Window(20.0, 30.0),
    ]
    assert all(second % 10 == 0 for clip in clips for second in clip.frames.seconds)
    assert reader.mode == "sequential"
    assert reader.note.startswith("read by keyframes only from 0 s on")
    assert progress, "the parent's clock starts anew"


def test_clips_that_came_in_time_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock runs per clip: the second one is slow, and the note says from where keyframes
    serve.
    """
    clock = iter(range(10**6))
    speed = {"now": 0.0}
    monkeypatch.setattr("finereel.video.clips.perf_counter", lambda: next(clock) * speed["now"])
    reader = ClipReader(
        Numbers(steady(30), 30.0, steady(30, 0.1)), ClipPlan(num_frames=5), Pace(10.0)
    )
    clips = iter(reader)
    assert len(next(clips).frames) == 5
    speed["now"] = 1.0
    rest = list(clips)
    assert "from 10 s on" in reader.note
    assert [clip.window.start for clip in rest] == [10.0, 20.0]
    assert all(second % 10 == 0 for clip in rest for second in clip.frames.seconds)


@pytest.mark.parametrize("mode", ["exact", "sequential"])
def test_exact_is_never_given_up(mode: str) -> None:
    progress = []
    reader = ClipReader(
        Numbers(steady(30), 30.0, steady(30, 0.5)),
        ClipPlan(mode=mode),
        Pace(0.0, lambda: progress.append(1)),
    )
    assert [len(clip.frames) for clip in reader] == [12, 12, 12]
    assert reader.note == ""
    assert len(progress) >= 25, "a sign of life for every second of video"


def test_a_long_clip_gives_signs_of_life() -> None:
    progress = []
    plan = ClipPlan(length=None, num_frames=60)
    list(ClipReader(Numbers(steady(60), 60.0), plan, Pace(99.0, lambda: progress.append(1))))
    assert 4 <= len(progress) <= 6


def test_pictures_past_the_claimed_end_give_clips() -> None:
    source = Numbers(steady(34), 10.0)
    assert [clip.window.start for clip in read(source, ClipPlan())] == [0.0, 10.0, 20.0, 30.0]
    assert len(read(Numbers(steady(11), 10.0), ClipPlan())) == 1, "a short rest is none"
    assert len(read(source, ClipPlan(windows=(Window(0.0, 5.0),)))) == 1


@given(
    st.integers(1, 20),
    st.lists(st.floats(-0.5, 20.0), max_size=30),
    st.floats(0.0, 1.0),
)
def test_moved_times_ascend_and_stay_in_their_parts(
    count: int, keys: list[float], lead: float
) -> None:
    wanted, spacing = frame_times(Window(0.0, 10.0), count), 10.0 / count
    moved = near_keyframes(wanted, np.sort(np.array(keys)), spacing, lead)
    assert (np.diff(moved) > 0).all()
    assert (np.abs(moved - wanted) <= spacing / 2 + 1e-9).all()


def test_times_without_a_keyframe_to_spare_decoding_stay() -> None:
    wanted = frame_times(Window(0.0, 10.0), 5)
    for keys in ([], [0.0], [0.1, 30.0]):
        assert near_keyframes(wanted, np.array(keys), 2.0, 0.2).tolist() == wanted.tolist()
    assert near_keyframes(wanted, np.array([4.0]), 2.0, 1.0).tolist() == wanted.tolist()
