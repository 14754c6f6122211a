"""Frames of any size to the towers' input."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from finereel.models.encoders.pixels import CLIP_MEAN, CLIP_STD, to_pixels

MEAN, STD = (torch.tensor(values)[:, None, None] for values in (CLIP_MEAN, CLIP_STD))


@settings(max_examples=40)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    size=st.sampled_from([8, 21, 32]),
    value=st.integers(0, 255),
)
def test_one_colour_stays_that_colour(height: int, width: int, size: int, value: int) -> None:
    frames = torch.full((2, height, width, 3), value, dtype=torch.uint8)
    found = to_pixels(frames, size)
    assert found.shape == (2, 3, size, size)
    torch.testing.assert_close(
        found * STD + MEAN, torch.full_like(found, value / 255), rtol=0, atol=1e-5
    )


def test_the_right_size_passes_untouched() -> None:
    frames = torch.randint(0, 256, (1, 16, 16, 3), dtype=torch.uint8)
    found = to_pixels(frames, 16) * STD + MEAN
    torch.testing.assert_close(found, frames.movedim(-1, 1) / 255)


@pytest.mark.parametrize(("height", "width"), [(16, 40), (40, 16)])
def test_the_centre_is_kept(height: int, width: int) -> None:
    frames = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    frames[:, (height - 16) // 2 : (height + 16) // 2, (width - 16) // 2 : (width + 16) // 2] = 255
    assert torch.allclose(to_pixels(frames, 16) * STD + MEAN, torch.ones(1), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(60, 90), (37, 53), (224, 160)])
def test_resizing_is_the_bicubic_of_pillow(height: int, width: int) -> None:
    """What CLIP's own preprocessing does; a step of rounding to bytes apart."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 6, 6, generator=generator)
    frame = (
        (torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")[0] * 255)
        .byte()
        .movedim(0, -1)
    )
    short = 32 / min(height, width)
    image = Image.fromarray(frame.numpy()).resize(
        (round(width * short), round(height * short)), Image.Resampling.BICUBIC
    )
    left, top = (image.width - 32) // 2, (image.height - 32) // 2
    cropped = image.crop((left, top, left + 32, top + 32))
    wanted = (
        torch.tensor(list(cropped.tobytes()), dtype=torch.float32).reshape(32, 32, 3).movedim(-1, 0)
    )
    found = (to_pixels(frame[None], 32)[0] * STD + MEAN) * 255
    assert (found - wanted).abs().max() < 1.6
    assert (found - wanted).abs().mean() < 0.5


def test_frames_do_not_mix() -> None:
    frames = torch.randint(0, 256, (3, 20, 30, 3), dtype=torch.uint8)
    together = to_pixels(frames, 8)
    for index in range(3):
        assert torch.equal(to_pixels(frames[index : index + 1], 8)[0], together[index])
