"""What comes out of real files of many kinds: the right picture, upright, at the right time."""

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from finereel.errors import BrokenVideoError, NotAVideoError, VideoLimitError
from finereel.types import Window
from finereel.video.clips import ClipReader
from finereel.video.decode import Source
from finereel.video.plan import Clip, ClipPlan, Limits, VideoInfo
from finereel.video.reader import VideoReader
from support.broken_videos import many_streams
from support.media import Recipe, level, make_sound, make_video, turn

KINDS = {
    "h264.mp4": Recipe(),
    "fragments.mp4": Recipe(
        container_options={"movflags": "frag_keyframe+empty_moov"}, options={"g": "10"}
    ),
    "hevc-10bit.mkv": Recipe(
        codec="libx265", pixels="yuv420p10le", options={"x265-params": "log-level=none"}
    ),
    "vp9.webm": Recipe(codec="libvpx-vp9"),
    "no-duration.webm": Recipe(codec="libvpx-vp9", container_options={"live": "1"}),
    "av1.mkv": Recipe(codec="libsvtav1", width=64, height=64, options={"preset": "12"}),
    "mpeg4.avi": Recipe(codec="mpeg4"),
    "mpeg2.ts": Recipe(codec="mpeg2video"),
    "mpeg1.mpg": Recipe(codec="mpeg1video"),
    "wmv2.wmv": Recipe(codec="wmv2"),
    "flash.flv": Recipe(codec="flv1"),
    "raw.h264": Recipe(container="h264"),
    "prores.mov": Recipe(codec="prores_ks", pixels="yuv422p10le"),
    "alpha.mov": Recipe(codec="png", pixels="rgba"),
    "grey.mkv": Recipe(codec="ffv1", pixels="gray"),
    "deep-grey.mkv": Recipe(codec="ffv1", pixels="gray16le"),
    "full-444.mp4": Recipe(pixels="yuvj444p"),
    "odd-size.mkv": Recipe(codec="ffv1", width=63, height=47),
    "tiny.mkv": Recipe(codec="ffv1", width=1, height=1, pixels="gray"),
    "fast.mp4": Recipe(fps=240, frames=240),
    "gif.gif": Recipe(codec="gif", pixels="gray"),
}


PLAN = ClipPlan()


def read(path: Path, plan: ClipPlan = PLAN) -> tuple[list[Clip], VideoInfo]:
    source = Source(path, Limits())
    try:
        clips = list(ClipReader(source, plan))
        return clips, source.info()
    finally:
        source.close()


def shades(clip: Clip) -> np.ndarray:
    return clip.frames.pixels.mean(axis=(1, 2, 3))


@pytest.mark.parametrize("name", KINDS)
def test_kinds_of_video(tmp_path: Path, name: str) -> None:
    recipe = KINDS[name]
    (clip,), info = read(
        make_video(tmp_path / name, recipe), ClipPlan(num_frames=5, mode="sequential")
    )
    length = recipe.frames / recipe.fps
    assert info.duration == pytest.approx(length, abs=0.2)
    assert (info.width, info.height) == (recipe.width, recipe.height)
    assert clip.frames.pixels.shape == (5, recipe.height, recipe.width, 3)
    wanted = [level(round(second * recipe.fps), recipe.frames) for second in clip.frames.seconds]
    np.testing.assert_allclose(shades(clip), wanted, atol=12)
    np.testing.assert_allclose(
        clip.frames.seconds, (np.arange(5) + 0.5) * length / 5, atol=0.1 + 1 / recipe.fps
    )


