"""Initialise a model on precomputed tokens with the best linear match of words and clips, computed
in closed form.

Canonical correlation analysis between two views of every training clip: the tokens of all its
captions, weighted by rarity and averaged, and the mean of its frame tokens. The directions become
the vectors of the bag of words and the linear map of the adapter; transformer and head then learn
what is left. On some thousands of clips this start is better than what the same towers learn from
random numbers, and both sides need heavy ridges: most tokens are rare.

Source: Hotelling 1936, ridge as in Hardoon, Szedmak and Shawe-Taylor 2004; powers of the
correlations on one side as in Gong et al., "A multi-view embedding space", IJCV 2014.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from finereel.data.base import ClipSource, Split
from finereel.errors import ConfigError, TrainingError
from finereel.models.encoders.features import BagOfWords, FeatureEncoder, token_weights
from finereel.models.retrieval import RetrievalModel
from finereel.types import OnProgress, no_progress

_CHUNK = 256  # clips
_NOTHING = 1e-3  # a correlation that rounding can make: its directions are noise, blown up


@dataclass(frozen=True)
class ClosedForm:
    """ridge_words, ridge_clips: added to the variances, in multiples of their mean. rarest: tokens
    that stand with fewer clips count for nothing. power: of the correlations, on the clips' side:
    directions that agree more count more. length: of features, as long as CLIP's, so that what is
    added to them later starts small.
    """

    ridge_words: float = 30.0
    ridge_clips: float = 0.1
    rarest: int = 3
    power: float = 1.5
    length: float = 10.0

    def __post_init__(self) -> None:
        for name in ("ridge_words", "ridge_clips", "length"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        if self.rarest < 1 or self.power < 0:
            raise ConfigError(
                f"expected rarest >= 1 and power >= 0, got {self.rarest} and {self.power}"
            )


@dataclass(frozen=True)
class Moments:
    """Means and covariances of two views of the same things, x and y."""

    mean_x: Float[Tensor, " N"]
    mean_y: Float[Tensor, " E"]
    xx: Float[Tensor, "N N"]
    xy: Float[Tensor, "N E"]
    yy: Float[Tensor, "E E"]


@dataclass(frozen=True)
class Canonical:
    """R pairs of directions, the best first, and how far they correlate; both views have unit
    variance (with the ridges) along them.
    """

    x: Float[Tensor, "N R"]
    y: Float[Tensor, "E R"]
    correlations: Float[Tensor, " R"]


def fit_towers(
    model: RetrievalModel,
    split: Split,
    source: ClipSource,
    settings: ClosedForm,
    on_progress: OnProgress = no_progress,
) -> Float[Tensor, " R"]:
    """Give the towers of a model the canonical directions of a training split; returns the
    correlations.

    The transformer's part of a text starts as zero. Where D exceeds the number of directions, the
    rest of the adapter keeps its random start. Raises ConfigError for a model without bag of words,
    TrainingError without common words.
    """
    encoder, tokenizer = model.encoder, model.tokenizer
    if not isinstance(encoder, FeatureEncoder) or encoder.bag_of_words is None or tokenizer is None:
        raise ConfigError(
            "a closed form needs a model on precomputed tokens with bag_of_words=true and a "
            "tokenizer"
        )
    texts = _captions_by_video(split)
    tokens = [
        torch.from_numpy(tokenizer.encode(captions, model.config.max_words).ids.astype(np.int64))
        for captions in texts
    ]
    weights = rarity(tokens, tokenizer.vocab_size, settings.rarest)
    kept = torch.nonzero(weights)[:, 0]
    if len(kept) < 2:
        raise TrainingError(
            f"closed form: only {len(kept)} tokens stand with {settings.rarest} training clips or "
            "more: set rarest "
            f"lower"
        )
    with torch.no_grad():
        moments = _moments(
            encoder, tokens, _WordBags(weights, kept), _TrainingClips(split, source, on_progress)
        )
        if min(float(moments.xx.diagonal().sum()), float(moments.yy.diagonal().sum())) <= 0:
            raise TrainingError("closed form: all training clips, or all their captions, are alike")
        found = canonical(moments, settings.ridge_words, settings.ridge_clips, encoder.dim)
        if not len(found.correlations):
            raise TrainingError(
                "closed form: no words of the captions go with anything in the clips"
            )
        encoder.bag_of_words.weights.copy_(weights)
        _put(encoder, encoder.bag_of_words, kept, moments, found, settings)
    return found.correlations


def canonical(moments: Moments, ridge_x: float, ridge_y: float, most: int) -> Canonical:
    """The first `most` canonical directions, or as many as the narrower view y has and as correlate
    at all.

    >>> same = torch.eye(2)
    >>> found = canonical(Moments(torch.zeros(2), torch.zeros(2), same, same * 0.5, same), 1.0, 1.0, 2)
    >>> found.correlations  # 0.5 / (1 + ridge)
    tensor([0.2500, 0.2500])
    """
    xx = moments.xx + ridge_x * moments.xx.diagonal().mean() * torch.eye(len(moments.xx))
    yy = moments.yy + ridge_y * moments.yy.diagonal().mean() * torch.eye(len(moments.yy))
    whiten = torch.linalg.inv(torch.linalg.cholesky(yy)).T  # yy^-1 = whiten whitenᵀ
    cross = moments.xy @ whiten
    explained = torch.cholesky_solve(cross, torch.linalg.cholesky(xx))
    squares, directions = torch.linalg.eigh(cross.T @ explained)
    best = torch.arange(len(squares) - 1, -1, -1)[:most]
    best = best[squares[best] > _NOTHING**2]
    correlations = squares[best].clamp(max=1.0).sqrt()
    return Canonical(
        (explained @ directions[:, best]) / correlations, whiten @ directions[:, best], correlations
    )


def rarity(
    tokens: Sequence[Int64[Tensor, "C W"]], vocab_size: int, rarest: int
) -> Float[Tensor, " vocab"]:
    """ln(clips / clips whose captions hold the token), 0 for tokens of fewer than `rarest` clips.

    tokens: per clip, its captions. Ends and padding stand in every clip, or are left out when the
    bag is built.
    """
    clips = torch.zeros(vocab_size)
    for ids in tokens:
        clips[torch.from_numpy(np.unique(ids.numpy()))] += 1
    return torch.where(clips >= rarest, torch.log(len(tokens) / clips.clamp_min(1)), 0.0)


@dataclass(frozen=True)
class _WordBags:
    weights: Tensor
    kept: Tensor

    def bags(self, tokens: Sequence[Tensor]) -> Tensor:
        """One row per clip: the mean of its captions' bags, over the kept tokens."""
        rows = torch.zeros(len(tokens), len(self.weights))
        for row, ids in zip(rows, tokens, strict=True):
            row.index_add_(0, ids.flatten(), token_weights(ids, self.weights).flatten() / len(ids))
        return rows[:, self.kept]


