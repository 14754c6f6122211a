"""Open the clips of a data set (video files, precomputed tokens or rendered scenes) and its
captions.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from finereel import data as datasets
from finereel.data.base import Caption, ClipSource, Dataset, FewerFrames
from finereel.data.features import FeatureStore
from finereel.data.fiftyone import read_spans
from finereel.data.reelworld import WorldSource
from finereel.errors import ConfigError, DataError, unknown_name
from finereel.io.tables import Row, read_csv, read_jsonl, unique
from finereel.models.preprocessing import Preprocessing
from finereel.types import OnProgress, no_progress

CAPTION_FILE = "captions"
"""The form of a CSV or JSONL file of id, video_id and caption."""
DETECTIONS = "fiftyone"
"""The form of FiftyOne's temporal detections, whose labels are captions."""
CAPTION_FORMS = (CAPTION_FILE, DETECTIONS, *datasets.DATASETS)
SAID_TWICE = {"msrvtt": {"test": "test_20"}}
"""Splits whose captions another split has under other ids: the thousand sentences of 1k-A are among
all of test_20.
"""


@dataclass(frozen=True)
class SourceOptions:
    """Where to look and what the model takes.

    annotations, videos, features: folders, None where there is none; features win over videos.
    cache: where decoded frames are kept, None for the user's cache folder. num_frames: F;
    image_size: side of the model's pictures in pixels (unused for features); preprocessing: how
    pictures become that large, None for a bicubic centre square.
    """

    annotations: Path | None = None
    videos: Path | None = None
    features: Path | None = None
    cache: Path | None = None
    num_frames: int = 12
    image_size: int = 224
    preprocessing: Preprocessing | None = None


def open_source(
    data: str, options: SourceOptions, on_progress: OnProgress = no_progress
) -> ClipSource:
    """The clips of the data set called `data`: tokens from `features`, else frames of the files in
    `videos`.

    Data sets of pictures read the folder as `finereel.data.pictures` says. Without either,
    `reelworld` is rendered, and files are looked for beside the annotations of a
    data set that keeps them there. on_progress: told while videos are decoded into the cache, which
    is the only slow part. Raises ConfigError when nothing says where the clips are.

    >>> open_source("reelworld", SourceOptions(image_size=32)).description["source"]
    'reelworld'
    """
    if options.features is not None:
        store = FeatureStore(options.features)
        return (
            FewerFrames(store, options.num_frames)
            if store.num_frames > options.num_frames
            else store
        )
    if data == "reelworld" and options.videos is None and options.annotations is None:
        return WorldSource(options.image_size, options.num_frames)
    videos = options.videos or _beside(data, options.annotations)
    if videos is None:
        raise ConfigError(
            f"{data}: where are its clips? Give their folder (--videos DIR), or precomputed tokens "
            "(--features DIR)"
        )
    if data in datasets.PICTURES:
        from finereel.data.pictures import PictureStore

        return PictureStore(
            videos, options.num_frames, options.image_size, options.preprocessing, on_progress
        )
    from finereel.data.frames import (
        FrameSettings,
        FrameStore,
        default_cache,
    )  # torch, which captions do not need

    settings = FrameSettings(
        options.num_frames, options.image_size, preprocessing=options.preprocessing
    )
    return FrameStore(videos, options.cache or default_cache(), settings, on_progress)


def captions_of(
    source: Path | None, form: str = CAPTION_FILE, split: str | None = None
) -> Iterator[Caption]:
    """The captions that `source` holds, in order: a file of them, or the annotations of the data
    set called `form`.

    split: one split of the data set; None for all of them, each caption once. ReelWorld needs no
    files. Raises ConfigError for an unknown form or split, DataError for files that do not parse.

    >>> CAPTION_FORMS[:3]
    ('captions', 'fiftyone', 'msrvtt')
    """
    if form == CAPTION_FILE:
        if source is None or split is not None:
            raise ConfigError(
                f"a file of captions has a path and no splits, got {source} and split {split}"
            )
        yield from read_captions(source)
        return
    if form == DETECTIONS:
        if source is None or split is not None:
            raise ConfigError(f"expected the folder with labels.json and no split, got {split}")
        yield from _labels(source)
        return
    if form not in datasets.DATASETS:
        raise unknown_name("format of captions", form, CAPTION_FORMS)
    dataset = datasets.load(form, source)
    seen: set[str] = set()
    for name in _every_caption(dataset) if split is None else [split]:
        for caption in dataset.split(name).captions:
            if caption.id not in seen:
                seen.add(caption.id)
                yield Caption(caption.id, caption.video_id, caption.text)


def _labels(folder: Path) -> Iterator[Caption]:
    """The labels of every video, each once."""
    texts = dict.fromkeys((label.video_id, label.text) for label in read_spans(folder))
    numbers: Counter[str] = Counter()
    for video, text in texts:
        yield Caption(f"{video}#{numbers[video]}", video, text)
        numbers[video] += 1


def _every_caption(dataset: Dataset) -> list[str]:
    """The splits that together hold every caption, without those that say the same under
    other ids.
    """
    twice = SAID_TWICE.get(dataset.name, {})
    return [name for name in dataset.splits if twice.get(name) not in dataset.splits]


def _beside(data: str, annotations: Path | None) -> Path | None:
    if annotations is None or data not in ("folder", "reelworld"):
        return None
    return annotations if annotations.is_dir() else annotations.parent


# CAPTION FILES -> CAPTION ROWS: a CSV or JSONL of id, video_id and caption, the input of every
# generator.
COLUMNS = ("id", "video_id", "caption")
_OF_A_FOLDER = "a file with the columns video and caption is read with --format folder"


def read_captions(path: Path) -> Iterator[Caption]:
    """The captions of a .csv or .jsonl file with the columns `id`, `video_id` and `caption`, in
    their order.

    A caption is carried as it stands: white space around it, control characters, HTML and formulas.
    Other columns are not read. Raises DataError, naming file and line, for rows that do not parse,
    an empty caption, a NUL, and an id that occurs twice; and for a file of another kind.
    """
    for row in unique(_rows(path), "id"):
        yield Caption(row.name("id"), row.name("video_id"), row.raw("caption"))


def captions_by_id(captions: Iterable[Caption]) -> dict[str, Caption]:
    """The rows by their id, in order.

    >>> list(captions_by_id([Caption("v1#0", "v1", "a dog runs")]))
    ['v1#0']
    """
    return {row.id: row for row in captions}


def _rows(path: Path) -> Iterator[Row]:
    kind = path.suffix.lower()
    if kind == ".csv":
        return read_csv(path, COLUMNS, otherwise=_OF_A_FOLDER)
    if kind == ".jsonl":
        return read_jsonl(path)
    raise DataError(
        f"expected a .csv or .jsonl file with {', '.join(COLUMNS)}, got {path}; or name its data "
        "set"
    )
