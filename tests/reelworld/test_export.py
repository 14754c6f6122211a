"""Export: what is on disk is what was rendered, complete or not there."""

import gc
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from finereel.errors import ConfigError, StorageError
from finereel.io.atomic import write_file
from finereel.reelworld import (
    Scene,
    captions,
    export,
    render,
    renderer,
    sample_scene,
    twins,
)
from finereel.reelworld.export import SEED_STRIDE, VideoFormat, clip_times, write
from support.registers import HAS_MMX, occupied

SMALL = VideoFormat(size=96, fps=8)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reelworld") / "out"
    write(out, 2, 0, "test", SMALL)
    return out


def lines(out: Path) -> list[dict[str, object]]:
    return [
        json.loads(line)
        for line in (out / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def frames_of(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def test_lines_say_what_the_scene_says(written: Path) -> None:
    found = lines(written)
    assert len(found) == 2
    for index, line in enumerate(found):
        scene = sample_scene(index, "test")
        assert line["video"] == f"{index:06d}.mp4"
        assert line["caption"] == captions(scene)[0]
        assert line["captions"] == list(captions(scene))
        assert line["split"] == "test"
        assert line["factors"] == json.loads(json.dumps(asdict(scene)))
        assert [
            (each["pos"], each["caption"], each["source"], each["replacement"])
            for each in line["twins"]
        ] == [(twin.pos, twin.caption, twin.source_word, twin.replacement) for twin in twins(scene)]


def test_every_file_named_exists_and_no_other(written: Path) -> None:
    named = {line["video"] for line in lines(written)} | {
        twin["video"] for line in lines(written) for twin in line["twins"]
    }
    present = {
        path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()
    }
    assert present == named | {"captions.jsonl"}


def test_decoded_frames_are_the_rendered_ones(written: Path) -> None:
    scene = sample_scene(0, "test")
    pairs = [
        (written / "000000.mp4", scene),
        (written / f"twins/000000_{twins(scene)[0].pos}.mp4", twins(scene)[0].scene),
    ]
    for path, rendered in pairs:
        expected = render(rendered, clip_times(SMALL.fps), SMALL.size)
        decoded = np.stack(list(frames_of(path)))
        assert decoded.shape == expected.shape == (24, 96, 96, 3)
        # yuv420p halves the colour resolution: sharp coloured edges differ, flat areas hardly.
        assert np.abs(decoded.astype(np.int16) - expected).mean() < 5


def test_videos_are_what_players_expect(written: Path) -> None:
    with av.open(str(written / "000000.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate) == SMALL.fps
        assert container.duration / av.time_base == pytest.approx(3.0, abs=0.01)


def test_the_same_seed_writes_the_same_and_more_clips_begin_the_same(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from finereel.reelworld.export import VideoFormat, "
        "write; "
        f"write(Path(sys.argv[1]), int(sys.argv[2]), 0, 'test', VideoFormat(size={SMALL.size}, "
        f"fps={SMALL.fps}))"
    )
    for name, clips in (
        ("one", "1"),
        ("two", "2"),
    ):  # as two people would, each in a process of their own
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name), clips], check=True)
    one, two = tmp_path / "one", tmp_path / "two"
    assert (two / "captions.jsonl").read_bytes().startswith((one / "captions.jsonl").read_bytes())
    assert (one / "000000.mp4").read_bytes() == (two / "000000.mp4").read_bytes()


def digests(out: Path, scene: Scene) -> tuple[str, str, str]:
    """Of the drawn pixels, of the file, and of what decoding gives, each drawn anew."""
    for kept in (renderer.background, renderer.master, renderer.shadow):
        kept.cache_clear()
    frames = render(scene, clip_times(SMALL.fps), SMALL.size)
    export.write_video(out, frames, SMALL.fps)
    decoded = b"".join(frame.tobytes() for frame in frames_of(out))
    drawn, file, seen = (
        hashlib.sha256(data).hexdigest() for data in (frames.tobytes(), out.read_bytes(), decoded)
    )
    return drawn, file, seen


def other_work(random: np.random.Generator) -> None:
    """What else a process does that lives long: used memory, other threads, numbers near zero cut
    off.
    """
    np.full(int(random.integers(1, 3_000_000)), int(random.integers(256)), np.uint8).sum()
    torch.set_flush_denormal(bool(random.integers(2)))
    torch.ones(64, 64).matmul(torch.ones(64, 64))
    gc.collect(int(random.integers(3)))


def exported_again(out: Path, scenes: list[Scene], times: int) -> None:
    random = np.random.default_rng(0)
    first = [digests(out, scene) for scene in scenes]
    try:
        for _ in range(times):
            number = int(random.integers(len(scenes)))
            other_work(random)
            with occupied() if HAS_MMX else nullcontext():
                assert digests(out, scenes[number]) == first[number], scenes[number]
    finally:
        torch.set_flush_denormal(False)


def test_one_process_writes_the_same_whatever_it_did_before(tmp_path: Path) -> None:
    textured = [
        scene
        for scene in map(partial(sample_scene, split="test"), range(60))
        if scene.look == "spotted"
    ]
    exported_again(tmp_path / "a.mp4", [sample_scene(14, "test"), textured[0]], 4)


@pytest.mark.slow
def test_one_process_writes_the_same_for_long(tmp_path: Path) -> None:
    exported_again(tmp_path / "a.mp4", [sample_scene(number, "test") for number in range(40)], 100)


def test_another_seed_writes_other_scenes(tmp_path: Path) -> None:
    write(tmp_path / "out", 1, 3, "val", VideoFormat(size=32, fps=2))
    assert lines(tmp_path / "out")[0]["factors"]["seed"] == 3 * SEED_STRIDE


def test_progress_counts_up(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    write(
        tmp_path / "out",
        2,
        0,
        "train",
        VideoFormat(size=32, fps=1),
        lambda done, total: calls.append((done, total)),
    )
    assert calls == [(1, 2), (2, 2)]


def test_captions_appear_only_when_everything_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(export, "write_video", failing)
    with pytest.raises(StorageError, match="disk full"):
        write(tmp_path / "out", 1, 0, "train", SMALL)
    assert not (tmp_path / "out" / "captions.jsonl").exists()


def test_a_broken_video_leaves_nothing_behind(tmp_path: Path) -> None:
    odd = np.zeros((2, 33, 33, 3), np.uint8)
    with pytest.raises(StorageError, match="libx264"):
        export.write_video(tmp_path / "odd.mp4", odd, 2)
    assert list(tmp_path.iterdir()) == []


def test_text_is_replaced_whole(tmp_path: Path) -> None:
    write_file(tmp_path / "a.txt", "one\n")
    write_file(tmp_path / "a.txt", "two\n")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "two\n")]


def test_a_used_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(ConfigError, match="empty folder"):
        write(tmp_path, 1, 0, "train", SMALL)
    with pytest.raises(ConfigError, match="empty folder"):
        write(tmp_path / "mine.txt", 1, 0, "train", SMALL)
    assert (tmp_path / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("clips", "seed", "split"), [(0, 0, "train"), (1, -1, "train"), (1, 0, "tets")]
)
def test_wrong_requests_are_refused(tmp_path: Path, clips: int, seed: int, split: str) -> None:
    with pytest.raises(ConfigError):
        write(tmp_path / "out", clips, seed, split, SMALL)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("size", "fps"), [(33, 24), (8, 24), (64, 0)])
def test_wrong_formats_are_refused(size: int, fps: int) -> None:
    with pytest.raises(ConfigError, match="even size"):
        VideoFormat(size, fps)
