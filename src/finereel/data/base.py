"""The types of a data set: captions, splits, and sources of clips.

A data set says *who belongs with whom* and nothing else; a `ClipSource` gives the pixels or
precomputed tokens of a video by its id. Training and evaluation take a `Split` and a `ClipSource`,
whatever stands behind them.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int64, Shaped

from finereel.errors import DataError, unknown_name
from finereel.io.tables import Row, quoted


@dataclass(frozen=True, slots=True)
class Caption:
    """One text of one video; `id` is unique in its split or file."""

    id: str
    video_id: str
    text: str


@dataclass(frozen=True)
class Split:
    """Videos and their captions, both in the order of the annotation files. Every caption's video
    is in `videos`.

    >>> split = Split("test", ("v1", "v2"), (Caption("a", "v2", "a dog"), Caption("b", "v1", "a cat")))
    >>> split.video_of_caption.tolist(), len(split.hash)
    ([1, 0], 12)
    """

    name: str
    videos: tuple[str, ...]
    captions: tuple[Caption, ...]

    def __post_init__(self) -> None:
        for what, names in (
            ("video", self.videos),
            ("caption", [caption.id for caption in self.captions]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise DataError(
                    f"split {self.name}: {what} id {twice[0]!r} occurs {Counter(names)[twice[0]]} "
                    "times"
                )
        known = set(self.videos)
        stray = next((caption for caption in self.captions if caption.video_id not in known), None)
        if stray is not None:
            raise DataError(
                f"split {self.name}: caption {stray.id!r} is of {stray.video_id!r}, which is no "
                "video of it"
            )

    @cached_property
    def video_of_caption(self) -> Int64[np.ndarray, " T"]:
        """The number of each caption's video, as metrics take it."""
        number = {video: index for index, video in enumerate(self.videos)}
        return np.array([number[caption.video_id] for caption in self.captions], dtype=np.int64)

    @cached_property
    def hash(self) -> str:
        """12 hex characters over ids and texts in order: two results compare only where it
        agrees.
        """
        digest = hashlib.blake2b(digest_size=6)
        for part in (
            *self.videos,
            *(text for c in self.captions for text in (c.id, c.video_id, c.text)),
        ):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "little") + data)
        return digest.hexdigest()

    def first_captions(self, count: int) -> "Split":
        """The split with the first `count` captions of every video.

        >>> captions = (Caption("a", "v1", "a dog"), Caption("b", "v1", "a pet"))
        >>> [caption.id for caption in Split("val", ("v1",), captions).first_captions(1).captions]
        ['a']
        """
        taken: Counter[str] = Counter()
        kept = []
        for caption in self.captions:
            taken[caption.video_id] += 1
            if taken[caption.video_id] <= count:
                kept.append(caption)
        return Split(self.name, self.videos, tuple(kept))

    def only(self, videos: Sequence[str]) -> "Split":
        """The split without the videos that are not named, and without their captions; the order
        stays.
        """
        kept = set(videos)
        return Split(
            self.name,
            tuple(video for video in self.videos if video in kept),
            tuple(caption for caption in self.captions if caption.video_id in kept),
        )


@dataclass(frozen=True)
class CaptionProtocol:
    """How a data set is used in the papers: W tokens, F frames, and what one text is.

    texts: `single` (one caption per video), `multiple` (every caption is a query, a video's
    captions are one gallery item of the other direction), or `paragraph` (all sentences of a video
    joined).
    """

    max_words: int = 32
    max_frames: int = 12
    texts: str = "single"


@dataclass(frozen=True)
class SplitSize:
    """How large the papers say a split is; None where they do not agree or do not say."""

    videos: int | None
    captions: int | None


@dataclass(frozen=True)
class Dataset:
    """Named splits of one data set, the protocol of the papers, and which split to choose a
    checkpoint on.

    selection: the split for validation; None where the data set has none (hold some of `train`
    out). Never `test`.
    """

    name: str
    splits: Mapping[str, Split]
    protocol: CaptionProtocol = field(default_factory=CaptionProtocol)
    selection: str | None = "val"

    def __post_init__(self) -> None:
        if self.selection is not None and self.selection not in self.splits:
            raise DataError(
                f"{self.name}: selection split {self.selection!r} is none of "
                f"{', '.join(self.splits)}"
            )

    @property
    def tested(self) -> str:
        """The split to measure on where none is named: `test`, or the only one there is."""
        return next(iter(self.splits)) if len(self.splits) == 1 else "test"

    def split(self, name: str) -> Split:
        """The split called `name`; ConfigError lists those there are."""
        if name not in self.splits:
            raise unknown_name(f"split of {self.name}", name, self.splits)
        return self.splits[name]


