"""Initialise a model with the best linear match of captions and clips, computed in closed form.

Canonical correlation analysis between two views of every training clip: its captions and the mean
of its frame tokens. Where the text side is a bag of words, captions are its tokens, weighted by
rarity and averaged, and the directions become the vectors of the bag and the linear map of the
adapter. Where it is a pretrained backbone, captions are what the backbone makes of them, and the
directions become the projections of both backbones. On some thousands of clips this start is
better than what random numbers learn, and both sides need ridges: most tokens are rare.

Source: Hotelling 1936, ridge as in Hardoon, Szedmak and Shawe-Taylor 2004; powers of the
correlations on one side as in Gong et al., "A multi-view embedding space", IJCV 2014.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from finereel.data.base import ClipSource, Split
from finereel.errors import ConfigError, TrainingError
from finereel.models.encoders.dual import DualEncoder
from finereel.models.encoders.features import BagOfWords, FeatureEncoder, token_weights
from finereel.models.retrieval import RetrievalModel
from finereel.types import OnProgress, no_progress

_CHUNK = 256  # clips
_TEXTS = 64  # encoded at a time
_ALIKE = 1e-5  # a variance beside the squared mean that rounding in single precision can make
_NOTHING = 1e-3  # a correlation that rounding can make: its directions are noise, blown up


@dataclass(frozen=True)
class ClosedForm:
    """ridge_words, ridge_clips: added to the variances, in multiples of their mean. rarest: tokens
    that stand with fewer clips count for nothing. power: of the correlations, on the clips' side:
    directions that agree more count more. length: of features, as long as CLIP's, so that what is
    added to them later starts small. captions: the most of a clip that a text backbone reads.
    """

    ridge_words: float = 30.0
    ridge_clips: float = 0.1
    rarest: int = 3
    power: float = 1.5
    length: float = 10.0
    captions: int = 5

    def __post_init__(self) -> None:
        for name in ("ridge_words", "ridge_clips", "length"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        if min(self.rarest, self.captions) < 1 or self.power < 0:
            raise ConfigError(
                f"expected rarest >= 1, captions >= 1 and power >= 0, got {self.rarest}, "
                f"{self.captions} and {self.power}"
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

    With a bag of words, the transformer's part of a text starts as zero. Where D exceeds the number
    of directions, the rest of the linear maps keeps its random start. Raises ConfigError for a
    model without bag of words or text backbone, TrainingError without common words.
    """
    encoder, tokenizer = model.encoder, model.tokenizer
    clips = _TrainingClips(split, source, on_progress)
    with torch.no_grad():
        if isinstance(encoder, DualEncoder) and tokenizer is not None:
            return _fit_projections(model, encoder, clips, settings)
        if isinstance(encoder, FeatureEncoder) and encoder.bag_of_words and tokenizer is not None:
            return _fit_bag(model, encoder, clips, settings)
    raise ConfigError(
        "a closed form needs a tokenizer, and a model of two backbones or one on precomputed "
        "tokens with bag_of_words=true"
    )


def _fit_bag(
    model: RetrievalModel, encoder: FeatureEncoder, clips: "_TrainingClips", settings: ClosedForm
) -> Float[Tensor, " R"]:
    """Fit the bag of words and the adapter."""
    assert model.tokenizer is not None
    assert encoder.bag_of_words is not None
    tokens = [
        torch.from_numpy(
            model.tokenizer.encode(captions, model.config.max_words).ids.astype(np.int64)
        )
        for captions in clips.captions
    ]
    weights = rarity(tokens, model.tokenizer.vocab_size, settings.rarest)
    kept = torch.nonzero(weights)[:, 0]
    if len(kept) < 2:
        raise TrainingError(
            f"closed form: only {len(kept)} tokens stand with {settings.rarest} training clips or "
            "more: set rarest "
            f"lower"
        )
    words = _WordBags(weights, kept)

    def texts_of(chunk: slice) -> TextView:
        bags = words.bags(tokens[chunk])
        return TextView(bags, bags.T @ bags)

    moments, found = _matched(_moments(texts_of, encoder.mean_frame, clips), settings, encoder.dim)
    encoder.bag_of_words.weights.copy_(weights)
    _put(encoder, encoder.bag_of_words, kept, moments, found, settings)
    return found.correlations


def _fit_projections(
    model: RetrievalModel, encoder: DualEncoder, clips: "_TrainingClips", settings: ClosedForm
) -> Float[Tensor, " R"]:
    """Fit the projections of two backbones; every caption counts, and every clip as much as any."""
    tokenizer = model.tokenizer
    assert tokenizer is not None
    model.eval()

    def texts_of(chunk: slice) -> TextView:
        groups = [captions[: settings.captions] for captions in clips.captions[chunk]]
        tokens = tokenizer.encode(
            [text for group in groups for text in group], model.config.max_words
        )
        pooled = _pooled(encoder, torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask))
        shares = torch.cat([torch.full((len(group), 1), 1 / len(group)) for group in groups])
        owner = torch.repeat_interleave(
            torch.arange(len(groups)), torch.tensor([len(group) for group in groups])
        )
        means = torch.zeros(len(groups), pooled.shape[1]).index_add_(0, owner, pooled * shares)
        return TextView(means, (pooled * shares).T @ pooled)

    def mean_frame(frames: Tensor, mask: Tensor) -> Tensor:
        own = encoder.frozen_tokens(encoder.to_input(frames), mask)[:, :, 0]
        return own.sum(1) / mask.sum(1, keepdim=True).clamp_min(1)

    moments, found = _matched(_moments(texts_of, mean_frame, clips), settings, encoder.dim)
    x, y, rank = *_scaled(moments, found, settings), len(found.correlations)
    maps = {
        encoder.text_projection: (x, moments.mean_x),
        encoder.word_projection: (x, moments.mean_x),
        encoder.visual_projection: (y, moments.mean_y),
        encoder.patch_projection: (y, moments.mean_y),
    }
    for linear, (directions, mean) in maps.items():
        if linear is not None:
            linear.weight[:rank] = directions.T
            linear.bias[:rank] = -mean @ directions
    return found.correlations


