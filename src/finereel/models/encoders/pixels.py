"""Convert frames to model input: resize the shorter side (bicubic, antialiased), crop the centre,
normalise with CLIP's mean and deviation.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from finereel.models.preprocessing import CLIP_MEAN, CLIP_STD, Preprocessing


def to_pixels(frames: UInt8[Tensor, "F H W 3"], size: int) -> Float[Tensor, "F 3 size size"]:
    """Model input in normalised space (0 is CLIP's mean colour)."""
    return _normalize(to_squares(frames, size))


def to_squares(frames: UInt8[Tensor, "F H W 3"], size: int) -> Float[Tensor, "F 3 size size"]:
    """The centre square of pictures at a model's size, 0 to 255."""
    images = frames.movedim(-1, 1).float()
    height, width = images.shape[-2:]
    if min(height, width) != size:
        shape = (
            round(height * size / min(height, width)),
            round(width * size / min(height, width)),
        )
        images = interpolate(
            images, size=shape, mode="bicubic", antialias=True, align_corners=False
        )
    top, left = (images.shape[-2] - size) // 2, (images.shape[-1] - size) // 2
    return images[..., top : top + size, left : left + size].clamp(0, 255)


def normalize_pixels(
    frames: UInt8[Tensor, "*axes H H 3"], settings: Preprocessing | None = None
) -> Float[Tensor, "*axes 3 H H"]:
    """Frames that already have the model's size, into normalised space; by CLIP's statistics where
    none are given.
    """
    images = frames.movedim(-1, -3).float()
    return (
        _normalize(images)
        if settings is None
        else _normalize(images, settings.scale, settings.mean, settings.std)
    )


def _normalize(
    images: Tensor,
    scale: float = 0.0,
    mean: Sequence[float] = CLIP_MEAN,
    std: Sequence[float] = CLIP_STD,
) -> Tensor:
    means, stds = (
        torch.tensor(values, device=images.device)[:, None, None] for values in (mean, std)
    )
    scaled = images * scale if scale else images / 255
    return scaled.sub_(means).div_(stds)
