"""FRAMES -> PIXELS: shorter side to the model's size (bicubic, antialiased), centre crop, CLIP mean and deviation."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def to_pixels(frames: UInt8[Tensor, "F H W 3"], size: int) -> Float[Tensor, "F 3 size size"]:
    """Model input in normalised space (0 is CLIP's mean colour)."""
    return _normalize(to_squares(frames, size))


def to_squares(frames: UInt8[Tensor, "F H W 3"], size: int) -> Float[Tensor, "F 3 size size"]:
    """The centre square of pictures at a model's size, 0 to 255."""
    images = frames.movedim(-1, 1).float()
    height, width = images.shape[-2:]
    if min(height, width) != size:
        shape = (round(height * size / min(height, width)), round(width * size / min(height, width)))
        images = interpolate(images, size=shape, mode="bicubic", antialias=True, align_corners=False)
    top, left = (images.shape[-2] - size) // 2, (images.shape[-1] - size) // 2
    return images[..., top : top + size, left : left + size].clamp(0, 255)


def normalize_pixels(frames: UInt8[Tensor, "V F H H 3"]) -> Float[Tensor, "V F 3 H H"]:
    """Frames that already have the model's size, into normalised space."""
    return _normalize(frames.movedim(-1, 2).float())


def _normalize(images: Tensor) -> Tensor:
    mean, std = (torch.tensor(values, device=images.device)[:, None, None] for values in (CLIP_MEAN, CLIP_STD))
    return (images / 255 - mean) / std