def test_two_reads_give_the_same_bytes(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4")
    first, second = (read(path)[0][0].frames for _ in range(2))
    assert (first.pixels == second.pixels).all()
    assert (first.seconds == second.seconds).all()


@pytest.mark.parametrize(
    ("degrees", "corner"), [(0, (0, 0)), (90, (0, 1)), (180, (1, 1)), (270, (1, 0))]
)
def test_pictures_are_upright(tmp_path: Path, degrees: int, corner: tuple[int, int]) -> None:
    """A video whose top left corner is red, turned clockwise: the corner moves with it."""
    import av

    pixels = np.zeros((32, 64, 3), dtype=np.uint8)
    pixels[:16, :32] = (255, 0, 0)
    with av.open(str(tmp_path / "a.mp4"), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        output.mux(stream.encode())
    (clip,), info = read(turn(tmp_path / "a.mp4", tmp_path / "turned.mp4", degrees))
    height, width = (32, 64) if degrees % 180 == 0 else (64, 32)
    assert clip.frames.pixels.shape[1:3] == (height, width) == (info.height, info.width)
    assert info.rotation == degrees
    quarters = (
        clip.frames.pixels[0, :, :, 0].reshape(2, height // 2, 2, width // 2).mean(axis=(1, 3))
    )
    assert np.unravel_index(quarters.argmax(), (2, 2)) == corner


def test_pixels_are_square(tmp_path: Path) -> None:
    (clip,), info = read(make_video(tmp_path / "a.mp4", Recipe(aspect=Fraction(2, 1))))
    assert (info.width, info.height) == (128, 48)
    assert clip.frames.pixels.shape[1:3] == (48, 128)


def test_large_pictures_shrink_and_small_ones_stay(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", Recipe(frames=2, width=160, height=96))
    assert read(path, ClipPlan(size=48))[0][0].frames.pixels.shape[1:3] == (48, 80)
    assert read(path, ClipPlan(size=256))[0][0].frames.pixels.shape[1:3] == (96, 160)


def test_a_ribbon_is_shrunk_to_fit_a_pipe(tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "a.mkv", Recipe(frames=1, width=16384, height=1, codec="ffv1", pixels="gray")
    )
    assert read(path)[0][0].frames.pixels.shape == (1, 1, 4096, 3)


def test_variable_frame_rate_goes_by_time(tmp_path: Path) -> None:
    times = (0.0, 0.1, 0.2, 3.0, 3.1, 4.0)
    path = make_video(tmp_path / "a.mkv", Recipe(frames=6, times=times))
    (clip,), _ = read(path, ClipPlan(num_frames=4))
    assert clip.frames.seconds.tolist() == [0.2, 3.1]  # at 0.5 and 1.5 and 2.5; at 3.5


def test_one_picture_is_one_clip(tmp_path: Path) -> None:
    clips, info = read(make_video(tmp_path / "a.mp4", Recipe(frames=1)))
    assert [len(clip.frames) for clip in clips] == [1]
    assert info.duration > 0


def test_black_lead_in_is_no_error(tmp_path: Path) -> None:
    (clip,), _ = read(make_video(tmp_path / "a.mp4", Recipe(colour=(0, 0, 0))))
    assert clip.frames.pixels.max() < 8


def test_keyframes_only(tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "a.mp4", Recipe(frames=100, options={"g": "10", "sc_threshold": "0"})
    )
    (clip,), _ = read(path, ClipPlan(num_frames=4, mode="keyframes"))
    np.testing.assert_allclose(clip.frames.seconds, [0.4, 1.6, 2.4, 3.6], atol=0.05)
    wanted = [level(round(second * 25), 100) for second in clip.frames.seconds]
    np.testing.assert_allclose(shades(clip), wanted, atol=6)


def test_auto_finds_dense_keyframes(tmp_path: Path) -> None:
    dense = make_video(tmp_path / "dense.mp4", Recipe(frames=100, options={"g": "1"}))
    sparse = make_video(tmp_path / "sparse.mp4", Recipe(frames=100, options={"g": "100"}))
    for path, mode in ((dense, "keyframes"), (sparse, "sequential")):
        source = Source(path, Limits())
        assert ClipReader(source, ClipPlan()).mode == mode
        source.close()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts", "a.h264"])
def test_a_window_in_the_middle(tmp_path: Path, name: str) -> None:
    """Reading one window gives the pictures that reading everything gives there."""
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    container = "h264" if name.endswith("h264") else None
    recipe = Recipe(
        frames=500, width=32, height=32, codec=codec, container=container, options={"g": "50"}
    )
    path = make_video(tmp_path / name, recipe)
    window = Window(12.0, 14.0)
    (part,), _ = read(path, ClipPlan(windows=(window,), num_frames=4, mode="sequential"))
    whole, _ = read(path, ClipPlan(length=2.0, num_frames=4, mode="sequential"))
    same = next(clip for clip in whole if clip.window == window)
    np.testing.assert_allclose(part.frames.seconds, same.frames.seconds, atol=0.05)
    np.testing.assert_allclose(shades(part), shades(same), atol=2)


def test_sound_only_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(
        NotAVideoError, match="expected a picture stream, the file holds only: audio"
    ):
        read(make_sound(tmp_path / "a.m4a"))


def test_sound_beside_pictures_is_known(tmp_path: Path) -> None:
    assert read(make_video(tmp_path / "a.mp4", Recipe(sound=True)))[1].has_audio
    assert not read(make_video(tmp_path / "b.mp4"))[1].has_audio


def test_text_is_not_a_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("Dear reader,\n" * 99)
    with pytest.raises(NotAVideoError, match="its content is something else"):
        read(tmp_path / "a.mp4")


def test_a_lost_index_is_damage(tmp_path: Path) -> None:
    data = make_video(tmp_path / "a.mp4").read_bytes()
    (tmp_path / "b.mp4").write_bytes(data.replace(b"moov", b"junk"))
    with pytest.raises(BrokenVideoError, match=r"b\.mp4: the file is damaged"):
        read(tmp_path / "b.mp4")


def test_limits_are_checked_before_decoding(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4")
    with pytest.raises(
        VideoLimitError, match="at most 100 pixels per picture, the file claims 64 x 48"
    ):
        Source(path, Limits(max_pixels=100))
    with pytest.raises(VideoLimitError, match="at most 1 s of video, the file claims 2 s"):
        Source(path, Limits(max_duration_s=1.0))
    (tmp_path / "b.avi").write_bytes(many_streams(300))
    with pytest.raises(VideoLimitError, match="streams"):
        Source(tmp_path / "b.avi", Limits(max_streams=256))


def ends(path: Path, plan: ClipPlan = PLAN) -> tuple[float, str]:
    """Where the last clip ends, and the warning of the decoding child."""
    with VideoReader() as reader:
        stream = reader.read(path, plan)
        clips = list(stream)
        return clips[-1].window.end, stream.warning


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.flv", "a.ts", "a.mov"])
def test_sound_that_is_longer_than_the_pictures_is_no_damage(tmp_path: Path, name: str) -> None:
    codec = {"avi": "mpeg4", "flv": "flv1", "webm": "libvpx-vp9"}.get(
        name.rsplit(".", 1)[1], "libx264"
    )
    path = make_video(tmp_path / name, Recipe(codec=codec, sound=True, sound_seconds=9))
    end, warning = ends(path)
    assert warning == ""
    assert end == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize("name", ["a.mkv", "a.flv"])
def test_a_cut_file_with_sound_is_still_damage(tmp_path: Path, name: str) -> None:
    codec = "flv1" if name.endswith("flv") else "libx264"
    recipe = Recipe(
        frames=200,
        codec=codec,
        sound=True,
        sound_seconds=8,
        options={"g": "25"},
        width=160,
        height=96,
    )
    data = make_video(tmp_path / name, recipe).read_bytes()
    (tmp_path / f"cut-{name}").write_bytes(data[: len(data) // 2])
    assert ends(tmp_path / f"cut-{name}")[1] != ""


def test_pictures_past_the_claimed_end_are_clips_too(tmp_path: Path) -> None:
    recipe = Recipe(frames=600, width=32, height=32)
    data = bytearray(make_video(tmp_path / "a.mkv", recipe).read_bytes())
    place = data.index(b"\x44\x89\x88") + 3
    data[place : place + 8] = struct.pack(">d", 10_000.0)
    tag = (
        data.index(b"DURATIOND\x87\x94")
        if b"DURATIOND\x87\x94" in data
        else data.index(b"DURATION")
    )
    data[tag : tag + 8] = b"DURATIOX"
    (tmp_path / "b.mkv").write_bytes(data)
    for mode in ("exact", "keyframes"):
        end, warning = ends(tmp_path / "b.mkv", ClipPlan(mode=mode))
        assert end >= 20
        assert warning == ""


def test_a_trimmed_file_starts_where_players_start(tmp_path: Path) -> None:
    """An edit list hides the first second: no picture of it is given, in no mode."""
    data = bytearray(
        make_video(
            tmp_path / "a.mp4", Recipe(frames=100, options={"bf": "0", "g": "100"})
        ).read_bytes()
    )
    edit = data.index(b"elst") + 12
    (duration,) = struct.unpack(">I", data[edit : edit + 4])
    scale = struct.unpack(">I", data[data.index(b"mdhd") + 16 : data.index(b"mdhd") + 20])[0]
    data[edit : edit + 8] = struct.pack(">II", duration * 3 // 4, scale)
    (tmp_path / "b.mp4").write_bytes(data)
    (clip,), info = read(tmp_path / "b.mp4", ClipPlan(num_frames=4, mode="exact"))
    assert info.duration == pytest.approx(3.0, abs=0.1)
    wanted = [level(25 + round(second * 25), 100) for second in clip.frames.seconds]
    np.testing.assert_allclose(shades(clip), wanted, atol=6)
    assert len(read(tmp_path / "b.mp4", ClipPlan(num_frames=4, mode="keyframes"))[0]) == 1


SKIPPED = {
    "h264.mp4": Recipe(frames=250, options={"bf": "3", "g": "250", "sc_threshold": "0"}),
    "slow.mp4": Recipe(frames=60, fps=6, options={"bf": "3", "g": "250", "sc_threshold": "0"}),
    "hevc.mkv": Recipe(frames=250, codec="libx265", options={"x265-params": "log-level=none"}),
    "mpeg4.avi": Recipe(frames=250, codec="mpeg4", options={"bf": "2", "g": "250"}),
    "mpeg2.ts": Recipe(frames=250, codec="mpeg2video", options={"bf": "2", "g": "250"}),
}


@pytest.mark.parametrize("name", SKIPPED)
def test_pictures_that_are_left_out_are_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Modes exact and auto decode fewer pictures than there are, and give those of decoding all."""
    decoded: list[int] = []
    whole = Source._decoded

    def counted(source: Source, packet: object) -> list[object]:
        frames: list[object] = list(whole(source, packet))  # type: ignore[arg-type]
        decoded[-1] += len(frames)
        return frames

    monkeypatch.setattr(Source, "_decoded", counted)
    path, taken = make_video(tmp_path / name, SKIPPED[name]), []
    for mode in ("all", "exact", "auto"):
        decoded.append(0)
        source = Source(path, Limits())
        if mode == "all":
            mode = "exact"
            source.skip_to = lambda seconds, jump: None  # type: ignore[method-assign, misc]
        reader = ClipReader(source, ClipPlan(mode=mode, num_frames=6))
        taken.append(list(reader))
        source.close()
        assert reader.mode == "sequential"
    for every, *fewer in zip(*taken, strict=True):
        for clip in fewer:
            assert every.window == clip.window
            np.testing.assert_array_equal(every.frames.seconds, clip.frames.seconds)
            np.testing.assert_array_equal(every.frames.pixels, clip.frames.pixels)
    if name == "h264.mp4":
        assert decoded[2] <= decoded[1] < 0.8 * decoded[0], decoded
    assert decoded[2] <= decoded[1] <= decoded[0]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_exact_leaves_nothing_out_of_a_file_of_varying_speed(tmp_path: Path, name: str) -> None:
    times = tuple(number / 25 + (2.0 if number > 40 else 0.0) for number in range(100))
    recipe = Recipe(frames=100, times=times, options={"bf": "3", "g": "250", "sc_threshold": "0"})
    source = Source(make_video(tmp_path / name, recipe), Limits())
    reader = ClipReader(source, ClipPlan(mode="exact", num_frames=6))
    list(reader)
    assert not source._steady
    assert source._asked == 0.0
    source.close()


SEVERAL_KEYFRAMES = {
    "a.mp4": Recipe(frames=500, options={"bf": "3", "g": "120", "sc_threshold": "0"}),
    "a.mkv": Recipe(frames=500, options={"bf": "3", "g": "120", "sc_threshold": "0"}),
    "open.mp4": Recipe(
        frames=500,
        options={"bf": "3", "g": "120", "sc_threshold": "0", "x264-params": "open-gop=1"},
    ),
    "a.avi": Recipe(frames=500, codec="mpeg4", options={"bf": "2", "g": "120"}),
    "a.ts": Recipe(frames=500, codec="mpeg2video", options={"bf": "2", "g": "120"}),
    "slow.mp4": Recipe(
        frames=120, fps=6, options={"bf": "3", "g": "30", "keyint_min": "30", "sc_threshold": "0"}
    ),
    "uneven.mkv": Recipe(
        frames=300,
        times=tuple(number / 15 + (number % 3) / 50 for number in range(300)),
        options={"g": "70", "sc_threshold": "0"},
    ),
}


@pytest.mark.parametrize("name", SEVERAL_KEYFRAMES)
def test_auto_jumps_to_keyframes_and_gives_whole_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each picture is that of every-frame decoding at its time, and lies in its own equal part."""
    recipe = SEVERAL_KEYFRAMES[name]
    path, decoded = make_video(tmp_path / name, recipe), []
    source = Source(path, Limits())
    every = {round(picture.seconds, 4): picture.rgb(PLAN.size) for picture in source.pictures()}
    source.close()
    whole = Source._decoded

    def counted(source: Source, packet: object) -> list[object]:
        decoded.extend(frames := list(whole(source, packet)))  # type: ignore[arg-type]
        return frames

    monkeypatch.setattr(Source, "_decoded", counted)
    source = Source(path, Limits())
    reader = ClipReader(source, ClipPlan(mode="auto", num_frames=6))
    clips, late = list(reader), 2 / source.fps
    source.close()
    assert reader.mode == "sequential"
    for clip in clips:
        part = clip.window.duration / 6
        assert len(clip.frames) == 6
        for number, second in enumerate(clip.frames.seconds):
            begin = clip.window.start + number * part
            assert begin - late <= second <= begin + part
            np.testing.assert_array_equal(
                clip.frames.pixels[number], every[round(float(second), 4)]
            )
    if name == "a.mp4":
        assert len(decoded) < 0.5 * recipe.frames
    assert len(decoded) < recipe.frames
