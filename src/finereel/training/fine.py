"""The fine-grained loss: each clip's caption against its own negatives.

    total = contrastive + weight * mean over clips of -log p(own caption),  p = softmax of the
    clip's N fine scores

Source: Chen et al. 2024 (arXiv 2410.12407), weight 0.2, 15 negatives, the fused score times CLIP's
temperature as logits; no margin. Options: focal factor and label smoothing of FSC-CLIP (Oh et al.
2024), which keep a model from spending itself on negatives it can tell already: p' = smoothed
truth, loss = -sum p' * (1 - p) ** focal * log p.

A model can lower this loss without the clip, by learning how negatives are written. `other_clip`
scores the same texts against another clip of the batch as well, see OTHER_CLIP.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from finereel.config import LATER, fingerprint
from finereel.errors import ConfigError, DataError, unknown_name
from finereel.finegrain.types import Negative
from finereel.text import BaseTokenizer
from finereel.training.batch import CandidateCaptions

NegativesOf = Callable[[str, str], Sequence[str]]
"""The negatives of a caption, by video id and text."""
_EXAMPLES = 3


@dataclass(frozen=True)
class FineLoss:
    """Settings of the fine-grained loss.

    Attributes:
        weight: Weight beside the contrastive loss, in batches that have candidates.
        focal: Exponent of (1 - p); 0 for none.
        smoothing: Share of the truth that is spread over all candidates; 0 for none.
        other_clip: What the scores of the same texts against another clip do, a key of OTHER_CLIP.
    """

    weight: float = 0.2
    focal: float = 0.0
    smoothing: float = 0.0
    other_clip: str = field(default="ignored", metadata=LATER)

    def __post_init__(self) -> None:
        if self.weight < 0 or self.focal < 0 or not 0 <= self.smoothing < 1:
            raise ConfigError(
                f"expected weight >= 0, focal >= 0 and 0 <= smoothing < 1, got {self.weight}, "
                f"{self.focal} and "
                f"{self.smoothing}"
            )
        if self.other_clip not in OTHER_CLIP:
            raise unknown_name("other_clip", self.other_clip, OTHER_CLIP)

    @property
    def reads_other_clip(self) -> bool:
        """Whether the loss needs the scores of the same texts against another clip."""
        return self.other_clip != "ignored"


def fine_loss(
    logits: Float[Tensor, "B N"],
    real: Bool[Tensor, "B N"],
    settings: FineLoss,
    other: Float[Tensor, "B N"] | None = None,
) -> Float[Tensor, ""]:
    """Compute the loss, a mean over clips.

    Args:
        logits: (B, N) scores of each clip's candidates; column 0 is the truth.
        real: (B, N), False on columns that take no part.
        settings: The settings.
        other: (B, N) scores of the same texts against another clip, for settings that read them.

    Returns:
        The loss, without its weight.

    Example:
        >>> logits, real = torch.zeros(2, 4), torch.ones(2, 4, dtype=torch.bool)
        >>> round(float(fine_loss(logits, real, FineLoss())), 4)  # ln 4
        1.3863
    """
    if other is None:
        return _own_clip_loss(logits, real, settings)
    return OTHER_CLIP[settings.other_clip](logits, other, real, settings)


def _own_clip_loss(logits: Tensor, real: Tensor, settings: FineLoss) -> Float[Tensor, ""]:
    log_p = logits.masked_fill(~real, float("-inf")).log_softmax(1).masked_fill(~real, 0.0)
    truth = torch.zeros_like(logits)
    truth[:, 0] = 1 - settings.smoothing
    truth = truth + settings.smoothing * real.to(logits) / real.sum(1, keepdim=True)
    unsure = (1 - log_p.exp()).clamp(min=1e-6) ** settings.focal if settings.focal else 1.0
    return -(truth * unsure * log_p).sum(1).mean()


# What the scores of the same texts against another clip do.
def _ignored(own: Tensor, other: Tensor, real: Tensor, settings: FineLoss) -> Tensor:
    return _own_clip_loss(own, real, settings)


def _uniform(own: Tensor, other: Tensor, real: Tensor, settings: FineLoss) -> Tensor:
    """Plus the divergence of the other clip's softmax from the uniform one over real candidates."""
    log_p = other.masked_fill(~real, float("-inf")).log_softmax(1).masked_fill(~real, 0.0)
    count = real.sum(1)
    divergence = -log_p.sum(1) / count - count.log()
    return _own_clip_loss(own, real, settings) + divergence.mean()


