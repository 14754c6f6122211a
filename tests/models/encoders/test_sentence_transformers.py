"""Objects with `encode`: what a clip is, and what does not encode into one space."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from finereel.errors import ModelError
from finereel.index.protocols import SearchModel
from finereel.models.encoders.sentence_transformers import SentenceTransformerModel
from finereel.types import Frames


class Mean:
    """Length and vowels of a text; mean colours of a picture."""

    def encode(self, inputs: list[Any]) -> Any:
        return np.array(
            [
                [len(one), sum(map(one.count, "aeiou")), 1.0]
                if isinstance(one, str)
                else np.asarray(one).reshape(-1, 3).mean(0)
                for one in inputs
            ]
        )


class Gives:
    """Whatever it is told to."""

    def __init__(self, *given: Any) -> None:
        self.given = list(given)

    def encode(self, inputs: list[Any]) -> Any:
        return self.given.pop(0) if len(self.given) > 1 else self.given[0]


def clip(*colours: tuple[int, int, int]) -> Frames:
    pixels = np.array(colours, np.uint8)[:, None, None].repeat(4, 1).repeat(6, 2)
    return Frames(pixels, np.arange(len(colours), dtype=np.float64))


RED, BLUE, GREY = (250, 0, 0), (0, 0, 250), (90, 90, 90)


def test_a_clip_is_the_mean_of_its_frames() -> None:
    model = SentenceTransformerModel(Mean(), "mean", num_frames=4)
    assert isinstance(model, SearchModel)
    found = model.encode_video([clip(RED, BLUE), clip(GREY)])
    expected = np.array([[0.5**0.5, 0, 0.5**0.5], [3**-0.5] * 3])
    np.testing.assert_allclose(found.video.numpy(), expected, atol=1e-6)
    assert found.frame_mask.tolist() == [[True, True, False, False], [True, False, False, False]]
    alone = model.encode_video([clip(GREY)])
    torch.testing.assert_close(alone.video[0], found.video[1])
    assert model.encode_video([clip(*[RED] * 9, *[BLUE] * 9)]).frame_mask.all()


def test_scores_are_scaled_cosines() -> None:
    model = SentenceTransformerModel(Mean(), "mean")
    text, video = model.encode_text(["aaa", "b"]), model.encode_video([clip(RED), clip(GREY)])
    unit = nn.functional.normalize(torch.tensor([[3.0, 3, 1], [1, 0, 1]]), dim=-1)
    expected = 100 * unit @ torch.tensor([[1.0, 0, 0], [3**-0.5] * 3]).T
    torch.testing.assert_close(model.score(text, video).fused, expected)
    torch.testing.assert_close(model.coarse_query(text) @ video.video.T, expected)
    assert model.encode_text([]).sentence.shape == (0, 3)


def test_tensors_and_lists_of_tensors_are_taken() -> None:
    for given in (torch.ones(1, 2, requires_grad=True), [torch.ones(2)]):
        assert SentenceTransformerModel(Gives(given), "given").dim == 2


def test_name_and_weights_are_the_identity() -> None:
    class Module(nn.Module, Gives):
        def __init__(self, weight: float) -> None:
            nn.Module.__init__(self)
            Gives.__init__(self, np.ones((1, 2)))
            self.weight = nn.Parameter(torch.tensor(weight))

    marks = [SentenceTransformerModel(Mean(), name).fingerprint for name in ("a", "a", "b")]
    marks += [SentenceTransformerModel(Module(weight), "a").fingerprint for weight in (1.0, 2.0)]
    assert marks[0] == marks[1]
    assert len(set(marks)) == 4


@pytest.mark.parametrize(
    "given", [np.ones(3), np.ones((2, 3)), np.ones((1, 0)), np.array([["a"]]), None]
)
def test_what_is_no_vector_for_each_input_is_refused(given: Any) -> None:
    with pytest.raises(ModelError, match="expected 1 vectors"):
        SentenceTransformerModel(Gives(given), "odd")


def test_pictures_must_share_the_space_and_be_finite() -> None:
    narrow = SentenceTransformerModel(Mean(), "odd", pictures=Gives(np.ones((1, 2))))
    with pytest.raises(ModelError, match="expected 1 vectors of 3 numbers"):
        narrow.encode_video([clip(RED)])
    broken = SentenceTransformerModel(Mean(), "odd", pictures=Gives(np.full((1, 3), np.nan)))
    with pytest.raises(ModelError, match="not finite"):
        broken.encode_video([clip(RED)])
    with pytest.raises(ModelError, match="an object with encode"):
        SentenceTransformerModel("clip", "text")  # type: ignore[arg-type]
