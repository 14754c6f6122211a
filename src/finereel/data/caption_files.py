"""Read captions from a CSV or JSONL file of id, video_id and caption, the input of every generator."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from finereel.data.base import Caption
from finereel.errors import DataError
from finereel.io.tables import Row, read_csv, read_jsonl, unique

COLUMNS = ("id", "video_id", "caption")


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
        return read_csv(path, COLUMNS)
    if kind == ".jsonl":
        return read_jsonl(path)
    raise DataError(
        f"expected a .csv or .jsonl file with {', '.join(COLUMNS)}, got {path}; or name its data "
        "set"
    )