def _subtracted(own: Tensor, other: Tensor, real: Tensor, settings: FineLoss) -> Tensor:
    return _own_clip_loss(own - other, real, settings)


def _evidence(own: Tensor, other: Tensor, real: Tensor, settings: FineLoss) -> Tensor:
    """Only negatives that the own clip keeps further from the caption than the other clip does."""
    nearer = (own[:, :1] - own) > (other[:, :1] - other)
    nearer[:, 0] = True
    return _own_clip_loss(own, real & nearer, settings)


OTHER_CLIP: Mapping[str, Callable[[Tensor, Tensor, Tensor, FineLoss], Tensor]] = {
    "ignored": _ignored,
    "uniform": _uniform,
    "subtracted": _subtracted,
    "evidence": _evidence,
}
"""ignored: nothing, as published. uniform: against another clip all candidates shall score alike,
a second term of the loss. subtracted: they are taken from the own clip's scores, so that what a
text scores against any clip cancels. evidence: only negatives that the own clip keeps further from
the caption than the other clip does take part.
"""


@dataclass(frozen=True)
class NegativeTexts:
    """Negatives by the video and the text of their caption; a `NegativesOf`."""

    texts: Mapping[tuple[str, str], tuple[str, ...]]

    def __call__(self, video_id: str, caption: str) -> Sequence[str]:
        return self.texts.get((video_id, caption.strip()), ())

    @property
    def hash(self) -> str:
        """16 hex characters over all of them: other negatives make another run."""
        return fingerprint(
            *(part for key, texts in sorted(self.texts.items()) for part in (*key, *texts))
        )

    def require(self, captions: Iterable[tuple[str, str]]) -> int:
        """How many of these (video id, text) have negatives; DataError where none has, so that a
        wrong file shows.
        """
        asked = [(video, text.strip()) for video, text in captions]
        found = sum(key in self.texts for key in asked)
        if not found:
            raise DataError(
                "no training caption has negatives in this file: it speaks of "
                f"{list(self.texts)[:_EXAMPLES]}, the "
                f"training captions are {asked[:_EXAMPLES]}. Make negatives of the captions that "
                "are trained on"
            )
        return found


def texts_of(rows: Iterable[Negative]) -> NegativeTexts:
    """Rows gathered by caption, each negative once."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        found.setdefault((row.video_id, row.caption.strip()), {})[row.negative] = None
    return NegativeTexts({key: tuple(texts) for key, texts in found.items()})


def candidates(
    captions: Sequence[str],
    negatives: Sequence[Sequence[str]],
    count: int,
    tokenizer: BaseTokenizer,
    max_words: int,
    rng: np.random.Generator,
) -> CandidateCaptions:
    """Each caption and `count` of its negatives, drawn without repetition; cut to the
    longest text.
    """
    texts: list[str] = []
    real = np.zeros((len(captions), count + 1), dtype=bool)
    for row, (caption, known) in enumerate(zip(captions, negatives, strict=True)):
        drawn = [known[number] for number in rng.permutation(len(known))[:count]]
        real[row, : 1 + len(drawn)] = True
        texts += [caption, *drawn, *[caption] * (count - len(drawn))]
    tokens = tokenizer.encode(texts, max_words)
    longest = int(tokens.mask.sum(1).max())
    ids, mask = (
        torch.from_numpy(tokens.ids[:, :longest]),
        torch.from_numpy(tokens.mask[:, :longest]),
    )
    shape = (len(captions), count + 1, longest)
    ids, mask, told = ids.reshape(shape), mask.reshape(shape), torch.from_numpy(real)
    told[:, 1:] &= (ids[:, 1:] != ids[:, :1]).any(
        2
    )  # the change may lie behind the last word that is read
    return CandidateCaptions(ids, mask, told)