def _pooled(
    encoder: DualEncoder, ids: Int64[Tensor, "T W"], mask: Bool[Tensor, "T W"]
) -> Float[Tensor, "T E"]:
    """Sentences before the projection, encoded in the order of their lengths: padding costs time."""
    lengths = mask.sum(1)
    order = lengths.argsort(stable=True)
    parts = []
    for rows in torch.split(order, _TEXTS):
        longest = max(1, int(lengths[rows].max()))
        parts.append(encoder.pooled_text(ids[rows, :longest], mask[rows, :longest])[0])
    return torch.cat(parts)[order.argsort()]


def _matched(moments: Moments, settings: ClosedForm, dim: int) -> tuple[Moments, Canonical]:
    """The moments and their canonical directions; TrainingError where nothing correlates."""
    sides = ((moments.xx, moments.mean_x), (moments.yy, moments.mean_y))
    if any(float(xx.diagonal().sum()) <= _ALIKE * float(mean @ mean) for xx, mean in sides):
        raise TrainingError("closed form: all training clips, or all their captions, are alike")
    found = canonical(moments, settings.ridge_words, settings.ridge_clips, dim)
    if not len(found.correlations):
        raise TrainingError("closed form: no words of the captions go with anything in the clips")
    return moments, found


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
class TextView:
    """The captions of some clips: `means` (V, N) of each clip, and the sum over the clips of their
    captions' mean second moment (N, N).
    """

    means: Float[Tensor, "V N"]
    second: Float[Tensor, "N N"]


@dataclass(frozen=True)
class _TrainingClips:
    """The clips of a split that have captions, in order."""

    split: Split
    source: ClipSource
    on_progress: OnProgress

    @cached_property
    def captions(self) -> list[list[str]]:
        """Those of every clip."""
        texts: dict[str, list[str]] = {video: [] for video in self.split.videos}
        for caption in self.split.captions:
            texts[caption.video_id].append(caption.text)
        return [captions for captions in texts.values() if captions]

    @cached_property
    def videos(self) -> list[str]:
        """Their ids."""
        captioned = {caption.video_id for caption in self.split.captions}
        return [video for video in self.split.videos if video in captioned]


def _moments(
    texts_of: Callable[[slice], TextView],
    mean_frame: Callable[[Tensor, Tensor], Tensor],
    clips: _TrainingClips,
) -> Moments:
    """Sums over clips in chunks; memory holds one chunk and the matrices of the result."""
    sums: list[Tensor] = []
    count = len(clips.videos)
    for start in range(0, count, _CHUNK):
        chunk = slice(start, start + _CHUNK)
        text, arrays = texts_of(chunk), clips.source.read(clips.videos[chunk])
        x = text.means
        y = mean_frame(torch.from_numpy(arrays.frames), torch.from_numpy(arrays.frame_mask)).float()
        parts = [x.sum(0), y.sum(0), text.second, x.T @ y, y.T @ y]
        sums = [old + new for old, new in zip(sums, parts, strict=True)] if sums else parts
        clips.on_progress("closed form", min(start + _CHUNK, count), count)
    mean_x, mean_y, xx, xy, yy = (total / count for total in sums)
    return Moments(
        mean_x,
        mean_y,
        xx - torch.outer(mean_x, mean_x),
        xy - torch.outer(mean_x, mean_y),
        yy - torch.outer(mean_y, mean_y),
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
    x, y = _scaled(moments, found, settings)
    encoder.text_projection.weight.zero_()
    bag.vectors.weight.zero_()
    bag.vectors.weight[kept, :rank] = x
    bag.bias[:rank] = -moments.mean_x @ x
    linear = encoder.adapter.linear
    linear.weight[:rank] = y.T
    linear.bias[:rank] = -moments.mean_y @ y


def _scaled(moments: Moments, found: Canonical, settings: ClosedForm) -> tuple[Tensor, Tensor]:
    """The directions of both sides, scaled to the wanted mean length."""
    x, y = found.x, found.y * found.correlations**settings.power
    x = x * settings.length / _typical_length(x, moments.xx)
    return x, y * settings.length / _typical_length(y, moments.yy)


def _typical_length(directions: Tensor, covariance: Tensor) -> Tensor:
    """Root mean square length of a centred view after projection."""
    return (directions * (covariance @ directions)).sum().sqrt()
