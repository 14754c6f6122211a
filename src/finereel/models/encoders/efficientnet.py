"""EfficientNet-Lite: pictures -> a map of patch vectors, by depthwise convolutions.

Batch normalisation is folded into the convolutions, so a weight file holds kernels and biases only
and the network computes the same in training and in use. Source: Tan and Le 2019 (arXiv
1905.11946) and the `efficientnet_lite` models of TensorFlow: relu6, no squeeze-and-excitation,
TensorFlow's "same" padding, a stem and a head that do not scale.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad, relu6

from finereel.config import require_between
from finereel.errors import ConfigError

STRIDE = 32
"""Pixels of a picture's side that one patch covers."""

_BATCH_NORM_EPSILON = 1e-3
_STEM = 32
_DIMENSIONS = 4  # of a convolution's weights
_AT_A_TIME = 2
"""Pictures at a time on a processor: so few that what lies between two layers stays in its cache."""


@dataclass(frozen=True)
class EfficientNetStage:
    """Blocks of one kind: how many, kernel side, stride of the first, expansion, output channels."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


LITE0 = (
    EfficientNetStage(1, 3, 1, 1, 16),
    EfficientNetStage(2, 3, 2, 6, 24),
    EfficientNetStage(2, 5, 2, 6, 40),
    EfficientNetStage(3, 3, 2, 6, 80),
    EfficientNetStage(3, 5, 1, 6, 112),
    EfficientNetStage(4, 5, 2, 6, 192),
    EfficientNetStage(1, 3, 1, 6, 320),
)


@dataclass(frozen=True)
class EfficientNetGeometry:
    """Sizes of the network.

    Attributes:
        image_size: Side of the square input picture in pixels, a multiple of 32.
        width: Channels of the last map, E.
    """

    image_size: int = 224
    width: int = 1280

    def __post_init__(self) -> None:
        require_between(self, {"image_size": (STRIDE, 1024), "width": (1, 16_384)})
        if self.image_size % STRIDE:
            raise ConfigError(f"image_size must be a multiple of {STRIDE}, got {self.image_size}")

    @property
    def patches(self) -> int:
        """The number of patches of a picture."""
        return (self.image_size // STRIDE) ** 2


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: the odd pixel goes right and below."""

    def forward(self, given: Float[Tensor, "B C H H"]) -> Float[Tensor, "B E h h"]:
        """Where the padding is odd the kernel gets a row and a column of zeros above and to the
        left, which shifts it as if the picture were padded on one side: kernels are far smaller
        than pictures, so nothing large is copied, and not a digit of the result differs.
        """
        side, kernel, stride = given.shape[-1], self.kernel_size[0], self.stride[0]
        missing = max(0, (math.ceil(side / stride) - 1) * stride + kernel - side)
        weight = pad(self.weight, (1, 0, 1, 0)) if missing % 2 else self.weight
        around = missing - missing // 2
        filtered: Tensor = torch.conv2d(
            given, weight, self.bias, self.stride, around, self.dilation, self.groups
        )
        return filtered


class Block(nn.Module):
    """Expand, filter each channel, project; the input is added where the shape stays."""

    def __init__(self, given: int, channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = given * expansion
        self.expand = nn.Conv2d(given, wide, 1) if expansion > 1 else None
        self.depthwise = SameConv(wide, wide, kernel, stride, groups=wide)
        self.project = nn.Conv2d(wide, channels, 1)
        self.keeps_shape = stride == 1 and given == channels

    def forward(self, given: Float[Tensor, "B C H H"]) -> Float[Tensor, "B E h h"]:
        hidden = given if self.expand is None else relu6(self.expand(given), inplace=True)
        projected: Tensor = self.project(relu6(self.depthwise(hidden), inplace=True))
        return projected.add_(given) if self.keeps_shape else projected


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0 without its classifier.

    Args:
        geometry: Sizes of the network.

    Example:
        >>> network = EfficientNetLite(EfficientNetGeometry(image_size=64))
        >>> network(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 4, 1280])
    """

    def __init__(self, geometry: EfficientNetGeometry) -> None:
        super().__init__()
        self.geometry = geometry
        self.stem = SameConv(3, _STEM, 3, 2)
        blocks, channels = [], _STEM
        for stage in LITE0:
            for number in range(stage.blocks):
                stride = 1 if number else stage.stride
                blocks.append(
                    Block(channels, stage.channels, stage.kernel, stride, stage.expansion)
                )
                channels = stage.channels
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Conv2d(channels, geometry.width, 1)

    def forward(self, pixels: Float[Tensor, "B 3 H H"]) -> Float[Tensor, "B N E"]:
        """The patches of each picture, row by row, not negative.

        Without gradients few pictures go at a time, so that what lies between two layers stays in
        the processor's cache, and the weights lie as convolutions want them; no picture depends on
        another.
        """
        if torch.is_grad_enabled() or pixels.device.type != "cpu":
            return self._patches(pixels)
        if not self.stem.weight.is_contiguous(memory_format=torch.channels_last):
            for parameter in self.parameters():  # loading replaces them
                if parameter.ndim == _DIMENSIONS:
                    parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return torch.cat([self._patches(part) for part in torch.split(pixels, _AT_A_TIME)])

    def _patches(self, pixels: Float[Tensor, "B 3 H H"]) -> Float[Tensor, "B N E"]:
        hidden = relu6(
            self.stem(pixels.contiguous(memory_format=torch.channels_last)), inplace=True
        )
        for block in self.blocks:
            hidden = block(hidden)
        patches: Tensor = relu6(self.head(hidden), inplace=True).flatten(2).transpose(1, 2)
        return patches


def fold_batch_norms(published: Mapping[str, Tensor]) -> dict[str, Any]:
    """Rename the tensors of the published network and fold its batch normalisation.

    Args:
        published: The state dict of `efficientnet_lite0` in PyTorch (`_conv_stem.weight`,
            `_blocks.0._bn1.running_mean`, ...).

    Returns:
        The state dict of `EfficientNetLite`, in float32.

    Raises:
        KeyError: If a tensor is missing.
    """
    places = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for number in range(sum(stage.blocks for stage in LITE0)):
        inside = {"depthwise": ("depthwise_conv", "bn1"), "project": ("project_conv", "bn2")}
        if number:  # the first block does not expand
            inside["expand"] = ("expand_conv", "bn0")
        for name, (conv, norm) in inside.items():
            places[f"blocks.{number}.{name}"] = (
                f"_blocks.{number}._{conv}",
                f"_blocks.{number}._{norm}",
            )
    folded = {}
    for name, (conv, norm) in places.items():
        gain = published[f"{norm}.weight"].double()
        gain = gain / (published[f"{norm}.running_var"].double() + _BATCH_NORM_EPSILON).sqrt()
        kernel = published[f"{conv}.weight"].double() * gain[:, None, None, None]
        bias = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * gain
        folded[f"{name}.weight"], folded[f"{name}.bias"] = kernel.float(), bias.float()
    return folded
