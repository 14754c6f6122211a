"""Gather captions by video and build splits from them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from finereel.data.base import Caption, Split
from finereel.io.tables import Row, quoted


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
