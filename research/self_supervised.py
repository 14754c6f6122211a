"""A stage before alignment that reads no text: predict masked patches, or the order of frames, from
precomputed tokens.

`masked_patches`: places of the grid are masked in all frames of a clip, and a small decoder, thrown
away afterwards, predicts their tokens from the adapted tokens of all other places (masked
autoencoding: He et al., CVPR 2022; tubes: Tong et al., NeurIPS 2022). It trains the adapter.
`frame_order`: the frames of a clip are shuffled, and the temporal encoder says of each where it stood
(order prediction: Xu et al., CVPR 2019). It trains the adapter and the temporal encoder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, layer_norm

from finereel.data.base import ClipSource
from finereel.errors import ConfigError
from finereel.io.atomic import replace_folder, writes
from finereel.models.encoders.features import FeatureEncoder
from finereel.models.encoders.geometry import TextGeometry
from finereel.models.encoders.towers import TransformerBlock
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load, save

_HEAD_WIDTH = 64


@dataclass(frozen=True)
class SelfSupervision:
    """What is predicted, in how many steps of how many clips, and the share of places masked."""

    kind: str
    steps: int = 200
    batch_size: int = 128
    lr: float = 1e-3
    masked: float = 0.6

    def __post_init__(self) -> None:
        if self.kind not in TASKS:
            raise ConfigError(f"kind must be one of {', '.join(TASKS)}, got {self.kind!r}")
        if not 0 < self.masked < 1 or self.steps < 1 or self.batch_size < 1:
            raise ConfigError(
                "expected 0 < masked < 1, steps and batch_size of at least 1, got "
                f"{self.masked}, {self.steps} and {self.batch_size}"
            )


class MaskedPatches(nn.Module):
    """Two blocks over the patches of a clip, masked ones as one learned vector, and what they
    predict.
    """

    def __init__(self, model: RetrievalModel, settings: SelfSupervision) -> None:
        super().__init__()
        assert isinstance(model.encoder, FeatureEncoder)
        geometry, dim = model.encoder.geometry, model.dim
        self.encoder, self.share = model.encoder, settings.masked
        heads = dim // _HEAD_WIDTH if dim % _HEAD_WIDTH == 0 else 1
        shape = TextGeometry(hidden_size=dim, intermediate_size=4 * dim, num_attention_heads=heads)
        self.blank = nn.Parameter(torch.zeros(dim))
        self.places = nn.Parameter(0.02 * torch.randn(geometry.tokens_per_frame - 1, dim))
        self.frames = nn.Parameter(0.02 * torch.randn(model.num_frames, 1, dim))
        self.blocks = nn.ModuleList(TransformerBlock(shape) for _ in range(2))
        self.predict = nn.Linear(dim, geometry.token_dim)

    def forward(
        self, tokens: Float[Tensor, "V F N E"], mask: Bool[Tensor, "V F"], rng: np.random.Generator
    ) -> Tensor:
        """Mean squared error at the masked places of real frames, of tokens with mean 0 and
        variance 1.
        """
        V, F, N, _ = tokens.shape
        hidden = torch.from_numpy(hidden_places(V, N - 1, self.share, rng))[:, None]
        adapted = self.encoder.encode_frames(tokens, mask)[:, :, 1:]  # the own token knows them all
        given = torch.where(hidden[..., None], self.blank, adapted) + self.places + self.frames[:F]
        seen = given.flatten(1, 2)
        real = mask.repeat_interleave(N - 1, 1)
        bias = torch.zeros(real.shape).masked_fill(~real, -1e6)[:, None, None]
        for block in self.blocks:
            seen = block(seen, bias)
        found = self.predict(seen).view(V, F, N - 1, -1)
        wanted = layer_norm(tokens[:, :, 1:], tokens.shape[-1:])
        asked = hidden & mask[..., None]
        loss: Tensor = (found - wanted).square()[asked].mean()
        return loss


class FrameOrder(nn.Module):
    """A linear map of contextual frames to the places they came from."""

    def __init__(self, model: RetrievalModel, settings: SelfSupervision) -> None:
        super().__init__()
        self.encoder, self.temporal = model.encoder, model.temporal
        self.place = nn.Linear(model.dim, model.num_frames)

    def forward(
        self, tokens: Float[Tensor, "V F N E"], mask: Bool[Tensor, "V F"], rng: np.random.Generator
    ) -> Tensor:
        """Cross-entropy of the place of every real frame, ln F where nothing is known."""
        V, F = mask.shape
        order = torch.from_numpy(rng.permuted(np.tile(np.arange(F), (V, 1)), axis=1))
        rows = torch.arange(V)[:, None]
        own = self.encoder.encode_frames(tokens, mask)[:, :, 0][rows, order]
        real = mask[rows, order]
        logits = self.place(self.temporal(own, real))
        return cross_entropy(logits[real], order[real])


TASKS: dict[str, Callable[[RetrievalModel, SelfSupervision], nn.Module]] = {
    "masked_patches": MaskedPatches,
    "frame_order": FrameOrder,
}


def hidden_places(
    clips: int, places: int, share: float, rng: np.random.Generator
) -> Bool[np.ndarray, "V M"]:
    """As many places of every clip, at least one hidden and one seen.

    >>> hidden_places(3, 10, 0.6, np.random.default_rng(0)).sum(1).tolist()
    [6, 6, 6]
    """
    count = min(max(1, round(share * places)), places - 1)
    ranks: Any = rng.random((clips, places)).argsort(1).argsort(1)
    return np.asarray(ranks < count)


@writes("folder")
def pretrained(
    model: RetrievalModel,
    videos: dict[str, tuple[str, ...]],
    source: ClipSource,
    settings: SelfSupervision,
    folder: Path,
    seed: int = 0,
) -> RetrievalModel:
    """The model after the stage, trained once and then read from `folder`; its card says the loss
    on held-out videos before and after.

    videos: ids of `train` and `val`. ConfigError for a model that does not take precomputed tokens.
    """
    if not isinstance(model.encoder, FeatureEncoder):
        raise ConfigError(
            "the self-supervised stage trains an adapter of precomputed tokens: take a benchmark "
            "whose towers start from scratch"
        )
    if not folder.is_dir():
        model.card = {
            **model.card,
            "self_supervised": pretrain(model, videos, source, settings, seed),
        }
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replace_folder(folder, keep_existing=True) as fresh:
            save(model, fresh)
    return load(folder)


def pretrain(
    model: RetrievalModel,
    videos: dict[str, tuple[str, ...]],
    source: ClipSource,
    settings: SelfSupervision,
    seed: int = 0,
) -> dict[str, Any]:
    """Train `model` in place; what was predicted and the held-out loss before and after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        task = TASKS[settings.kind](model, settings)
        before = held_out_loss(task, videos["val"], source)
        optimizer = torch.optim.AdamW(task.parameters(), lr=settings.lr, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.lr, total_steps=settings.steps + 1, pct_start=0.1
        )
        rng = np.random.default_rng(seed)
        size = min(settings.batch_size, len(videos["train"]))
        for _ in range(settings.steps):
            chosen = rng.choice(len(videos["train"]), size, replace=False)
            task.train()
            optimizer.zero_grad()
            loss = _loss(task, [videos["train"][place] for place in chosen], source, rng)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(task.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        after = held_out_loss(task, videos["val"], source)
    model.eval()
    return {"kind": settings.kind, "steps": settings.steps, "before": before, "after": after}


@torch.no_grad()
def held_out_loss(task: nn.Module, videos: tuple[str, ...], source: ClipSource) -> float:
    """The loss on videos, with the same masks or orders at every call."""
    task.eval()
    return float(_loss(task, list(videos), source, np.random.default_rng(0)))


def _loss(
    task: nn.Module, videos: list[str], source: ClipSource, rng: np.random.Generator
) -> Tensor:
    clips = source.read(videos)
    loss: Tensor = task(torch.from_numpy(clips.frames), torch.from_numpy(clips.frame_mask), rng)
    return loss
