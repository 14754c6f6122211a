"""The published training step: loss, scores and gradients, from arrays that travel with the
project.

The whole network against the fixtures is `tests/models/published/test_published.py`; here the head,
the loss and what follows them.
"""

from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from finereel.config import ModelConfig
from finereel.models import published as official
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.heads import make_head
from finereel.training.caching import Rows, cached_backward
from finereel.training.learner import symmetric_infonce
from places import FIXTURES, GOLDEN

DERIVED = GOLDEN / "ucofia_training.npz"
needs_fixtures = pytest.mark.fixtures


def gap(found: Tensor, published: Any) -> float:
    """Largest difference relative to the largest published entry."""
    given = np.asarray(published, np.float64)
    assert tuple(found.shape) == given.shape
    return float(np.abs(found.detach().double().numpy() - given).max() / np.abs(given).max())


def test_published_loss_and_gradients_of_the_head() -> None:
    given = np.load(DERIVED)
    tensors = {
        name.removeprefix("features/"): torch.from_numpy(given[name])
        for name in given
        if "features/" in name
    }
    head = make_head(
        ModelConfig(max_words=12, max_frames=6, patch_units="inner_product", mask_padding=False),
        128,
    )
    ours = {name: place.removeprefix("head.") for name, place in official.ucofia.MATRICES.items()}
    head.load_state_dict(
        {place: torch.from_numpy(given[f"weight/{name}"]) for name, place in ours.items()}
    )
    learned = {
        name: torch.from_numpy(given[f"weight/clip.{name}"])
        for name in ("logit_scale", "text_projection")
    }
    projection, logit_scale = (
        learned[name].requires_grad_() for name in ("text_projection", "logit_scale")
    )

    words = tensors["hidden"] @ projection
    ends = tensors["input_ids"].argmax(-1)
    text = TextFeatures(words[torch.arange(len(words)), ends], words, tensors["word_mask"])
    patch_mask = tensors["frame_mask"].repeat_interleave(4, 1)
    video = VideoFeatures(
        tensors["video"], tensors["frames"], tensors["patches"], tensors["frame_mask"], patch_mask
    )
    scores = head.score(text, video, logit_scale.exp()).fused
    loss = symmetric_infonce(scores)
    loss.backward()

    assert gap(scores, given["sim_matrix"]) < 1e-5
    assert gap(loss, given["loss"]) < 1e-5
    assert (
        gap(
            (torch.from_numpy(given["loss_t2v"]) + torch.from_numpy(given["loss_v2t"])) / 2,
            given["loss"],
        )
        < 1e-6
    )
    gradients = {name: head.get_parameter(place).grad for name, place in ours.items()}
    gradients |= {f"clip.{name}": tensor.grad for name, tensor in learned.items()}
    found = {name: gap(gradient, given[f"grad/{name}"]) for name, gradient in gradients.items()}
    assert {name: value for name, value in found.items() if value > 1e-4} == {}
    assert len(found) == 11


@needs_fixtures
@pytest.mark.parametrize("chunk", [0, 3])
def test_published_training_step_by_chunks(chunk: int) -> None:
    """The whole network: towers in chunks, one loss, the norm over all parameters."""
    given, inputs = (
        np.load(FIXTURES / "ucofia_trainloss_soft.npz"),
        np.load(FIXTURES / "inputs_train.npz"),
    )
    names = ("input_ids", "input_mask", "video", "video_mask")
    ids, words, pixels, frames = (torch.from_numpy(inputs[name][:, 0]) for name in names)
    noise = torch.from_numpy(given["noise"]).unflatten(0, tuple(frames.shape))
    state = load_file(FIXTURES / "ucofia_train_soft.safetensors")
    model = official.load("ucofia", state, variant="train").model.train()
    texts = Rows(lambda some: model.text_features(ids[some], words[some].bool()), len(ids))
    videos = Rows(
        lambda some: model.video_features(
            pixels[some, :, 0], frames[some].bool(), noise[some].flatten(0, 1)
        ),
        len(ids),
    )
    loss = cached_backward(
        texts, videos, chunk, lambda text, video: symmetric_infonce(model.score(text, video).fused)
    )
    assert gap(loss, given["loss"]) < 1e-5
    gradients = [
        parameter.grad.double() for parameter in model.parameters() if parameter.grad is not None
    ]
    assert (
        gap(
            torch.stack([gradient.norm() for gradient in gradients]).norm(),
            given["total_grad_norm"],
        )
        < 1e-4
    )
    for table in (
        official.ucofia.MATRICES,
        official.geometry.SELECTOR,
        official.geometry.FRAME_POSITIONS,
    ):
        for name, ours in table.items():
            assert gap(model.get_parameter(ours).grad, given[f"grad/{name}"]) < 1e-4, name


@needs_fixtures
def test_the_arrays_are_the_fixture() -> None:
    ours, fixture = np.load(DERIVED), np.load(FIXTURES / "ucofia_trainloss_soft.npz")
    state = load_file(FIXTURES / "ucofia_train_soft.safetensors")
    for name in ours:
        if name.startswith("weight/"):
            assert np.array_equal(ours[name], state[name.removeprefix("weight/")].numpy()), name
        elif not name.startswith("features/"):
            assert np.array_equal(ours[name], fixture[name]), name
