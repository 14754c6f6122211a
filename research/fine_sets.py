"""Negatives of the fine-grained experiment: to train with, to choose by, and to test with, kept
apart.

Training and validation take the `training` side. A model is tested on the same side (`same
generator`), on the other side, of which it has seen no pair (`disjoint generator`), and on the
files that are named. On drawn scenes the two sides divide the vocabulary
(`finereel.reelworld.contrasts`), on real captions all words
(`finereel.finegrain.make.training`); there both sides are drawn from the captions by one
rule, so that a file of another generator is the harder test.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random

from finereel.data.base import Caption, Split
from finereel.data.reelworld import scene_of
from finereel.data.sources import captions_by_id, captions_of
from finereel.errors import DataError
from finereel.finegrain.evaluate.groups import Group, groups_of
from finereel.finegrain.files import iter_negatives, read_negatives, write_negatives
from finereel.finegrain.files.base import UNTOLD, Known
from finereel.finegrain.make.reelworld import scene_negatives
from finereel.finegrain.make.training import Side, TrainingNegatives, training_negatives
from finereel.finegrain.types import Negative
from finereel.io.atomic import writes
from finereel.reelworld.captions import captions
from finereel.training.fine import texts_of
from research.benchmark_sets import Benchmark, BenchmarkOptions

SAME, OTHER_PAIRS = "same generator", "disjoint generator"
_PER_CAPTION = 15
_VALIDATION_CAPTIONS = 200
_SIDES: tuple[Side, ...] = ("training", "test")


def prepare_sets(benchmark: Benchmark, options: BenchmarkOptions) -> None:
    """Make what takes long once, before processes need it: the negatives of real captions."""
    if not _drawn(benchmark):
        for split in ("train", "val", "test"):
            for side in _SIDES:
                if split == "test" or side == "training":
                    _of_captions(benchmark.dataset.split(split), side, options)


def with_negatives(
    benchmark: Benchmark, options: BenchmarkOptions, levels: tuple[str, ...]
) -> Benchmark:
    """The benchmark with training negatives of these levels (none: without), and groups to choose
    by.
    """
    negatives = None
    if levels:
        rows = (
            row for row in _rows(benchmark, "train", "training", options) if _level(row) in levels
        )
        negatives = texts_of(_first(rows, benchmark.negatives_known))
        negatives.require(
            (caption.video_id, caption.text)
            for caption in benchmark.dataset.split("train").captions
        )
    validation = fine_groups(_rows(benchmark, "val", "training", options), _VALIDATION_CAPTIONS)
    return replace(
        benchmark, data=replace(benchmark.data, negatives=negatives), validation=validation
    )


def test_sets(benchmark: Benchmark, options: BenchmarkOptions) -> dict[str, tuple[Group, ...]]:
    """What the models are tested on, by name. Raises DataError for a file that speaks of no test
    clip.
    """
    found = {
        name: fine_groups(_rows(benchmark, "test", side, options))
        for name, side in ((SAME, _SIDES[0]), (OTHER_PAIRS, _SIDES[1]))
    }
    videos = set(benchmark.dataset.split("test").videos)
    known = Known(_captions(benchmark, options)) if options.negatives else UNTOLD
    for name, path in options.negatives:
        rows = [row for row in read_negatives(path, None, known) if row.video_id in videos]
        if not rows:
            raise DataError(
                f"{path} has no negatives of the {len(videos)} test clips of "
                f"{benchmark.dataset.name}"
            )
        found[name] = groups_of(rows)
    return found


def _captions(benchmark: Benchmark, options: BenchmarkOptions) -> dict[str, Caption]:
    """The captions that a file may speak of: all of the data set, or of the drawn test clips."""
    if _drawn(benchmark):
        return captions_by_id(_caption_rows(benchmark.dataset.split("test")))
    return captions_by_id(captions_of(options.annotations, "msrvtt"))


def fine_groups(rows: Iterable[Negative], most_captions: int | None = None) -> tuple[Group, ...]:
    """Groups of one word's negatives, at most so many of a caption and part of speech, drawn;
    phrases are left out.

    most_captions: an even share of the groups, where there are more.
    """
    words = [row for row in rows if _level(row) == "word"]
    groups = [
        replace(
            group, negatives=tuple(Random(group.caption_id).sample(group.negatives, _PER_CAPTION))
        )
        if len(group.negatives) > _PER_CAPTION
        else group
        for group in groups_of(words)
    ]
    step = 1 if most_captions is None else max(1, len(groups) // most_captions)
    return tuple(groups[::step])


def _first(rows: Iterable[Negative], most: int) -> Iterator[Negative]:
    """The first `most` rows of every caption and level."""
    taken: Counter[tuple[str, str]] = Counter()
    for row in rows:
        key = (row.caption_id, _level(row))
        taken[key] += 1
        if taken[key] <= most:
            yield row


def _level(row: Negative) -> str:
    """Whether a word or a phrase was changed, by the method's name."""
    return "phrase" if "+" in row.method else "word"


def _rows(
    benchmark: Benchmark, split: str, side: Side, options: BenchmarkOptions
) -> Iterator[Negative]:
    if _drawn(benchmark):
        return _of_scenes(benchmark.dataset.split(split), side)
    return _of_captions(benchmark.dataset.split(split), side, options)


def _drawn(benchmark: Benchmark) -> bool:
    return benchmark.dataset.name.startswith("reelworld")


def _of_scenes(split: Split, side: Side) -> Iterator[Negative]:
    for caption in _caption_rows(split):
        scene = scene_of(caption.video_id)
        if scene is None or captions(scene)[0] != caption.text:
            raise DataError(
                f"{caption.video_id!r} is no drawn scene with the caption {caption.text!r}"
            )
        yield from scene_negatives(caption, scene, side=side)


@writes("options.work")
def _of_captions(split: Split, side: Side, options: BenchmarkOptions) -> Iterator[Negative]:
    """Made once, then read from the work folder, one by one: a million for some thousand clips."""
    path = options.work / f"negatives-{split.hash}-{side}.jsonl"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        settings = TrainingNegatives(per_caption=_PER_CAPTION, side=side)
        write_negatives(training_negatives(_caption_rows(split), settings), path)
    return iter_negatives(path, "jsonl")


def _caption_rows(split: Split) -> Sequence[Caption]:
    return [Caption(caption.id, caption.video_id, caption.text) for caption in split.captions]
