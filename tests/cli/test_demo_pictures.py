"""The photos of the demo: their rights, their moves, what is asked about them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finereel.cli.demo_pictures import (
    CLIPS,
    HEIGHT,
    MOVES,
    PICTURES,
    QUERIES,
    WIDTH,
    Move,
    moved,
    write_pictures,
)
from finereel.video import ClipPlan, VideoReader


def test_every_picture_is_small_and_has_its_rights() -> None:
    files = sorted(file for file in PICTURES.iterdir() if file.name != "RIGHTS")
    assert {file.stem for file in files} == {*MOVES, *CLIPS}
    assert all(file.stat().st_size <= 60_000 for file in files)
    assert sum(file.stat().st_size for file in files) <= 600_000
    lines = (PICTURES / "RIGHTS").read_text(encoding="utf-8").splitlines()
    rights = {line.split()[0]: line for line in lines if line.count("  ") >= 3}
    for file in files:
        assert any(
            licence in rights[file.name]
            for licence in ("CC0 1.0", "public domain", "CC BY 2.0", "CC BY 3.0")
        )


def test_each_query_has_one_of_the_clips_as_its_answer() -> None:
    assert len(QUERIES) == 6
    assert {Path(right).stem for right in QUERIES.values()} <= {*MOVES, *CLIPS}


def test_the_camera_moves_evenly_and_never_beyond_the_edge() -> None:
    ramp = np.tile(np.arange(640, dtype=np.uint8).clip(0, 255)[None, :, None], (480, 1, 3))
    ramp[:, 256:] = 255
    frames = moved(Image.fromarray(ramp), Move((0.0, 0.5), (0.4, 0.5), 0.5, 0.5))
    assert frames.shape == (36, HEIGHT, WIDTH, 3)
    left = frames[:, 0, 0, 0].astype(int)
    assert left[0] <= 1, "the first view begins at the edge"
    assert (np.diff(left) >= 0).all()
    assert left[-1] == pytest.approx(640 * 0.4 - 160, abs=2)


def test_the_clips_are_videos(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    files = sorted(tmp_path.iterdir())
    assert {file.stem for file in files} == {*MOVES, *CLIPS}
    plan = ClipPlan(length=10.0, num_frames=2, size=64)
    with VideoReader() as reader:
        for file in files:
            (clip,) = list(reader.read(file, plan))
            assert 2.5 < clip.window.end < 6
