"""Files of data sets in which a query names moments of a video: QVHighlights, Charades-STA, and
FiftyOne's temporal detections.

QVHighlights: `highlight_SPLIT_release.jsonl`, a line a query with `qid`, `query`, `vid` and
`relevant_windows`. Charades-STA: `charades_sta_SPLIT.txt`, lines `VIDEO START END##SENTENCE`.
Predictions are written in the form of QVHighlights.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from finereel.data.fiftyone import read_spans
from finereel.errors import DataError, unknown_name
from finereel.io.atomic import write_file
from finereel.io.tables import Json, Row, need_file, read_jsonl, read_lines
from finereel.statistics.spans import Span

_LINE = re.compile(r"(\S+)\s+([0-9.]+)\s+([0-9.]+)\s*##\s*(.+)")


@dataclass(frozen=True)
class MomentQuery:
    """A query whose moments in a video are known. id: as the file has it; spans: in seconds."""

    id: int | str
    text: str
    video_id: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class FoundMoments:
    """Predicted spans of a query with their scores, best first."""

    query: MomentQuery
    spans: tuple[Span, ...]
    scores: tuple[float, ...]


def read_moments(name: str, folder: Path, split: str) -> list[MomentQuery]:
    """The queries of a split.

    Args:
        name: A name in MOMENT_SETS.
        folder: The folder of the annotation files.
        split: Such as `val` or `test`.

    Returns:
        The queries, in the order of the file.

    Raises:
        ConfigError: If the name is unknown.
        DataError: If a file or line is not as described, or there is no query.
    """
    if name not in MOMENT_SETS:
        raise unknown_name("data set with moments", name, MOMENT_SETS)
    found = list(MOMENT_SETS[name](folder, split))
    if not found:
        raise DataError(f"expected queries of the split {split} in {folder}, found none")
    return found


def _qvhighlights(folder: Path, split: str) -> Iterator[MomentQuery]:
    for row in read_jsonl(need_file(folder, f"highlight_{split}_release.jsonl")):
        qid, windows = row.values.get("qid"), row.values.get("relevant_windows")
        if not isinstance(qid, int | str):
            raise row.error(f"expected 'qid' to be a number or a text, got {qid!r}")
        if not isinstance(windows, list) or not windows:
            raise row.error(
                "expected 'relevant_windows' to be a list of [start, end]; a split without them, "
                "such as test, cannot be evaluated here"
            )
        spans = tuple(_span(row, window) for window in windows)
        yield MomentQuery(qid, row.text("query"), row.name("vid"), spans)


def _charades(folder: Path, split: str) -> Iterator[MomentQuery]:
    rows = read_lines(need_file(folder, f"charades_sta_{split}.txt"))
    for number, row in enumerate(rows):
        line = str(next(iter(row.values.values())))
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise row.error(f"expected VIDEO START END##SENTENCE, got {line!r}")
        video, start, end, text = match.groups()
        yield MomentQuery(number, text.strip(), video, (_span(row, [float(start), float(end)]),))


def _fiftyone(folder: Path, split: str) -> Iterator[MomentQuery]:
    """Every label of a video with all its spans; such a folder is one split, whatever its name."""
    del split
    spans: dict[tuple[str, str], list[Span]] = {}
    for label in read_spans(folder):
        spans.setdefault((label.video_id, label.text), []).append(label.span)
    for number, ((video, text), found) in enumerate(spans.items()):
        yield MomentQuery(number, text, video, tuple(found))


def _span(row: Row, window: Json) -> Span:
    if (
        not isinstance(window, list)
        or len(window) != 2
        or not all(isinstance(edge, int | float) for edge in window)
        or not 0 <= window[0] < window[1]
    ):
        raise row.error(f"expected [start, end] in seconds with 0 <= start < end, got {window!r}")
    return float(window[0]), float(window[1])


MOMENT_SETS: Mapping[str, Callable[[Path, str], Iterator[MomentQuery]]] = {
    "qvhighlights": _qvhighlights,
    "charades": _charades,
    "fiftyone": _fiftyone,
}
"""The data sets by their names."""


def write_predictions(path: Path, found: Iterable[FoundMoments]) -> None:
    """Write predictions as a QVHighlights submission: a line a query with
    `pred_relevant_windows`, a list of [start, end, score].
    """
    lines = [
        json.dumps(
            {
                "qid": each.query.id,
                "query": each.query.text,
                "vid": each.query.video_id,
                "pred_relevant_windows": [
                    [*span, score] for span, score in zip(each.spans, each.scores, strict=True)
                ],
            },
            ensure_ascii=False,
        )
        for each in found
    ]
    write_file(path, "".join(f"{line}\n" for line in lines).encode())
