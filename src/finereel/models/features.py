"""The tensors that encoders return and heads take. `finereel.types` explains the axis names.

Features are raw (not L2-normalised), except for `VideoFeatures.video`, which holds unit vectors.
Masks are True on real entries. Values under a False mask are undefined and must never change a
score.
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
    """Features of T texts.

    Attributes:
        sentence: (T, D), one vector per text.
        words: (T, W, D), one vector per token.
        word_mask: (T, W), True on tokens of the text, False on padding.
        fine: The same texts with textual prompts, used by the fine-grained score; None if the model
            has no such prompts.

    Raises:
        ValueError: If the shapes disagree.
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
        """Select texts.

        Args:
            index: A slice, or indices or a mask over T.

        Returns:
            The selected texts, in that order.
        """
        return _mapped(self, lambda tensor: tensor[index])

    def to(self, target: torch.device | torch.dtype) -> "TextFeatures":
        """Move to another device or convert to another precision.

        Args:
            target: A device, or a dtype, which applies to floating-point tensors only.

        Returns:
            The converted features.
        """
        return _mapped(self, lambda tensor: _move(tensor, target))


@dataclass(frozen=True)
class VideoFeatures:
    """Features of V clips.

    Attributes:
        video: (V, D), one unit vector per clip.
        frames: (V, F, D), one vector per frame.
        patches: (V, P, D), vectors of the selected patches; P = 0 if the head reads no patches.
        frame_mask: (V, F), True on real frames.
        patch_mask: (V, P), True on patches of real frames.
        contextual: (V, C, D), the frames after the temporal encoder; C = F for heads that read
            them, otherwise 0.
        fine: The same clips with a visual prompt in the place of each frame's own token, used by
            the fine-grained score; None if the model has no such prompts.

    Raises:
        ValueError: If the shapes disagree.
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
        """Select clips.

        Args:
            index: A slice, or indices or a mask over V.

        Returns:
            The selected clips, in that order.
        """
        return _mapped(self, lambda tensor: tensor[index])

    def to(self, target: torch.device | torch.dtype) -> "VideoFeatures":
        """Move to another device or convert to another precision.

        Args:
            target: A device, or a dtype, which applies to floating-point tensors only.

        Returns:
            The converted features.
        """
        return _mapped(self, lambda tensor: _move(tensor, target))


@dataclass(frozen=True)
class StoredFeatures(VideoFeatures):
    """Features of V clips as a library keeps them and a head reads them.

    `finereel.models.heads.base.Head.stored` makes them. `frames` are unit vectors; `patches` and
    `contextual` are, except where the head names them in `raw`. Where the head masks padding,
    tokens under a False mask are zeros. Scoring does not prepare them again.
    """


Batch = TypeVar("Batch", TextFeatures, VideoFeatures)


def tensors_of(features: TextFeatures | VideoFeatures) -> dict[str, Tensor]:
    """Return every tensor by name; those of the fine features are named `fine.words` and so on.

    Args:
        features: Features of texts or clips.

    Returns:
        Tensors by name.

    Example:
        >>> mask = torch.ones(1, 3, dtype=torch.bool)
        >>> text = TextFeatures(torch.zeros(1, 2), torch.zeros(1, 3, 2), mask)
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
    """Build features from their tensors, the inverse of `tensors_of`.

    Args:
        kind: TextFeatures or VideoFeatures.
        tensors: Tensors by name.

    Returns:
        The features.

    Raises:
        KeyError: If a tensor is missing.
    """
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


def in_groups(batch: Batch, groups: int) -> list[Batch]:
    """Divide a batch evenly, in order; gradients of all groups are joined once.

    Args:
        batch: Features whose number `groups` divides.
        groups: How many groups.

    Returns:
        As many batches.

    Example:
        >>> text = TextFeatures(torch.eye(4), torch.zeros(4, 3, 4), torch.ones(4, 3, dtype=torch.bool))
        >>> [len(group) for group in in_groups(text, 2)]
        [2, 2]
    """
    shape = (groups, len(batch) // max(1, groups))
    parts = {
        name: part.reshape(*shape, *part.shape[1:]).unbind()
        for name, part in tensors_of(batch).items()
    }
    return [
        from_tensors(type(batch), {name: part[group] for name, part in parts.items()})
        for group in range(groups)
    ]


def _move(tensor: Tensor, target: torch.device | torch.dtype) -> Tensor:
    if isinstance(target, torch.dtype) and not tensor.is_floating_point():
        return tensor
    return tensor.to(target)


def widened(text: TextFeatures, width: int) -> TextFeatures:
    """Pad texts with masked zeros.

    Args:
        text: Features of T texts of at most `width` tokens.
        width: The number of tokens W afterwards.

    Returns:
        The padded features.
    """
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
    """Join several batches of features into one.

    Args:
        batches: At least one batch; all of the same type.

    Returns:
        The texts or clips of all batches, in order.
    """
    every = [tensors_of(batch) for batch in batches]
    return from_tensors(
        type(batches[0]), {name: torch.cat([each[name] for each in every]) for name in every[0]}
    )


@dataclass(frozen=True)
class Scores:
    """Scores of T texts against V clips.

    Attributes:
        parts: One (T, V) matrix per granularity.
        weights: The weight of each granularity in the fused score.

    Raises:
        ValueError: If `parts` is empty or its names differ from those of `weights`.

    Example:
        >>> part = torch.tensor([[1.0, 2.0]])
        >>> both = {"video_sentence": part, "frame_sentence": part}
        >>> Scores(both, {"video_sentence": 0.5, "frame_sentence": 0.5}).fused
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
        """The weighted sum over the granularities, (T, V)."""
        return torch.stack(
            [self.parts[name] * weight for name, weight in self.weights.items()]
        ).sum(0)
