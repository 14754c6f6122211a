"""The base class of all heads: features of texts and videos to one score matrix per granularity.

A head is three steps. `prepare_text` and `prepare_video` do what depends on one side only, once;
`compare` does the rest for a block of pairs. `score` runs the three in blocks that fit a memory
budget; training, evaluation, search and explanation all call it, so no second copy of a score
exists.

`prepare_video` is `stored`, which a library does when it writes a clip, and `prepare_stored`, which
is left to be done for every query and costs nothing in most heads.
"""

import itertools
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from finereel.config import ModelConfig
from finereel.errors import ConfigError
from finereel.models.features import (
    Scores,
    StoredFeatures,
    TextFeatures,
    VideoFeatures,
    in_groups,
)

MIB = 1 << 20
# Larger blocks leave the processor's cache and pay for fresh pages; any memory holds these
DEFAULT_BUDGET_MIB = 8
_LONG_RUN = 32  # texts of a block, where the budget allows
_FEWEST_ROWS = 16  # texts of a band, before a shorter text starts another


class Head(nn.Module):
    """Base of all heads. Subclasses are final; `weights` names the granularities that count and how
    much.

    parts: the granularities it has. inputs: which of `frames`, `patches` and `contextual` frames a
    granularity reads; those that are not named read none of them. published: the settings it was
    published with, where they are not `ModelConfig`'s defaults. reads: what this head reads, the
    inputs of the granularities in `weights`, so that the model makes and a library stores no
    others. raw: inputs that it reads at their own length; all others it reads as unit vectors, and
    so are they stored. frames cannot be raw, because others than the head read those that are
    stored.
    """

    parts: ClassVar[tuple[str, ...]]
    inputs: ClassVar[Mapping[str, str]] = {}
    published: ClassVar[Mapping[str, Any]] = {}
    raw: frozenset[str] = frozenset()

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.weights: Mapping[str, float] = self.counted(config)
        self.mask_padding = config.mask_padding
        self.reads = frozenset(self.inputs[name] for name in self.weights if name in self.inputs)

    @classmethod
    def granularities(cls, config: ModelConfig) -> tuple[str, ...]:
        """The granularities it has with these settings."""
        return cls.parts

    @classmethod
    def counted(cls, config: ModelConfig) -> dict[str, float]:
        """`config.weights`; ConfigError where they name a granularity that this head does
        not have.
        """
        known = cls.granularities(config)
        unknown = sorted(set(config.weights) - set(known))
        if unknown:
            raise ConfigError(
                f"the {config.head} head has no granularity {', '.join(unknown)}: weights take "
                f"{', '.join(known)}"
            )
        return dict(config.weights)

    @abstractmethod
    def prepare_text(self, text: TextFeatures) -> TextFeatures:
        """Normalise and project the text side; a head may return a subclass that carries more."""

    def stored(self, video: VideoFeatures) -> StoredFeatures:
        """Clips in the form in which a library keeps them: unit tokens, those in `raw` at their own
        length, and zeros under the mask where padding does not count.

        Features in this form stay as they are.

        >>> from finereel.models.heads import head_config, make_head
        >>> head = make_head(head_config("clip4clip"), 2)
        >>> mask = torch.tensor([[True, False]])
        >>> clip = VideoFeatures(
        ...     torch.eye(2)[:1], torch.full((1, 2, 2), 3.0), torch.empty(1, 0, 2), mask, mask[:, :0]
        ... )
        >>> head.stored(clip).frames
        tensor([[[0.7071, 0.7071],
                 [0.0000, 0.0000]]])
        """
        if isinstance(video, StoredFeatures):
            return video
        return StoredFeatures(
            video=video.video,
            frames=self._stored("frames", video.frames, video.frame_mask),
            patches=self._stored("patches", video.patches, video.patch_mask),
            frame_mask=video.frame_mask,
            patch_mask=video.patch_mask,
            contextual=self._stored("contextual", video.contextual, video.frame_mask),
        )

    def _stored(self, name: str, tokens: Tensor, mask: Tensor) -> Tensor:
        if not tokens.shape[1]:
            return tokens
        if self.mask_padding:
            tokens = tokens.masked_fill(~mask[..., None], 0.0)
        return tokens if name in self.raw else normalize(tokens, dim=-1)

    def prepare_stored(self, video: StoredFeatures) -> VideoFeatures:
        """What is left to do with stored clips before `compare`: nothing but patches in the
        precision of frames, unless a head says otherwise; it may return a subclass that carries
        more.
        """
        if video.patches.dtype == video.frames.dtype:
            return video
        return replace(video, patches=video.patches.to(video.frames.dtype))

    def prepare_video(self, video: VideoFeatures) -> VideoFeatures:
        """All that depends on the video side only, for clips in either form."""
        return self.prepare_stored(self.stored(video))

    @abstractmethod
    def compare(self, text: TextFeatures, video: VideoFeatures) -> dict[str, Float[Tensor, "T V"]]:
        """Unscaled scores per granularity of *prepared* features."""

    def coarse_query(self, text: TextFeatures) -> Float[Tensor, "T D"]:
        """Vectors whose products with `VideoFeatures.video` are the unscaled video_sentence scores
        of *raw* texts.

        The unit sentences, unless a head says otherwise; where it has no video_sentence, an
        approximation of its score.
        """
        return normalize(text.sentence, dim=-1)

    @abstractmethod
    def pair_bytes(self, text: TextFeatures, video: VideoFeatures) -> int:
        """Peak working memory of `compare` per text-video pair, in bytes."""

    def ragged(self, text: TextFeatures, video: VideoFeatures) -> bool:
        """Whether texts of any length cost nothing beside longer ones."""
        return False

    def scales(self, scale: Tensor) -> dict[str, Tensor]:
        """What each granularity is multiplied by; s for all, unless a head says otherwise."""
        return dict.fromkeys(self.weights, scale)

    def mask(self, mask: Bool[Tensor, "..."]) -> Tensor | None:
        """The mask where it matters: masking costs as much as a softmax, and most blocks have no
        padding left.
        """
        return None if not self.mask_padding or bool(mask.all()) else mask

    def score(
        self,
        text: TextFeatures,
        video: VideoFeatures,
        scale: Float[Tensor, ""],
        budget_mib: int = DEFAULT_BUDGET_MIB,
    ) -> Scores:
        """T x V scores; `scale` = s = exp(logit_scale). Blocks of pairs stay within `budget_mib` of
        working memory.
        """
        prepared_video = self.prepare_video(video)
        order, lengths = self._by_length(text)
        bands, top = [], 0
        while top < max(1, len(text)):  # no texts or no videos: one empty block
            longest = lengths[top] if lengths else text.words.shape[1]
            pair_bytes = self.pair_bytes(_cut(text.rows(slice(0, 1)), longest), video)
            most, _ = _block_shape(len(text) - top, len(video), pair_bytes, budget_mib * MIB)
            band = lengths[top : top + most]
            rows = len(band) if self.ragged(text, video) else _alike(band)
            _, columns = _block_shape(rows, len(video), pair_bytes, budget_mib * MIB)
            prepared_text = self.prepare_text(_cut(text.rows(order[top : top + rows]), longest))
            blocks = [
                self.compare(prepared_text, prepared_video.rows(slice(left, left + columns)))
                for left in range(0, max(1, len(video)), columns)
            ]
            bands.append(
                {name: torch.cat([block[name] for block in blocks], 1) for name in self.weights}
            )
            top += max(1, rows)
        back, scales = order.argsort(), self.scales(scale)
        parts = {
            name: torch.cat([band[name] for band in bands], 0)[back] * scales[name]
            for name in self.weights
        }
        return Scores(parts, self.weights)

    def score_groups(
        self, text: TextFeatures, video: VideoFeatures, scale: Float[Tensor, ""]
    ) -> Scores:
        """V x n scores of V * n texts: those of clip v stand at v * n and on, and meet no other
        clip.

        Raises ValueError where the texts do not divide among the clips.
        """
        count, rest = divmod(len(text), max(1, len(video)))
        if rest:
            raise ValueError(
                f"{len(text)} texts do not divide among {len(video)} clips: give every clip as many"
            )
        texts, videos = self.prepare_text(text), self.prepare_video(video)
        pairs = zip(in_groups(texts, len(video)), in_groups(videos, len(video)), strict=True)
        groups = [self.compare(own, clip) for own, clip in pairs]
        scales, empty = self.scales(scale), scale.new_zeros(0, count)
        parts = {
            name: torch.cat([empty, *(group[name].T for group in groups)]) * scales[name]
            for name in self.weights
        }
        return Scores(parts, self.weights)

    def _by_length(self, text: TextFeatures) -> tuple[Tensor, list[int]]:
        """The order of the texts from long to short, and how many columns of words each needs in
        that order.

        Trailing columns that are padding cost time and, masked, change nothing; where padding
        counts, nobody is short.
        """
        width = text.words.shape[1]
        if not self.mask_padding or not width:
            return torch.arange(len(text), device=text.words.device), [width] * len(text)
        places = torch.arange(1, width + 1, device=text.words.device)
        lengths = (text.word_mask * places).amax(1).clamp(min=1)
        order = lengths.argsort(descending=True, stable=True)
        return order, lengths[order].tolist()


