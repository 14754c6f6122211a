"""The demo's queries and their results."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from finereel.errors import DataError
from finereel.types import Hit

Search = Callable[[str], Sequence[Hit]]
POS_ORDER = ("verb", "preposition", "adverb", "adjective", "noun")


@dataclass(frozen=True)
class DemoTwin:
    """The same scene with one word's meaning changed: its part of speech, its caption, its video,
    both words.
    """

    pos: str
    caption: str
    video: str
    source: str
    replacement: str


@dataclass(frozen=True)
class DemoClip:
    """A rendered scene: its video (relative to the folder), a caption that is true of it, its
    twins.
    """

    video: str
    caption: str
    twins: tuple[DemoTwin, ...]


@dataclass(frozen=True)
class DemoSearch:
    """A query, its hits best first with their videos' names, and the name of the video that it
    describes.
    """

    query: str
    right: str
    names: tuple[str, ...]
    hits: tuple[Hit, ...]

    @property
    def rank(self) -> int:
        """Where the right video came, from 1; 0 where it is not among the hits."""
        return self.names.index(self.right) + 1 if self.right in self.names else 0

    @property
    def right_path(self) -> str:
        """The right video as the hits name it."""
        return self.hits[self.rank - 1].video if self.rank else ""

    def score_of(self, name: str) -> float:
        """The score of a video among the hits."""
        return self.hits[self.names.index(name)].score

    def prefers_right_to(self, other: str) -> bool:
        """Whether the right video stands before `other`."""
        return bool(self.rank) and other not in self.names[: self.rank]


@dataclass(frozen=True)
class DemoPair:
    """A clip and its twin, each asked for with its own caption; the captions differ in one word."""

    twin: DemoTwin
    clip: DemoSearch
    other: DemoSearch

    @property
    def flips(self) -> bool:
        """Whether the word decides: each caption puts its own video before the other one."""
        return self.clip.prefers_right_to(self.other.right) and self.other.prefers_right_to(
            self.clip.right
        )


def read_clips(folder: Path) -> list[DemoClip]:
    """The clips of a ReelWorld folder as its captions.jsonl lists them."""
    clips = []
    for number, line in enumerate(
        (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines(), 1
    ):
        try:
            record = json.loads(line)
            twins = tuple(
                DemoTwin(**{name: twin[name] for name in DemoTwin.__match_args__})
                for twin in record["twins"]
            )
            clips.append(DemoClip(record["video"], record["caption"], twins))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{folder / 'captions.jsonl'}, line {number} is not a ReelWorld clip ({error!r}); "
                f"remove {folder} and run the demo again"
            ) from error
    return clips


def ask(search: Search, query: str, right: str, folder: Path) -> DemoSearch:
    """Search for `query`, the caption of the video `right` (a name relative to `folder`)."""
    hits = tuple(search(query))
    return DemoSearch(query, right, tuple(name_of(hit, folder) for hit in hits), hits)


def ask_pair(search: Search, clip: DemoClip, twin: DemoTwin, folder: Path) -> DemoPair:
    """Search for a clip's caption and for its twin's."""
    return DemoPair(
        twin,
        ask(search, clip.caption, clip.video, folder),
        ask(search, twin.caption, twin.video, folder),
    )


def name_of(hit: Hit, folder: Path) -> str:
    """The hit's video relative to the folder of the videos."""
    path = Path(hit.video)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else hit.video


def tell_tale(pairs: Sequence[DemoPair]) -> DemoPair | None:
    """The pair to show: one whose word decides, and whose two videos come first; verbs before
    nouns.
    """

    def telling(pair: DemoPair) -> tuple[int, int]:
        return pair.clip.rank + pair.other.rank, POS_ORDER.index(pair.twin.pos)

    return min((pair for pair in pairs if pair.flips), key=telling, default=None)


def count_by_pos(pairs: Sequence[DemoPair]) -> dict[str, tuple[int, int]]:
    """Per part of speech: pairs whose word decides, and all pairs."""
    groups = {pos: [pair for pair in pairs if pair.twin.pos == pos] for pos in POS_ORDER}
    return {
        pos: (sum(pair.flips for pair in group), len(group))
        for pos, group in groups.items()
        if group
    }
