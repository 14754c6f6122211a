"""FiftyOne's layout of temporal detections, read as captions with times.

    data.json      {"UUID": "path of the video", ...}
    labels.json    {"classes": [...], "labels": {"UUID": [{"label": 0, "timestamps": [start, end]}, ...]}}

Only `labels.json` is read: as everywhere here, the id of a video (the UUID) is found among the
files of a folder by its name. With `classes` a label is a number of it, without it the label is the
text itself. Seconds count from the beginning of the file; FiftyOne's other form, `support` in
frames, is refused, because frames alone do not say when. The package fiftyone is not needed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from finereel.errors import DataError
from finereel.io.tables import Json, json_object, need_file, read_json
from finereel.statistics.spans import Span

LABELS, DATA = "labels.json", "data.json"


@dataclass(frozen=True)
class LabelledSpan:
    """A text of a stretch of a video. span: start and end in seconds."""

    video_id: str
    text: str
    span: Span


def read_spans(folder: Path) -> list[LabelledSpan]:
    """What `labels.json` says, in its order.

    Args:
        folder: The folder of the data set, or the file itself.

    Returns:
        The labelled stretches; none of a video whose labels are null.

    Raises:
        DataError: The file is not as described; it names the video.
    """
    path = folder if folder.is_file() else need_file(folder, LABELS)
    described = json_object(path, read_json(path))
    classes, labels = described.get("classes"), described.get("labels")
    if not isinstance(labels, dict):
        raise DataError(f"{path}: expected 'labels' to be an object of lists, got {type(labels)}")
    if classes is not None and not isinstance(classes, list):
        raise DataError(f"{path}: expected 'classes' to be a list of texts")
    return [
        LabelledSpan(video, _text(path, video, row.get("label"), classes), _span(path, video, row))
        for video, rows in labels.items()
        for row in _rows(path, video, rows)
    ]


def _rows(path: Path, video: str, rows: Json) -> Iterator[dict[str, Json]]:
    if rows is None:
        return
    if not isinstance(rows, list):
        raise DataError(f"{path}, video {video!r}: expected a list of labels or null")
    for row in rows:
        yield json_object(path, row, f"a label of {video!r}")


def _text(path: Path, video: str, label: Json, classes: list[Json] | None) -> str:
    text = label
    if classes is not None and isinstance(label, int) and not isinstance(label, bool):
        text = classes[label] if 0 <= label < len(classes) else None
    if not isinstance(text, str) or not text.strip():
        known = "" if classes is None else f" or a number below {len(classes)}"
        raise DataError(f"{path}, video {video!r}: expected a label as text{known}, got {label!r}")
    return text.strip()


def _span(path: Path, video: str, row: Mapping[str, Json]) -> Span:
    times = row.get("timestamps")
    if (
        isinstance(times, list)
        and len(times) == 2
        and all(isinstance(edge, int | float) and not isinstance(edge, bool) for edge in times)
    ):
        start, end = (float(edge) for edge in times if isinstance(edge, int | float))
        if 0 <= start < end < float("inf"):
            return start, end
    hint = "; 'support' counts frames: export it with timestamps" if "support" in row else ""
    raise DataError(
        f"{path}, video {video!r}: expected 'timestamps' [start, end] in seconds with 0 <= start < "
        f"end, got {times!r}{hint}"
    )
