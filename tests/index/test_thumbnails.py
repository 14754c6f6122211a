"""Thumbnails keep within their budget whatever a clip shows, and stay as large as that allows."""

import io

import numpy as np
from PIL import Image

from finereel.index.pipeline import THUMBNAIL_BYTES, THUMBNAIL_TRIES, thumbnail

LARGEST, SMALLEST = THUMBNAIL_TRIES[0][0], THUMBNAIL_TRIES[-1][0]


def size(made: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(made)) as picture:
        assert picture.format == "WEBP"
        return picture.size


def test_noise_is_made_smaller_until_it_fits() -> None:
    draw = np.random.default_rng(0)
    for shape in ((160, 240), (240, 160), (240, 240)):
        made = thumbnail(draw.integers(0, 256, (*shape, 3), dtype=np.uint8))
        assert len(made) <= THUMBNAIL_BYTES
        assert SMALLEST <= max(size(made)) < LARGEST


def test_a_calm_picture_keeps_its_size() -> None:
    rows = np.linspace(0, 255, 720, dtype=np.uint8)
    made = thumbnail(np.broadcast_to(rows[:, None, None], (720, 1280, 3)).copy())
    assert size(made) == (LARGEST, 135)
    assert len(made) <= THUMBNAIL_BYTES
