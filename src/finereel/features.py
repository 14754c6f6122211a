"""Tensor nouns: what encoders give and heads take. Axis legend in `finereel.types`.

Invariants: features are *raw* (not L2-normalised) except `VideoFeatures.video`, which is a unit vector; masks are True
on real entries; what stands under a False mask is undefined and must never change a score.
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
    """T texts: the sentence vector, one vector per token, and which tokens are words of the text (not padding)."""

    sentence: Float[Tensor, "T D"]
    words: Float[Tensor, "T W D"]
    word_mask: Bool[Tensor, "T W"]

    def __post_init__(self) -> None:
        if self.words.shape[:2] != self.word_mask.shape or len(self.sentence) != len(self.words):
            raise ValueError(
                f"text features disagree: {self.sentence.shape=}, {self.words.shape=}, {self.word_mask.shape=}"
            )

    def __len__(self) -> int:
        return len(self.sentence)

    @property
    def coarse(self) -> "TextFeatures":
        """What the retrieval score reads."""
        return self

    @property
    def fine(self) -> "TextFeatures":
        """What the fine-grained score reads; the same, unless prompts see to more."""
        return self

    def rows(self, index: slice | Tensor) -> "TextFeatures":
        """The texts at `index`, in that order."""
        return _mapped(self, lambda tensor: tensor[index])

    def to(self, target: torch.device | torch.dtype) -> "TextFeatures":
        """On another device, or (floats only) of another precision."""
        return _mapped(self, lambda tensor: _move(tensor, target))


@dataclass(frozen=True)
class VideoFeatures:
    """V clips: the unit video vector, one vector per frame, P selected patch vectors, and their masks.

    contextual: frames as the temporal encoder leaves them, C = F, for heads that read them; C = 0 otherwise. P = 0
    where the head reads no patches.
    """

    video: Float[Tensor, "V D"]
    frames: Float[Tensor, "V F D"]
    patches: Float[Tensor, "V P D"]
    frame_mask: Bool[Tensor, "V F"]
    patch_mask: Bool[Tensor, "V P"]
    contextual: Float[Tensor, "V C D"] = field(default_factory=lambda: torch.empty(0, 0, 0))

    def __post_init__(self) -> None:
        if len(self.contextual) != len(self.frames):  # not given
            object.__setattr__(self, "contextual", self.frames[:, :0])
        if self.frames.shape[:2] != self.frame_mask.shape or self.patches.shape[:2] != self.patch_mask.shape:
            raise ValueError(
                f"masks disagree with features: {self.frames.shape=}, {self.frame_mask.shape=}, "
                f"{self.patches.shape=}, {self.patch_mask.shape=}"
            )

    def __len__(self) -> int:
        return len(self.video)

    @property
    def coarse(self) -> "VideoFeatures":
        """What the retrieval score reads."""
        return self

    @property
    def fine(self) -> "VideoFeatures":
        """What the fine-grained score reads; the same, unless prompts see to more."""
        return self

    def rows(self, index: slice | Tensor) -> "VideoFeatures":
        """The clips at `index`, in that order."""
        return _mapped(self, lambda tensor: tensor[index])

    def to(self, target: torch.device | torch.dtype) -> "VideoFeatures":
        """On another device, or (floats only) of another precision."""
        return _mapped(self, lambda tensor: _move(tensor, target))


@dataclass(frozen=True)
class PromptedText(TextFeatures):
    """Texts encoded twice: plainly, and with textual prompts before the words."""

    fine_sentence: Float[Tensor, "T D"] = field(default_factory=lambda: torch.empty(0, 0))
    fine_words: Float[Tensor, "T W D"] = field(default_factory=lambda: torch.empty(0, 0, 0))

    @property
    def coarse(self) -> TextFeatures:
        """Without the prompts."""
        return TextFeatures(self.sentence, self.words, self.word_mask)

    @property
    def fine(self) -> TextFeatures:
        """With the prompts."""
        return TextFeatures(self.fine_sentence, self.fine_words, self.word_mask)


@dataclass(frozen=True)
class PromptedVideo(VideoFeatures):
    """Clips that also carry what the visual prompt saw, in the place of every frame's own token."""

    fine_video: Float[Tensor, "V D"] = field(default_factory=lambda: torch.empty(0, 0))
    fine_frames: Float[Tensor, "V F D"] = field(default_factory=lambda: torch.empty(0, 0, 0))
    fine_patches: Float[Tensor, "V P D"] = field(default_factory=lambda: torch.empty(0, 0, 0))
    fine_contextual: Float[Tensor, "V C D"] = field(default_factory=lambda: torch.empty(0, 0, 0))

    @classmethod
    def of(cls, coarse: VideoFeatures, fine: VideoFeatures) -> "PromptedVideo":
        """Both views of the same clips as one noun."""
        plain = {part.name: getattr(coarse, part.name) for part in fields(VideoFeatures)}
        own = {f"fine_{name}": getattr(fine, name) for name in ("video", "frames", "patches", "contextual")}
        return cls(**plain, **own)

    @property
    def coarse(self) -> VideoFeatures:
        """Every frame by its own token."""
        return VideoFeatures(*(getattr(self, part.name) for part in fields(VideoFeatures)))

    @property
    def fine(self) -> VideoFeatures:
        """Every frame by its prompt."""
        masks = (self.frame_mask, self.patch_mask)
        return VideoFeatures(self.fine_video, self.fine_frames, self.fine_patches, *masks, self.fine_contextual)


Batch = TypeVar("Batch", TextFeatures, VideoFeatures)


def _mapped(batch: Batch, function: Callable[[Tensor], Tensor]) -> Batch:
    """Every tensor of a batch through `function`; all of them have the batch on axis 0."""
    return type(batch)(*(function(getattr(batch, field.name)) for field in fields(batch)))


def _move(tensor: Tensor, target: torch.device | torch.dtype) -> Tensor:
    if isinstance(target, torch.dtype) and not tensor.is_floating_point():
        return tensor
    return tensor.to(target)


def widened(text: TextFeatures, width: int) -> TextFeatures:
    """The texts with padding, zeros under a False mask, up to `width` tokens."""
    missing = width - text.words.shape[1]
    return _mapped(
        text, lambda tensor: tensor if tensor.ndim == 2 and tensor.is_floating_point() else _pad(tensor, missing)
    )


def _pad(tensor: Tensor, missing: int) -> Tensor:
    """Zeros at the end of axis 1."""
    return pad(tensor, (0, 0) * (tensor.ndim - 2) + (0, missing))


def concatenate(batches: list[Batch]) -> Batch:
    """Several batches as one, in order."""
    return type(batches[0])(*(torch.cat([getattr(b, f.name) for b in batches]) for f in fields(batches[0])))


@dataclass(frozen=True)
class Scores:
    """T texts against V clips: one matrix per granularity, and the weight of each in the fused score.

    >>> part = torch.tensor([[1.0, 2.0]])
    >>> Scores({"video_sentence": part, "frame_sentence": part}, {"video_sentence": 0.5, "frame_sentence": 0.5}).fused
    tensor([[1., 2.]])
    """

    parts: Mapping[str, Float[Tensor, "T V"]]
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.parts or set(self.parts) != set(self.weights):
            raise ValueError(f"one weight per granularity: parts {sorted(self.parts)}, weights {sorted(self.weights)}")

    @property
    def fused(self) -> Float[Tensor, "T V"]:
        """Weighted sum over the granularities."""
        return torch.stack([self.parts[name] * weight for name, weight in self.weights.items()]).sum(0)
