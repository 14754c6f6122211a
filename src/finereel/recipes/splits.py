"""Make the training, validation and test splits of a data set: hold out missing splits and leave
out unreadable videos.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from finereel import data as datasets
from finereel.config import fingerprint
from finereel.data.base import ClipSource, Dataset, Split
from finereel.data.frames import FrameStore
from finereel.data.leaks import same_file
from finereel.errors import DataError
from finereel.finegrain.files import iter_negatives
from finereel.recipes.base import HoldOut, PairRecipe
from finereel.recipes.events import Note, OnEvent, RunOptions
from finereel.training.distributed import Shard
from finereel.training.fine import NegativeTexts, texts_of

TRAIN_SPLITS = ("train", "train_9k", "train_7k", "all")
"""The first of these that a data set has is trained on."""
_NAMED = 5


@dataclass(frozen=True)
class TrainingData:
    """What a run works on. dataset: exactly the splits train, val and test, the last one whole;
    train and val hold only videos that can be read. source: their clips. missing: why, by video id,
    of train and val. negatives: of the training captions, for the fine-grained loss.
    """

    dataset: Dataset
    source: ClipSource
    missing: Mapping[str, str]
    negatives: NegativeTexts | None = None

    @property
    def identity(self) -> str:
        """A hash that changes when other pairs or other clips would be trained on."""
        parts = (
            self.dataset.split("train").hash,
            self.dataset.split("val").hash,
            dict(self.source.description),
        )
        return (
            fingerprint(*parts)
            if self.negatives is None
            else fingerprint(*parts, self.negatives.hash)
        )


def three_splits(data: Dataset, hold_out: HoldOut) -> Dataset:
    """The data set with the splits train, val and test and no other, `val` for selection.

    val is the data set's own selection split; where it has none, and where it has no test, videos
    are held out of train, drawn by the seed, with all their captions (one each in a data set of
    single captions).
    """
    name = next((name for name in TRAIN_SPLITS if name in data.splits), None)
    if name is None:
        raise DataError(
            f"{data.name} has nothing to train on: expected a split called "
            f"{' or '.join(TRAIN_SPLITS)}"
        )
    train = data.split(name)
    test = data.splits.get("test")
    if test is None:
        train, test = held_out(train, replace(hold_out, seed=hold_out.seed + 1))
        test = _like_test(replace(test, name="test"), data.protocol.texts)
    if data.selection is not None:
        val = data.split(data.selection)
    else:
        train, val = held_out(train, hold_out)
        val = _like_test(replace(val, name="val"), data.protocol.texts)
    return replace(data, splits={"train": train, "val": val, "test": test}, selection="val")


def held_out(split: Split, settings: HoldOut) -> tuple[Split, Split]:
    """The split without the videos drawn, and with nothing but them; no video is in both.

    >>> videos = tuple("abcdefghij")
    >>> rest, held = held_out(Split("train", videos, ()), HoldOut(share=0.2))
    >>> len(rest.videos), len(held.videos), set(rest.videos) & set(held.videos)
    (8, 2, set())
    """
    count = min(settings.most, max(1, round(settings.share * len(split.videos))))
    if count >= len(split.videos):
        raise DataError(
            f"split {split.name} has {len(split.videos)} videos, too few to hold some out for "
            "validation and test: "
            "add videos, or name a split for each"
        )
    order = np.random.default_rng(settings.seed).permutation(len(split.videos))
    drawn = {split.videos[number] for number in order[:count]}
    return split.only([video for video in split.videos if video not in drawn]), split.only(
        sorted(drawn)
    )


def _like_test(split: Split, texts: str) -> Split:
    """Keep the first caption of every video if the test split has one caption per video."""
    return split.first_captions(1) if texts == "single" else split


def prepare(
    recipe: PairRecipe, source: ClipSource, options: RunOptions, shard: Shard, on_event: OnEvent
) -> TrainingData:
    """Load, split, and see which videos can be read, which decodes them: each process its share
    first.

    Raises DataError when more than `recipe.most_missing` of train and val cannot be read, unless
    that is allowed.
    """
    whole = three_splits(datasets.load(recipe.data, options.annotations), recipe.hold_out)
    learned = {name: whole.split(name) for name in ("train", "val")}
    wanted = [video for split in learned.values() for video in split.videos]
    every = [*wanted, *whole.split("test").videos]
    source.problems(every[shard.rank :: shard.world])
    broken = dict(source.problems(every))
    missing = {video: broken[video] for video in wanted if video in broken}
    if len(missing) > recipe.most_missing * len(wanted) and not options.allow_missing:
        raise DataError(
            f"{len(missing)} of {len(wanted)} videos of train and val cannot be read, more than "
            "the "
            f"{recipe.most_missing:.0%} that may be missing: {_examples(missing)}. Mend them, or "
            "allow missing videos"
        )
    if shard.first and isinstance(source, FrameStore):
        _report_leaks(whole, source, on_event)
    tested = {video: reason for video, reason in broken.items() if video not in missing}
    for reasons, what in (
        (missing, "left out of training and validation"),
        (tested, "of test cannot be read"),
    ):
        if reasons:
            on_event(Note(f"{_count(len(reasons), 'video')} {what}: {_examples(reasons)}"))
    readable = {
        name: split.only([video for video in split.videos if video not in missing])
        for name, split in learned.items()
    }
    for name, split in readable.items():
        if not split.captions:
            raise DataError(f"no video of {name} with a caption can be read: {_examples(missing)}")
    negatives = (
        None
        if options.negatives is None
        else _negatives(options.negatives, readable["train"], on_event)
    )
    return TrainingData(
        replace(whole, splits={**whole.splits, **readable}), source, missing, negatives
    )


def _report_leaks(data: Dataset, source: FrameStore, on_event: OnEvent) -> None:
    """Say which videos of two splits are one: what is measured on them was trained on, or chosen
    by.
    """
    videos = [video for split in data.splits.values() for video in split.videos]
    leaks = [found for found in same_file(data, source.files(videos)) if found.leak]
    for found in leaks[:_NAMED]:
        on_event(Note(f"the result will be too good: {found}"))
    if len(leaks) > _NAMED:
        on_event(
            Note(
                f"the result will be too good: {len(leaks) - _NAMED} more such pairs; `data check` "
                "lists them"
            )
        )


def _negatives(path: Path, train: Split, on_event: OnEvent) -> NegativeTexts:
    """The negatives of the training captions in a file."""
    given = texts_of(iter_negatives(path))
    found = given.require((caption.video_id, caption.text) for caption in train.captions)
    on_event(
        Note(f"{found} of {len(train.captions)} training captions have fine-grained negatives")
    )
    return given


def _examples(reasons: Mapping[str, str]) -> str:
    shown = [f"{video} ({reason})" for video, reason in list(reasons.items())[:_NAMED]]
    more = len(reasons) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
