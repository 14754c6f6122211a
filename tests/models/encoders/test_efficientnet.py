"""EfficientNet-Lite0: pictures do not depend on one another, weights lie as convolutions want
them.
"""

import math

import pytest
import torch
from torch.nn.functional import pad

from finereel.models.encoders.efficientnet import (
    EfficientNetGeometry,
    EfficientNetLite,
    SameConv,
)


def network() -> EfficientNetLite:
    torch.manual_seed(0)
    made = EfficientNetLite(EfficientNetGeometry(image_size=64, width=32))
    with torch.no_grad():
        for parameter in made.parameters():  # torch's own start fades away over sixteen blocks
            parameter.mul_(2.0)
    return made


def test_few_pictures_at_a_time_give_what_all_at_once_give() -> None:
    made, pictures = network().eval(), torch.rand(11, 3, 64, 64)
    whole = made(pictures)
    assert whole.std() > 1e-3
    with torch.no_grad():
        parts = made(pictures)
        alone = torch.cat([made(picture[None]) for picture in pictures])
        assert made(pictures[:0]).shape == (0, 4, 32)
    torch.testing.assert_close(parts, whole.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(alone, whole.detach(), rtol=1e-5, atol=1e-5)


def test_weights_that_were_loaded_lie_channels_last() -> None:
    made, other = network(), network()
    made.load_state_dict(other.state_dict(), assign=True)
    with torch.no_grad():
        made(torch.rand(1, 3, 64, 64))
    assert made.stem.weight.is_contiguous(memory_format=torch.channels_last)
    assert made.head.weight.is_contiguous(memory_format=torch.channels_last)
    depthwise = made.blocks[1].depthwise.weight
    assert depthwise.is_contiguous(memory_format=torch.channels_last)
    assert all(
        torch.equal(made.state_dict()[name], kept) for name, kept in other.state_dict().items()
    )


@pytest.mark.parametrize("side", [7, 8, 15, 16])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_padding_is_that_of_tensorflow(side: int, kernel: int, stride: int) -> None:
    """The padding written out: half of what is missing before, the odd pixel behind."""
    torch.manual_seed(0)
    conv, given = SameConv(4, 4, kernel, stride, groups=4), torch.randn(2, 4, side, side)
    missing = max(0, (math.ceil(side / stride) - 1) * stride + kernel - side)
    padded = pad(given, (missing // 2, missing - missing // 2) * 2)
    wanted = torch.conv2d(padded, conv.weight, conv.bias, stride, groups=4)
    torch.testing.assert_close(conv(given), wanted, rtol=0, atol=1e-6)


def test_the_network_gives_what_plain_layers_give() -> None:
    """The same layers without anything done in place: 1e-4 is what indexing allows itself."""
    made, pictures = network().eval(), torch.rand(3, 3, 64, 64)
    kept = pictures.clone()
    hidden = made.stem(pictures).clamp(0, 6)
    for block in made.blocks:
        wide = hidden if block.expand is None else block.expand(hidden).clamp(0, 6)
        narrow = block.project(block.depthwise(wide).clamp(0, 6))
        hidden = narrow + hidden if block.keeps_shape else narrow
    wanted = made.head(hidden).clamp(0, 6).flatten(2).transpose(1, 2)
    with torch.no_grad():
        found = made(pictures)
    torch.testing.assert_close(found, wanted.detach(), rtol=0, atol=1e-4)
    assert torch.equal(pictures, kept)
