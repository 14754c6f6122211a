"""What a file is, from the decoder to the table."""

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finereel.index.facts import FileFacts
from finereel.index.pipeline import STRIP_FRAMES, strip
from finereel.index.store import ClipStore
from finereel.library import Library
from finereel.types import Frames
from finereel.video.files import FileState
from index.doubles import ToyModel
from support.media import Recipe, make_video


def test_a_real_video_brings_its_facts_and_its_strip(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", Recipe(frames=50, width=64, height=48, sound=True))
    library = Library.open(tmp_path / "library", LargeToyModel())
    library.add([path])
    library.close()
    snapshot = ClipStore.open(next(library.path.glob("index-*"))).snapshot()
    (facts,) = snapshot.facts().values()
    modified = datetime.fromtimestamp(path.stat().st_mtime_ns / 1e9, UTC)
    assert facts.taken_at == modified
    assert (facts.duration, facts.width, facts.height, facts.fps) == (2.0, 64, 48, 25.0)
    assert (facts.video_codec, facts.audio_codec) == ("h264", "aac")
    assert facts.container is not None
    assert "mp4" in facts.container
    assert (facts.known, facts.tags) == (True, ())
    (stored,) = snapshot.rows(["strip"])["strip"].to_pylist()
    assert Image.open(io.BytesIO(stored)).size == (64 * STRIP_FRAMES, 48)
    assert library.status().migration == ""


class LargeToyModel(ToyModel):
    """Takes pictures of any size: it looks at their corner."""

    def _encode(self, clip: Frames):  # type: ignore[no-untyped-def]
        return super()._encode(Frames(np.ascontiguousarray(clip.pixels[:, :8, :8]), clip.seconds))


@pytest.mark.parametrize(("height", "width"), [(256, 455), (455, 256), (40, 30), (256, 2000)])
@pytest.mark.parametrize("count", [1, 2, 12])
def test_a_strip_is_six_frames_in_order(height: int, width: int, count: int) -> None:
    grey = np.linspace(0, 250, count).astype(np.uint8)
    pixels = np.broadcast_to(grey[:, None, None, None], (count, height, width, 3)).copy()
    picture = Image.open(io.BytesIO(strip(Frames(pixels, np.arange(float(count))))))
    wide, high = picture.width // STRIP_FRAMES, picture.height
    assert picture.width == wide * STRIP_FRAMES
    assert 0 < wide <= 160
    assert 0 < high <= 90
    assert wide / high == pytest.approx(width / height, rel=0.1)
    shades = np.asarray(picture.convert("L"), dtype=float)
    parts = [shades[:, n * wide : (n + 1) * wide].mean() for n in range(STRIP_FRAMES)]
    assert np.diff(parts).min() > -2
    assert parts[-1] - parts[0] == pytest.approx(float(grey[-1]) - float(grey[0]), abs=15)


def test_a_clock_out_of_any_calendar_is_no_time() -> None:
    assert FileFacts.of(None, FileState(1, 10**30)).taken_at is None
    assert FileFacts.of(None, FileState(1, 0), ["b", "a", "b"]).tags == ("a", "b")
