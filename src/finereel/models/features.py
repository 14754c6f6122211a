"""The tensors that encoders return and heads take. `finereel.types` explains the axis names.

Invariants: features are *raw* (not L2-normalised) except `VideoFeatures.video`, which is a unit
vector; masks are True on real entries; what stands under a False mask is undefined and must never
change a score.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True)
class TextFeatures:
    """T texts: the sentence vector, one vector per token, and which tokens are words of the text
    (not padding).

    fine: the same texts with textual prompts, read by the fine-grained score; None for a model
    without such prompts.
    """

    sentence: Float[Tensor, "T D"]
    words: Float[Tensor, "T W D"]
    word_mask: Bool[Tensor, "T W"]
    fine: "TextFeatures | None" = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.words.shape[:2] != self.word_mask.shape or len(self.sentence) != len(self.words):
            raise ValueError(
                f"text features disagree: {self.sentence.shape=}, {self.words.shape=}, "
                f"{self.word_mask.shape=}"
            )

    def __len__(self) -> int:
        return len(self.sentence)

    def rows(self, index: slice | Tensor) -> "TextFeatures":
        """The texts at `index`, in that order."""
        return _mapped(self, lambda tensor: tensor[index])

    def to(self, target: torch.device | torch.dtype) -> "TextFeatures":
        """On another device, or (floats only) of another precision."""
        return _mapped(self, lambda tensor: _move(tensor, target))


@dataclass(frozen=True)
class VideoFeatures:
    """V clips: the unit video vector, one vector per frame, P selected patch vectors, and their
    masks.

    contextual: frames as the temporal encoder leaves them, C = F, for heads that read them; C = 0
    otherwise. P = 0 where the head reads no patches. fine: the same clips with every frame's prompt
    in the place of its own token, read by the fine-grained score; None for a model without such
    prompts.
    """

    video: Float[Tensor, "V D"]
    frames: Float[Tensor, "V F D"]
    patches: Float[Tensor, "V P D"]
    frame_mask: Bool[Tensor, "V F"]
    patch_mask: Bool[Tensor, "V P"]
    contextual: Float[Tensor, "V C D"] = field(default_factory=lambda: torch.empty(0, 0, 0))
    fine: "VideoFeatures | None" = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if len(self.contextual) != len(self.frames):  # not given
            object.__setattr__(self, "contextual", self.frames[:, :0])
        if (
            self.frames.shape[:2] != self.frame_mask.shape
            or self.patches.shape[:2] != self.patch_mask.shape
        ):
            raise ValueError(
                f"masks disagree with features: {self.frames.shape=}, {self.frame_mask.shape=}, "
                f"{self.patches.shape=}, {self.patch_mask.shape=}"
            )

    def __len__(self) -> int:
        return len(self.video)

    def rows(self, index: slice | Tensor) -> "VideoFeatures":
        """The clips at `index`, in that order."""
        return _mapped(self, lambda tensor: tensor[index])

    def to(self, target: torch.device | torch.dtype) -> "VideoFeatures":
        """On another device, or (floats only) of another precision."""
        return _mapped(self, lambda tensor: _move(tensor, target))


Batch = TypeVar("Batch", TextFeatures, VideoFeatures)


def tensors_of(features: TextFeatures | VideoFeatures) -> dict[str, Tensor]:
    """Every tensor by name, those of the fine features as `fine.words` and so on.

    >>> text = TextFeatures(torch.zeros(1, 2), torch.zeros(1, 3, 2), torch.ones(1, 3, dtype=torch.bool))
    >>> list(tensors_of(text))
    ['sentence', 'words', 'word_mask']
    """
    found = {
        part.name: getattr(features, part.name) for part in fields(features) if part.name != "fine"
    }
    if features.fine is None:
        return found
    return found | {f"fine.{name}": tensor for name, tensor in tensors_of(features.fine).items()}


def from_tensors(kind: type[Batch], tensors: Mapping[str, Tensor]) -> Batch:
    """The inverse of `tensors_of`. Raises KeyError where a tensor is missing."""
    own = {part.name: tensors[part.name] for part in fields(kind) if part.name != "fine"}
    fine = {
        name.removeprefix("fine."): tensor
        for name, tensor in tensors.items()
        if name.startswith("fine.")
    }
    return kind(**own, fine=from_tensors(kind, fine) if fine else None)


def _mapped(batch: Batch, function: Callable[[Tensor], Tensor]) -> Batch:
    """Every tensor of a batch through `function`; all of them have the batch on axis 0."""
    return from_tensors(
        type(batch), {name: function(tensor) for name, tensor in tensors_of(batch).items()}
    )


def _move(tensor: Tensor, target: torch.device | torch.dtype) -> Tensor:
    if isinstance(target, torch.dtype) and not tensor.is_floating_point():
        return tensor
    return tensor.to(target)


def widened(text: TextFeatures, width: int) -> TextFeatures:
    """The texts with padding, zeros under a False mask, up to `width` tokens."""
    missing = width - text.words.shape[1]
    return _mapped(
        text,
        lambda tensor: (
            tensor if tensor.ndim == 2 and tensor.is_floating_point() else _pad(tensor, missing)
        ),
    )


def _pad(tensor: Tensor, missing: int) -> Tensor:
    """Zeros at the end of axis 1."""
    return pad(tensor, (0, 0) * (tensor.ndim - 2) + (0, missing))


def concatenate(batches: list[Batch]) -> Batch:
    """Several batches as one, in order."""
    every = [tensors_of(batch) for batch in batches]
    return from_tensors(
        type(batches[0]), {name: torch.cat([each[name] for each in every]) for name in every[0]}
    )


@dataclass(frozen=True)
class Scores:
    """T texts against V clips: one matrix per granularity, and the weight of each in the fused
    score.

    >>> part = torch.tensor([[1.0, 2.0]])
    >>> Scores({"video_sentence": part, "frame_sentence": part}, {"video_sentence": 0.5, "frame_sentence": 0.5}).fused
    tensor([[1., 2.]])
    """

    parts: Mapping[str, Float[Tensor, "T V"]]
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.parts or set(self.parts) != set(self.weights):
            raise ValueError(
                f"one weight per granularity: parts {sorted(self.parts)}, weights "
                f"{sorted(self.weights)}"
            )

    @property
    def fused(self) -> Float[Tensor, "T V"]:
        """Weighted sum over the granularities."""
        return torch.stack(
            [self.parts[name] * weight for name, weight in self.weights.items()]
        ).sum(0)
