"""Turn a split and a clip source into an endless sequence of training batches.

A batch depends on (split, settings, step) alone, so a resumed run sees what an undisturbed one
would; in a distributed run every process reads its own rows of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Int64

from finereel.data.base import Caption, ClipSource, Split
from finereel.errors import ConfigError, unknown_name
from finereel.text import BaseTokenizer
from finereel.training.batch import Batch, CandidateCaptions
from finereel.training.fine import NegativesOf, candidates

UNITS = ("videos", "captions")
TokenRows = tuple[Int64[np.ndarray, "T W"], Bool[np.ndarray, "T W"]]


@dataclass(frozen=True)
class PairSettings:
    """What a batch is made of.

    batch_size: B over all processes. unit: what an epoch runs over, in random order: `videos`
    (every video once, with a random caption of it; no batch holds a video twice), or `captions`
    (every caption once, as published: two of one video may meet, and then count as each other's
    negatives). max_words: W. word_dropout: share of the tokens between start and end that a text
    loses, another draw at every step (a text tower from scratch learns a small corpus by heart
    without). negatives: fine-grained ones of each caption, where there are any; they and the
    caption beside them lose no words. frame_dropout: share of the frames a clip loses, never all.
    rank, world: which rows are ours.
    """

    batch_size: int = 128
    unit: str = "videos"
    max_words: int = 32
    word_dropout: float = 0.0
    frame_dropout: float = 0.0
    negatives: int = 15
    seed: int = 0
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise unknown_name("unit of an epoch", self.unit, UNITS)
        for name in ("word_dropout", "frame_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is a share from 0 to below 1, got {getattr(self, name)}")
        if self.negatives < 0:
            raise ConfigError(f"negatives must be 0 or more, got {self.negatives}")
        if self.batch_size < 2 or self.batch_size % self.world:
            raise ConfigError(
                f"a batch of {self.batch_size} needs at least 2 rows, evenly over {self.world} "
                "processes"
            )


@dataclass(frozen=True)
class PairBatches:
    """Batches of (caption, clip) pairs; the last incomplete batch of an epoch is left out.

    Raises ConfigError when the split is smaller than a batch.
    """

    split: Split
    source: ClipSource
    tokenizer: BaseTokenizer
    settings: PairSettings = field(default_factory=PairSettings)
    negatives: NegativesOf | None = None

    def __post_init__(self) -> None:
        if self.steps_per_epoch < 1:
            raise ConfigError(
                f"a batch of {self.settings.batch_size} is more than the {self._units} "
                f"{self.settings.unit} of "
                f"{self.split.name}: lower the batch size"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one pass."""
        return self._units // self.settings.batch_size

    @property
    def _units(self) -> int:
        if self.settings.unit == "captions":
            return len(self.split.captions)
        return len(np.unique(self.split.video_of_caption))

    def captions_at(self, step: int) -> tuple[Caption, ...]:
        """The captions of this process's rows at a 0-based step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        settings = self.settings
        share = settings.batch_size // settings.world
        start = place * settings.batch_size + settings.rank * share
        return tuple(
            self.split.captions[number] for number in self._order(epoch)[start : start + share]
        )

    def batch_at(self, step: int) -> Batch:
        """The batch of a 0-based step: tokens, and the clips that the source reads."""
        chosen = self.captions_at(step)
        tokens = self.tokenizer.encode(
            [caption.text for caption in chosen], self.settings.max_words
        )
        ids, mask = self._dropped(tokens.ids, tokens.mask, step)
        longest = int(mask.sum(1).max())
        clips = self.source.read([caption.video_id for caption in chosen])
        return Batch(
            frames=torch.from_numpy(clips.frames),
            frame_mask=torch.from_numpy(self._fewer_frames(clips.frame_mask, step)),
            input_ids=torch.from_numpy(ids[:, :longest]),
            text_mask=torch.from_numpy(mask[:, :longest]),
            candidates=self._candidates(chosen, step),
        )

    def _candidates(self, chosen: Sequence[Caption], step: int) -> CandidateCaptions | None:
        """The captions with their negatives, None where nobody knows negatives."""
        if self.negatives is None or not self.settings.negatives:
            return None
        return candidates(
            [caption.text for caption in chosen],
            [self.negatives(caption.video_id, caption.text) for caption in chosen],
            self.settings.negatives,
            self.tokenizer,
            self.settings.max_words,
            self._rng(step, 3),
        )

    def _dropped(
        self, ids: Int64[np.ndarray, "T W"], mask: Bool[np.ndarray, "T W"], step: int
    ) -> TokenRows:
        """The rows without a random part of their words, moved together; start and end stay."""
        if not self.settings.word_dropout:
            return ids, mask
        rng = self._rng(step, 1)
        kept = mask & (rng.random(ids.shape) >= self.settings.word_dropout)
        rows = np.arange(len(ids))
        kept[:, 0] = kept[rows, mask.sum(1) - 1] = True
        together = np.argsort(~kept, axis=1, kind="stable")
        moved = np.take_along_axis(kept, together, 1)
        return np.where(moved, np.take_along_axis(ids, together, 1), 0), moved

    def _fewer_frames(self, mask: Bool[np.ndarray, "V F"], step: int) -> Bool[np.ndarray, "V F"]:
        """The mask without a random part of the real frames; of the real ones, one with the highest
        draw stays.
        """
        if not self.settings.frame_dropout:
            return mask
        draws = np.where(mask, self._rng(step, 2).random(mask.shape), -1.0)
        highest = draws == draws.max(1, keepdims=True)
        kept: Bool[np.ndarray, "V F"] = mask & ((draws >= self.settings.frame_dropout) | highest)
        return kept

    def _rng(self, step: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.settings.seed, step, self.settings.rank, purpose])

    def _order(self, epoch: int) -> Int64[np.ndarray, " units"]:
        """Caption numbers in the order of an epoch."""
        rng = np.random.default_rng([self.settings.seed, epoch])
        shuffled = rng.permutation(len(self.split.captions))
        if self.settings.unit == "captions":
            return shuffled
        # The first caption of every video in a random order is a random caption, and the videos
        # come in random order.
        _, first = np.unique(self.split.video_of_caption[shuffled], return_index=True)
        ordered: Int64[np.ndarray, " units"] = shuffled[rng.permutation(first)]
        return ordered