@dataclass(frozen=True)
class _TrainingClips:
    split: Split
    source: ClipSource
    on_progress: OnProgress


def _captions_by_video(split: Split) -> list[list[str]]:
    texts: dict[str, list[str]] = {video: [] for video in split.videos}
    for caption in split.captions:
        texts[caption.video_id].append(caption.text)
    return [captions for captions in texts.values() if captions]


def _moments(
    encoder: FeatureEncoder, tokens: Sequence[Tensor], words: _WordBags, clips: _TrainingClips
) -> Moments:
    """Sums over clips in chunks; memory holds one chunk and an N x N matrix of the kept tokens."""
    captioned = {caption.video_id for caption in clips.split.captions}
    videos = [video for video in clips.split.videos if video in captioned]
    n, e = len(words.kept), encoder.geometry.token_dim
    sum_x, sum_y, xx, xy, yy = (
        torch.zeros(*shape) for shape in ((n,), (e,), (n, n), (n, e), (e, e))
    )
    for start in range(0, len(videos), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        x, arrays = words.bags(tokens[chunk]), clips.source.read(videos[chunk])
        y = encoder.mean_frame(
            torch.from_numpy(arrays.frames), torch.from_numpy(arrays.frame_mask)
        ).float()
        sum_x, sum_y = sum_x + x.sum(0), sum_y + y.sum(0)
        xx.addmm_(x.T, x)
        xy.addmm_(x.T, y)
        yy.addmm_(y.T, y)
        clips.on_progress("closed form", min(start + _CHUNK, len(videos)), len(videos))
    count = len(videos)
    mean_x, mean_y = sum_x / count, sum_y / count
    xx.div_(count).addr_(mean_x, mean_x, alpha=-1)
    return Moments(
        mean_x,
        mean_y,
        xx,
        xy / count - torch.outer(mean_x, mean_y),
        yy / count - torch.outer(mean_y, mean_y),
    )


def _put(
    encoder: FeatureEncoder,
    bag: BagOfWords,
    kept: Tensor,
    moments: Moments,
    found: Canonical,
    settings: ClosedForm,
) -> None:
    """Directions into the bag and the adapter, centred, each side scaled to the wanted mean
    length.
    """
    rank = len(found.correlations)
    x, y = found.x, found.y * found.correlations**settings.power
    x = x * settings.length / _typical_length(x, moments.xx)
    y = y * settings.length / _typical_length(y, moments.yy)
    encoder.text_projection.weight.zero_()
    bag.vectors.weight.zero_()
    bag.vectors.weight[kept, :rank] = x
    bag.bias[:rank] = -moments.mean_x @ x
    linear = encoder.adapter.linear
    linear.weight[:rank] = y.T
    linear.bias[:rank] = -moments.mean_y @ y


def _typical_length(directions: Tensor, covariance: Tensor) -> Tensor:
    """Root mean square length of a centred view after projection."""
    return (directions * (covariance @ directions)).sum().sqrt()
