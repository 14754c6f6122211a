"""The stage without text: what it learns, what it leaves alone, and that it is done once."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from research.self_supervised import (
    TASKS,
    SelfSupervision,
    hidden_places,
    pretrain,
    pretrained,
)

from finereel.config import ModelConfig
from finereel.data.base import ClipArrays
from finereel.errors import ConfigError
from finereel.models.encoders.features import FeatureEncoder, FeatureGeometry
from finereel.models.retrieval import RetrievalModel
from tiny_models import tiny_model

FRAMES, PLACES, WIDTH = 3, 8, 6
VIDEOS = {"train": tuple(map(str, range(40))), "val": tuple(map(str, range(40, 60)))}
every_task = pytest.mark.parametrize("kind", TASKS)


@dataclass(frozen=True)
class Slopes:
    """Clips whose patches are all alike but for a little noise, and whose frames rise along one
    axis: masked patches and the order of frames can both be known. Every third lacks a frame, which
    holds poison.
    """

    def read(self, videos: list[str]) -> ClipArrays:
        frames = np.zeros((len(videos), FRAMES, PLACES + 1, WIDTH), np.float32)
        mask = np.ones((len(videos), FRAMES), dtype=bool)
        for row, video in enumerate(videos):
            rng = np.random.default_rng(int(video))
            frames[row] = rng.normal(size=WIDTH) + 0.1 * rng.normal(size=frames.shape[1:])
            frames[row, :, :, 0] += 3 * np.arange(FRAMES)[:, None]
            if int(video) % 3 == 0:
                mask[row, -1] = False
                frames[row, -1] = 1e4
        return ClipArrays(frames, mask)


def model() -> RetrievalModel:
    torch.manual_seed(0)
    geometry = FeatureGeometry(
        dim=8, token_dim=WIDTH, tokens_per_frame=PLACES + 1, vocab_size=50, text_width=64
    )
    config = ModelConfig(
        max_words=6, max_frames=FRAMES, shifted_blocks=(), temporal_layers=1, patches_per_frame=2
    )
    return RetrievalModel(FeatureEncoder(geometry), config)


def settings(kind: str, steps: int = 60) -> SelfSupervision:
    return SelfSupervision(kind, steps=steps, batch_size=20, lr=1e-2)


@every_task
def test_the_loss_on_other_videos_falls_and_the_text_side_does_not_move(kind: str) -> None:
    made, start = model(), model().state_dict()
    told = pretrain(made, VIDEOS, Slopes(), settings(kind))
    assert (told["kind"], told["steps"]) == (kind, 60)
    assert told["after"] < 0.6 * told["before"]
    moved = {
        name.split(".")[0] if name.startswith("temporal") else ".".join(name.split(".")[:2])
        for name, tensor in made.state_dict().items()
        if not torch.equal(tensor, start[name])
    }
    trained = {"encoder.adapter"} | ({"temporal"} if kind == "frame_order" else set())
    assert moved == trained


@every_task
def test_every_parameter_of_the_task_learns_and_padding_is_not_asked(kind: str) -> None:
    torch.manual_seed(0)
    task = TASKS[kind](model(), settings(kind))
    clips = Slopes().read(list(VIDEOS["val"]))
    frames, mask = torch.from_numpy(clips.frames), torch.from_numpy(clips.frame_mask)
    with torch.no_grad():  # blank and places start near zero, where two blocks hardly see them
        for parameter in task.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    task.eval()
    loss = task(frames, mask, np.random.default_rng(0))
    loss.backward()
    learned = {name for name, parameter in task.named_parameters() if "encoder." not in name}
    for name in learned | {"encoder.adapter.linear.weight"}:
        if not name.endswith("k_proj.bias") and "positions" not in name:
            assert task.get_parameter(name).grad.abs().max() > 0, name
    padded = ~mask[..., None, None]
    with torch.no_grad():
        poison = 50 * torch.randn_like(frames)  # not all alike: LayerNorm makes zeros of those
        other = task(torch.where(padded, poison, frames), mask, np.random.default_rng(0))
    torch.testing.assert_close(other, loss.detach())


@every_task
def test_the_same_seed_gives_the_same_weights(kind: str) -> None:
    made = []
    for seed in (0, 0, 1):
        found = model()
        pretrain(found, VIDEOS, Slopes(), settings(kind, steps=3), seed)
        made.append(found.encoder.adapter.linear.weight.detach())
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_it_is_done_once_and_its_card_says_what_came_of_it(tmp_path: Path) -> None:
    given = settings("masked_patches", steps=3)
    first = pretrained(model(), VIDEOS, Slopes(), given, tmp_path / "stage")
    written = (tmp_path / "stage" / "model.safetensors").stat().st_mtime_ns
    again = pretrained(model(), VIDEOS, Slopes(), given, tmp_path / "stage")
    assert (tmp_path / "stage" / "model.safetensors").stat().st_mtime_ns == written
    assert again.fingerprint == first.fingerprint
    assert set(again.card["self_supervised"]) == {"kind", "steps", "before", "after"}


def test_places_are_hidden_by_clip_and_some_are_always_seen() -> None:
    rng = np.random.default_rng(0)
    hidden = hidden_places(50, 10, 0.6, rng)
    assert set(hidden.sum(1)) == {6}
    assert 20 < hidden.sum(0).min() <= hidden.sum(0).max() < 40
    assert hidden_places(3, 2, 0.99, rng).sum() == hidden_places(3, 2, 0.01, rng).sum() == 3


def test_what_cannot_be_done_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="masked_patches, frame_order, got 'colours'"):
        SelfSupervision("colours")
    with pytest.raises(ConfigError, match="0 < masked < 1"):
        SelfSupervision("frame_order", masked=1.0)
    with pytest.raises(ConfigError, match="towers start from scratch"):
        pretrained(tiny_model(), VIDEOS, Slopes(), settings("frame_order"), tmp_path / "stage")
