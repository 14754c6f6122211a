"""The native format: one JSON object per line with the fields of `Negative`; empty fields may be
left out.
"""

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from finereel.errors import DataError
from finereel.finegrain.files.base import UNTOLD, Format, Known, Shape, write_lines
from finereel.finegrain.types import CHANGES, Change, Negative
from finereel.io.tables import Row, json_object, parse_json, quoted

FIELDS = tuple(field.name for field in dataclasses.fields(Negative))
NEEDED = FIELDS[: FIELDS.index("method") + 1]
_EMPTY: Mapping[str, Any] = {
    "lemma": "",
    "replacement_lemma": "",
    "tag": "",
    "sense": (),
    "pair": "",
    "scores": {},
    "seed": None,
    "generator": "",
    "extra": {},
}
# Line breaks to some readers, and what terminals act upon; JSON itself lets them through.
_RISKY = re.compile("[\x7f-\x9f\u2028\u2029]")


def line_of(row: Negative) -> str:
    """One negative as its line, without the newline. Raises DataError for scores that are no finite
    numbers.

    >>> line = line_of(Negative("a/0", "v1", "v1#0", "a dog", "a cat", "noun", 2, 5, "dog", "cat", "set"))
    >>> line.startswith('{"id": "a/0", "video_id": "v1"'), "lemma" in line
    (True, False)
    """
    values = {
        name: value for name in FIELDS if (value := getattr(row, name)) != _EMPTY.get(name, ...)
    }
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise DataError(
            f"negative {quoted(row.id)}: scores must be finite numbers ({error})"
        ) from error
    return _RISKY.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def negative_of(row: Row) -> Negative:
    """The negative in a row of a file.

    Raises DataError for fields that are absent, unknown or of the wrong kind, and for a span that
    is not `source`.
    """
    values = row.values
    stray = next((name for name in values if name not in FIELDS), None)
    if stray is not None:
        raise row.error(
            f"unknown field {quoted(stray)}: expected {', '.join(FIELDS)}; put other facts under "
            "'extra'"
        )
    pos, caption, source = values.get("pos"), row.raw("caption"), _text(row, "source")
    if pos not in CHANGES:
        raise row.error(f"expected 'pos' to be one of {', '.join(CHANGES)}, got {quoted(pos)}")
    start, end = _whole(row, "start"), _whole(row, "end")
    if not 0 <= start <= end <= len(caption) or caption[start:end] != source:
        raise row.error(
            f"characters {start} to {end} of the caption are {quoted(caption[start:end])}, not the "
            "source "
            f"{quoted(source)}; offsets count characters of 'caption' as it stands"
        )
    return Negative(
        row.name("id"),
        row.name("video_id"),
        row.name("caption_id"),
        caption,
        row.raw("negative"),
        cast(Change, pos),
        start,
        end,
        source,
        _text(row, "replacement"),
        _text(row, "method"),
        lemma=_text(row, "lemma"),
        replacement_lemma=_text(row, "replacement_lemma"),
        tag=_text(row, "tag"),
        sense=tuple(_texts(row, "sense")),
        pair=_text(row, "pair"),
        scores=_scores(row),
        seed=None if values.get("seed") is None else _whole(row, "seed"),
        generator=_text(row, "generator"),
        extra=_object(row, "extra"),
    )


def read(path: Path, known: Known = UNTOLD) -> Iterator[Negative]:
    """The negatives of a file, read line by line.

    Raises DataError, naming file and line, for what `negative_of` refuses and for an id that stands
    twice.
    """
    first: dict[str, str] = {}
    for row in read_rows(path):
        negative = negative_of(row)
        if negative.id in first:
            raise row.error(
                f"the id {quoted(negative.id)} was listed already ({first[negative.id]}); ids "
                "must differ"
            )
        first[negative.id] = row.place
        yield negative
    if not first:
        raise DataError(f"{path} is empty: expected one negative per line")


def read_rows(path: Path) -> Iterator[Row]:
    """The lines of a JSONL file of any size as rows; blank lines pass."""
    if not path.is_file():
        what = (
            "is a folder"
            if path.is_dir()
            else "is no regular file"
            if path.exists()
            else "does not exist"
        )
        raise DataError(f"expected a file of negatives, {path} {what}")
    with path.open("rb") as file:
        for number, data in enumerate(file, 1):
            place = f"line {number}"
            try:
                line = data.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(f"{path}, {place}: not UTF-8; save the file as UTF-8") from error
            if line.strip():
                yield Row(path, place, json_object(path, parse_json(line, path, number), place))


def write(rows: Iterable[Negative], path: Path) -> None:
    """Write the rows as they come, one line each."""
    write_lines(map(line_of, rows), path)


def _fits(shape: Shape) -> bool:
    return shape.container == "lines" and shape.has("negative", "start", "end")


FORMAT = Format(read, write, _fits)


def _text(row: Row, name: str) -> str:
    """The text called `name`, which may be empty; absent where the form allows it, it is empty."""
    value = row.values.get(name, None if name in NEEDED else "")
    if not isinstance(value, str):
        raise row.error(
            f"expected {name!r} to be text, got "
            f"{'nothing' if name not in row.values else quoted(value)}"
        )
    return row.raw(name) if value.strip() else value


def _texts(row: Row, name: str) -> list[str]:
    value = row.values.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise row.error(f"expected {name!r} to be a list of texts, got {quoted(value)}")
    return value


def _whole(row: Row, name: str) -> int:
    value = row.values.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise row.error(f"expected {name!r} to be a whole number, got {quoted(value)}")
    return value


def _object(row: Row, name: str) -> Mapping[str, Any]:
    value = row.values.get(name, {})
    if not isinstance(value, dict):
        raise row.error(f"expected {name!r} to be an object, got {quoted(value)}")
    return value


def _scores(row: Row) -> Mapping[str, float]:
    scores = _object(row, "scores")
    for name, value in scores.items():
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not math.isfinite(value)
        ):
            raise row.error(
                f"expected the score {quoted(name)} to be a finite number, got {quoted(value)}"
            )
    return {name: float(value) for name, value in scores.items()}
