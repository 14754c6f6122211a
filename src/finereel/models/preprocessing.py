"""The image preprocessing of a model: size, crop, interpolation and statistics, as its CLIP
directory states them.

The arithmetic is that of `transformers`' image processors on PIL, picture by picture. Without
torch.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from finereel.errors import CheckpointError
from finereel.io.foreign_files import ForeignFileError, read_json_object

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
DECODED_SIDE = 256
"""Shorter side of decoded pictures for models that take 224 pixels, and the least there is."""

_PER_INPUT = DECODED_SIDE / 224
_RESAMPLING = range(6)  # PIL's: nearest, lanczos, bilinear, bicubic, box, hamming
_CHANNELS = 3
_FILES = ("processor_config.json", "preprocessor_config.json")
_CLIP: Mapping[str, Any] = {
    "do_resize": True,
    "size": {"shortest_edge": 224},
    "default_to_square": False,
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": CLIP_MEAN,
    "image_std": CLIP_STD,
}
_VIT: Mapping[str, Any] = {
    **_CLIP,
    "size": {"height": 224, "width": 224},
    "default_to_square": True,
    "resample": 2,
    "do_center_crop": False,
    "image_mean": (0.5, 0.5, 0.5),
    "image_std": (0.5, 0.5, 0.5),
}
_SIGLIP: Mapping[str, Any] = {**_VIT, "resample": 3}
_PROCESSORS: Mapping[str, Mapping[str, Any]] = {
    "CLIPImageProcessor": _CLIP,
    "CLIPFeatureExtractor": _CLIP,
    "ViTImageProcessor": _VIT,
    "ViTFeatureExtractor": _VIT,
    "SiglipImageProcessor": _SIGLIP,
    "Siglip2ImageProcessor": _VIT,
    "ChineseCLIPImageProcessor": _CLIP,
    "ChineseCLIPFeatureExtractor": _CLIP,
}
_ANY_SIZE = ("Siglip2ImageProcessor",)
"""Processors that keep a picture's shape; pictures are squashed to the square of as many patches."""


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes input.

    size: side of the square input in pixels. resize: the shorter side before the crop, or (height,
    width) whatever the picture's shape; the centre square of `size` is then kept, black around
    smaller pictures. resample: PIL's number of the interpolation. scale: what pixels of 0 to 255
    are multiplied by, before `mean` is taken off and `std` divides.

    >>> Preprocessing(size=224, resize=256).decoded_side
    293
    """

    size: int = 224
    resize: int | tuple[int, int] = 224
    resample: int = 3
    scale: float = 1 / 255
    mean: tuple[float, ...] = CLIP_MEAN
    std: tuple[float, ...] = CLIP_STD

    @classmethod
    def imagenet(cls, size: int) -> "Preprocessing":
        """Pictures of any shape squashed to `size` x `size` pixels (bicubic), normalised by
        ImageNet's statistics.
        """
        return cls(size, (size, size), mean=IMAGENET_MEAN, std=IMAGENET_STD)

    @property
    def decoded_side(self) -> int:
        """Shorter side of the pictures to decode: larger than what they are resized to, as for
        every other model.
        """
        wanted = self.resize if isinstance(self.resize, int) else max(self.resize)
        return max(DECODED_SIDE, math.ceil(wanted * _PER_INPUT))

    @property
    def shaping(self) -> dict[str, Any]:
        """The part that decides what `squares` gives, as JSON values."""
        return {
            name: value
            for name, value in self.to_dict().items()
            if name in ("size", "resize", "resample")
        }

    def squares(self, frames: UInt8[np.ndarray, "F H W 3"]) -> UInt8[np.ndarray, "F size size 3"]:
        """Pictures resized and cropped, still 0 to 255."""
        from PIL import Image

        height, width = self._resized(*frames.shape[1:3])
        filters = Image.Resampling(self.resample)
        resized = [
            np.asarray(Image.fromarray(frame).resize((width, height), filters)) for frame in frames
        ]
        return np.stack([self._cropped(picture) for picture in resized])

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        if not isinstance(self.resize, int):
            return self.resize
        longer = int(self.resize * max(height, width) / min(height, width))
        return (longer, self.resize) if width <= height else (self.resize, longer)

    def _cropped(self, picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "size size 3"]:
        missing = [max(0, self.size - side) for side in picture.shape[:2]]
        around = [(math.ceil(count / 2), count // 2) for count in missing]
        padded = np.pad(picture, [*around, (0, 0)]) if any(missing) else picture
        top, left = ((side - self.size) // 2 for side in padded.shape[:2])
        return padded[top : top + self.size, left : left + self.size]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; `from_dict` reads them back."""
        resize = self.resize if isinstance(self.resize, int) else list(self.resize)
        return {**vars(self), "resize": resize, "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """The inverse of `to_dict`. CheckpointError for values that cannot be."""
        if not isinstance(values, Mapping) or set(values) != set(cls.__dataclass_fields__):
            raise CheckpointError(
                f"'preprocessing' in config.json must name {', '.join(cls.__dataclass_fields__)}, "
                f"got {values!r}"
            )
        resize = values["resize"]
        pair = isinstance(resize, list) and len(resize) == 2
        return cls(
            _whole("size", values["size"]),
            (_whole("resize", resize[0]), _whole("resize", resize[1]))
            if pair
            else _whole("resize", resize),
            _resampling(values["resample"]),
            _number("scale", values["scale"]),
            _three("mean", values["mean"]),
            _three("std", values["std"]),
        )


def read_preprocessing(
    folder: Path, image_size: int, usual: str = "CLIPImageProcessor"
) -> Preprocessing:
    """What the processor in a model directory does to pictures, for towers that take `image_size`
    pixels.

    Without a processor's file: what the `usual` processor of such models does, at `image_size`.
    Raises CheckpointError for a file that does not read, and for settings that make no picture of
    the towers' size or are not supported.
    """
    stated = _stated(folder)
    if stated is None:
        square = {"height": image_size, "width": image_size}
        size = square if _PROCESSORS[usual]["default_to_square"] else image_size
        return _settings({**_PROCESSORS[usual], "size": size, "crop_size": square}, image_size)
    kind = str(stated.get("image_processor_type") or stated.get("feature_extractor_type") or usual)
    kind = kind.removesuffix("Fast").removesuffix("Pil")
    known = _PROCESSORS.get(kind)
    if known is None:
        raise CheckpointError(
            f"{folder} prepares pictures by a {kind}, which is not supported: expected one of "
            f"{', '.join(_PROCESSORS)}"
        )
    if kind in _ANY_SIZE:
        stated = {**stated, "size": {"height": image_size, "width": image_size}}
    try:
        return _settings(
            {**known, **{name: value for name, value in stated.items() if value is not None}},
            image_size,
        )
    except CheckpointError as error:
        raise CheckpointError(f"the image processor in {folder}: {error}") from None


def _stated(folder: Path) -> dict[str, Any] | None:
    """The image processor's settings: newer files keep them inside the whole processor's, which
    then count.
    """
    for name in _FILES:
        path = folder / name
        if not (path.exists() or path.is_symlink()):
            continue
        try:
            values: Any = read_json_object(path)
        except (OSError, ForeignFileError) as error:
            raise CheckpointError(
                f"{path} cannot be read as JSON ({error}); copy it again"
            ) from error
        if name == _FILES[0]:
            values = values.get("image_processor")
            if values is None:
                continue
        if not isinstance(values, dict):
            raise CheckpointError(
                f"{path} must hold an object, got {type(values).__name__}; copy it again"
            )
        return values
    return None


def _settings(stated: Mapping[str, Any], image_size: int) -> Preprocessing:
    for name in ("do_resize", "do_center_crop", "do_rescale", "do_normalize"):
        if not isinstance(stated[name], bool):
            raise CheckpointError(f"{name} must be true or false, got {stated[name]!r}")
    if not stated["do_resize"]:
        raise CheckpointError(
            "do_resize is false: videos of all sizes need resizing, so this is not supported"
        )
    if stated.get("do_pad"):
        raise CheckpointError("do_pad is true, which is not supported")
    resize = (
        (224, 224)
        if stated.get("use_square_size")
        else _size(stated["size"], stated["default_to_square"])
    )
    crop = _sides("crop_size", stated["crop_size"]) if stated["do_center_crop"] else resize
    if crop != (image_size, image_size):
        made = (
            "pictures of any shape"
            if isinstance(crop, int)
            else f"pictures of {crop[1]} x {crop[0]} pixels"
        )
        raise CheckpointError(
            f"it makes {made}, but the vision tower takes {image_size} x {image_size}"
        )
    normalised = stated["do_normalize"]
    return Preprocessing(
        image_size,
        resize,
        _resampling(stated["resample"]),
        _number("rescale_factor", stated["rescale_factor"]) if stated["do_rescale"] else 1.0,
        _three("image_mean", stated["image_mean"]) if normalised else (0.0,) * _CHANNELS,
        _three("image_std", stated["image_std"]) if normalised else (1.0,) * _CHANNELS,
    )


def _size(size: Any, square: bool) -> int | tuple[int, int]:
    """The shorter side, or (height, width)."""
    if isinstance(size, int) and not square:
        return _whole("size", size)
    if isinstance(size, Mapping) and set(size) == {"shortest_edge"}:
        return _whole("size.shortest_edge", size["shortest_edge"])
    return _sides("size", size)


def _sides(name: str, size: Any) -> tuple[int, int]:
    if isinstance(size, int):
        size = {"height": size, "width": size}
    if isinstance(size, list | tuple) and len(size) == 2:
        size = {"height": size[0], "width": size[1]}
    if not isinstance(size, Mapping) or {key for key in size if size[key] is not None} != {
        "height",
        "width",
    }:
        raise CheckpointError(
            f"{name} {size!r} is not supported: expected a number, or height and width"
        )
    return _whole(f"{name}.height", size["height"]), _whole(f"{name}.width", size["width"])


def _whole(name: str, value: Any) -> int:
    if type(value) is not int or not 1 <= value <= 4096:
        raise CheckpointError(
            f"{name} must be a whole number of pixels from 1 to 4096, got {value!r}"
        )
    return value


def _number(name: str, value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise CheckpointError(f"{name} must be a number, got {value!r}")
    return float(value)


def _three(name: str, value: Any) -> tuple[float, ...]:
    """Red, green and blue; one number stands for all three."""
    values = list(value) if isinstance(value, list | tuple) else [value] * _CHANNELS
    if len(values) != _CHANNELS:
        raise CheckpointError(f"{name} must be one number or three, got {value!r}")
    numbers = tuple(_number(name, part) for part in values)
    if name.endswith("std") and not all(numbers):
        raise CheckpointError(f"{name} divides, so it must not be 0, got {value!r}")
    return numbers


def _resampling(value: Any) -> int:
    if type(value) is not int or value not in _RESAMPLING:
        raise CheckpointError(
            f"resample must be PIL's number of an interpolation, 0 to 5, got {value!r}"
        )
    return value