def _cut(text: TextFeatures, longest: int) -> TextFeatures:
    """The texts with their first `longest` words only; all that is left out is padding."""
    return replace(text, words=text.words[:, :longest], word_mask=text.word_mask[:, :longest])


def _alike(lengths: list[int]) -> int:
    """How many of these falling lengths make one band: equal ones, or enough of them to fill a
    vector register.

    >>> _alike([9] * 40 + [8] * 40), _alike([9, 8, 7]), _alike([9] + [8] * 30 + [7])
    (40, 3, 31)
    """
    for row, (longer, shorter) in enumerate(itertools.pairwise(lengths), 1):
        if shorter < longer and row >= _FEWEST_ROWS:
            return row
    return len(lengths)


def _block_shape(num_texts: int, num_videos: int, pair_bytes: int, budget: int) -> tuple[int, int]:
    """Rows and columns of a block: square, but with texts enough for long runs where texts stand
    last in memory.

    >>> _block_shape(1000, 1000, 8192, 1 << 20)
    (32, 4)
    >>> _block_shape(1000, 1000, 1024, 1 << 20)
    (32, 32)
    >>> _block_shape(1, 1000, 1024, 1 << 20)
    (1, 1000)
    """
    pairs = max(1, budget // max(1, pair_bytes))
    rows = min(num_texts, max(_LONG_RUN, int(pairs**0.5), pairs // max(1, num_videos)), pairs)
    return max(1, rows), max(1, min(num_videos, pairs // max(1, rows)))
