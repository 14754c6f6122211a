"""EfficientNet-Lite0: pictures do not depend on one another, weights lie as convolutions want
them.
"""

import torch

from finereel.models.encoders.efficientnet import EfficientNetGeometry, EfficientNetLite


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
