"""The fine-grained loss: each clip's caption against its own negatives.

    total = contrastive + weight * mean over clips of -log p(own caption),  p = softmax of the
    clip's N fine scores

Source: Chen et al. 2024 (arXiv 2410.12407), weight 0.2, 15 negatives, the fused score times CLIP's
temperature as logits; no margin. Options: focal factor and label smoothing of FSC-CLIP (Oh et al.
2024), which keep a model from spending itself on negatives it can tell already: p' = smoothed
truth, loss = -sum p' * (1 - p) ** focal * log p.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from finereel.config import fingerprint
from finereel.errors import ConfigError, DataError
from finereel.finegrain.types import Negative
from finereel.text import BaseTokenizer
from finereel.training.batch import CandidateCaptions

NegativesOf = Callable[[str, str], Sequence[str]]
"""The negatives of a caption, by video id and text."""
_EXAMPLES = 3


@dataclass(frozen=True)
class FineLoss:
    """weight: of the fine-grained loss beside the contrastive one, in batches that have candidates.
    focal: exponent of (1 - p), 0 for none. smoothing: share of the truth that is spread over all
    candidates, 0 for none.
    """

    weight: float = 0.2
    focal: float = 0.0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.weight < 0 or self.focal < 0 or not 0 <= self.smoothing < 1:
            raise ConfigError(
                f"expected weight >= 0, focal >= 0 and 0 <= smoothing < 1, got {self.weight}, "
                f"{self.focal} and "
                f"{self.smoothing}"
            )


def fine_loss(
    logits: Float[Tensor, "B N"], real: Bool[Tensor, "B N"], settings: FineLoss
) -> Float[Tensor, ""]:
    """Mean over clips; column 0 is the truth, columns that are not `real` take no part.

    >>> logits, real = torch.zeros(2, 4), torch.ones(2, 4, dtype=torch.bool)
    >>> round(float(fine_loss(logits, real, FineLoss())), 4)  # ln 4
    1.3863
    """
    log_p = logits.masked_fill(~real, float("-inf")).log_softmax(1).masked_fill(~real, 0.0)
    truth = torch.zeros_like(logits)
    truth[:, 0] = 1 - settings.smoothing
    truth = truth + settings.smoothing * real.to(logits) / real.sum(1, keepdim=True)
    unsure = (1 - log_p.exp()).clamp(min=1e-6) ** settings.focal if settings.focal else 1.0
    return -(truth * unsure * log_p).sum(1).mean()


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
