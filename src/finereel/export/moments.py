"""What is exported: the hits of an answer as a list of moments, with what their files are."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finereel.errors import DataError
from finereel.index.facts import FileFacts
from finereel.io.tables import parse_json, quoted, read_text


@dataclass(frozen=True)
class ExportMoment:
    """A moment of a video.

    start, end, best_frame: seconds. clip_id: empty where it is not known. facts: those of the file,
    as far as they are known.
    """

    video: str
    start: float
    end: float
    best_frame: float
    score: float
    clip_id: str = ""
    source: str = "seen"
    said: str = ""
    fits: str = ""
    facts: FileFacts = field(default_factory=FileFacts)

    @property
    def name(self) -> str:
        """Name of the video file, without its folder."""
        return Path(self.video).name


@dataclass(frozen=True)
class ExportList:
    """Moments in the order of their ranks.

    query: what was asked, empty where the clips were chosen by hand. document: the answer as version
    2 of the JSON has it, see `finereel.index.as_json`.
    """

    query: str
    moments: tuple[ExportMoment, ...]
    document: Mapping[str, Any]

    @property
    def title(self) -> str:
        """A name for a timeline, on one line.

        >>> ExportList("a dog", (), {}).title, ExportList("", (), {}).title
        ('a dog', 'finereel clips')
        """
        words = "".join(letter if letter.isprintable() else " " for letter in self.query)
        return " ".join(words.split())[:70] or "finereel clips"

    @classmethod
    def of(
        cls, document: Mapping[str, Any], facts: Mapping[str, FileFacts] | None = None
    ) -> "ExportList":
        """The moments of an answer in version 2 of the JSON.

        Raises DataError where a hit is not what `finereel search --json` prints.
        """
        known = facts or {}
        query = document.get("query")
        hits = document.get("hits")
        if not isinstance(hits, list):
            raise DataError(f"expected hits as a list, got {quoted(hits)}")
        return cls(
            query if isinstance(query, str) else "",
            tuple(_moment(hit, number, known) for number, hit in enumerate(hits)),
            document,
        )


def read_hits(path: Path) -> dict[str, Any]:
    """The answer in a file that `finereel search --json` or `--json-version 2` printed, as version 2
    has it.

    Raises DataError where it is something else.
    """
    value = parse_json(read_text(path), path)
    if isinstance(value, list):
        value = {"query": "", "confidence": None, "said": 0, "hits": value}
    if not isinstance(value, dict) or not isinstance(value.get("hits"), list):
        raise DataError(
            f"{path}: expected what `finereel search TEXT --json` prints, got {quoted(value)}"
        )
    try:
        ExportList.of(value)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return value


def _moment(hit: Any, number: int, known: Mapping[str, FileFacts]) -> ExportMoment:
    if not isinstance(hit, dict):
        raise DataError(f"hits[{number}]: expected an object, got {quoted(hit)}")

    def seconds(name: str, default: float | None = None) -> float:
        value = hit.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise DataError(f"hits[{number}]: expected a number as {name}, got {quoted(value)}")
        if not math.isfinite(value):
            raise DataError(f"hits[{number}]: expected a finite {name}, got {value}")
        return float(value)

    def text(name: str, default: str = "") -> str:
        value = hit.get(name, default)
        if not isinstance(value, str):
            raise DataError(f"hits[{number}]: expected text as {name}, got {quoted(value)}")
        return value

    video, start, end = text("video"), seconds("start"), seconds("end")
    if not video or "\0" in video or not 0 <= start < end:
        raise DataError(
            f"hits[{number}]: expected a video and 0 <= start < end, got {quoted(video)}, "
            f"{start:g} and {end:g}"
        )
    return ExportMoment(
        video,
        start,
        end,
        seconds("best_frame", start),
        seconds("score", 0.0),
        text("clip_id"),
        text("source", "seen"),
        text("said"),
        text("fits"),
        known.get(video, FileFacts()),
    )