@dataclass(frozen=True)
class ClipArrays:
    """V clips as the towers take them: pixels UInt8 (V, F, H, H, 3) or tokens Float32 (V, F, N, D),
    and real frames.
    """

    frames: Shaped[np.ndarray, "V F ..."]
    frame_mask: Bool[np.ndarray, "V F"]

    def __len__(self) -> int:
        return len(self.frames)


@runtime_checkable
class ClipSource(Protocol):
    """Where frames or tokens come from. Reading the same ids gives the same bytes."""

    @property
    def description(self) -> Mapping[str, str]:
        """What a result says about it: decoder and version, or backbone; JSON values."""
        ...

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        """Why each of these videos cannot be read, by id; those that can be are left out."""
        ...

    def read(self, videos: Sequence[str]) -> ClipArrays:
        """The clips of these videos, in order. Raises DataError or VideoError for one that cannot
        be read.
        """
        ...


@dataclass(frozen=True)
class FewerFrames:
    """A clip source thinned to at most `num_frames` frames, spread evenly over those it has."""

    source: ClipSource
    num_frames: int

    @property
    def description(self) -> Mapping[str, str]:
        return {**self.source.description, "kept_frames": str(self.num_frames)}

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        return self.source.problems(videos)

    def read(self, videos: Sequence[str]) -> ClipArrays:
        clips = self.source.read(videos)
        there = clips.frames.shape[1]
        kept = np.linspace(0, there - 1, min(there, self.num_frames)).round().astype(int)
        return ClipArrays(clips.frames[:, kept], clips.frame_mask[:, kept])


# ROWS -> SPLITS: captions gathered by video, and the splits cut out of them.
def paragraph(sentences: Iterable[str]) -> str:
    """All sentences of a video as one text, with single spaces; the papers' text of DiDeMo and
    ActivityNet.

    >>> paragraph(["A dog runs.", "  It\\nstops. "])
    'A dog runs. It stops.'
    """
    return " ".join(word for sentence in sentences for word in sentence.split())


@dataclass
class CaptionTable:
    """Captions by video in the order of the files. Without an id of its own, caption k of a video
    is "video#k".

    >>> from pathlib import Path
    >>> table, row = CaptionTable(), Row(Path("a.csv"), "line 2", {})
    >>> table.add(row, "v1", "a dog"); table.add(row, "v1", "a cat")
    >>> [caption.id for caption in table.split("all").captions]
    ['v1#0', 'v1#1']
    """

    by_video: dict[str, list[Caption]] = field(default_factory=dict)
    _first: dict[str, Row] = field(default_factory=dict)

    def add(self, row: Row, video: str, text: str, caption_id: str | None = None) -> None:
        """One caption more. Raises DataError, naming the row, for an id that is taken."""
        here = self.by_video.setdefault(video, [])
        name = f"{video}#{len(here)}" if caption_id is None else caption_id
        self.claim(row, name)
        here.append(Caption(name, video, text))

    def add_only(self, row: Row, video: str, text: str, caption_id: str | None = None) -> None:
        """The one caption of a video. Raises DataError for a video that has one already."""
        if video in self.by_video:
            raise row.error(
                f"{quoted(video)} was listed already, and a video has one text here; remove one"
            )
        self.add(row, video, text, caption_id)

    def claim(self, row: Row, name: str) -> None:
        """Take an id. Raises DataError when it is taken."""
        if name in self._first:
            raise row.error(
                f"the id {quoted(name)} was listed already ({self._first[name].place}); ids must "
                "differ"
            )
        self._first[name] = row

    def split(self, name: str) -> Split:
        """Every video and every caption."""
        return Split(
            name,
            tuple(self.by_video),
            tuple(caption for here in self.by_video.values() for caption in here),
        )

    def listed(self, name: str, rows: Iterable[Row], value: str = "line") -> Split:
        """The videos that the rows list, in their order. Raises DataError for one that has no
        caption.
        """
        videos = []
        for row in rows:
            videos.append(row.name(value))
            if videos[-1] not in self.by_video:
                raise row.error(
                    f"{quoted(videos[-1])} has no caption in the annotations ({len(self.by_video)} "
                    "videos)"
                )
        return Split(
            name,
            tuple(videos),
            tuple(caption for video in videos for caption in self.by_video[video]),
        )
