"""Read and write files with one record per negative, the format of most published sets."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finereel.errors import ConfigError, DataError
from finereel.finegrain.files.base import Format, Known, Shape, write_lines, write_text
from finereel.finegrain.files.jsonl import read_rows
from finereel.finegrain.files.span import changed_span
from finereel.finegrain.types import Negative
from finereel.io.tables import Row, json_object, json_rows, keyed_rows, read_csv, read_json

KEY = "key"
"""Under `extra`: the name of a record in a file that is an object of records."""


def found_caption(known: Known) -> Callable[[str, str], str]:
    """A function (video, caption) -> id of the caption: the known one, else made from the text.

    A made id is the same for the same caption of the same video in any file.

    >>> found_caption(Known())("v1", "a dog runs")
    'v1#60045ea8'
    """
    ids = {(row.video_id, row.text.strip()): row.id for row in reversed([*known.captions.values()])}

    def find(video: str, caption: str) -> str:
        made = hashlib.blake2b(caption.strip().encode(), digest_size=4).hexdigest()
        return str(ids.get((video, caption.strip()), f"{video}#{made}"))

    return find


def negative_between(form: str, row: Row, texts: tuple[str, str], **fields: Any) -> Negative:
    """A negative of a form that says no more than two texts: what changed is found by comparing
    them.
    """
    change = changed_span(*texts)
    place = fields.pop("place", row.place)
    return Negative(
        id=f"{_short(row.path.stem)}/{place}",
        caption=texts[0],
        negative=texts[1],
        start=change.start,
        end=change.end,
        source=change.source,
        replacement=change.replacement,
        generator=form,
        **fields,
    )


@dataclass(frozen=True)
class RecordForm:
    """A form whose records have a video, a caption and one negative, each under its own name.

    layout: `object`, `list` or `lines` (JSONL); `rows` are a list, JSONL or CSV by the ending of
    the file. method: the field with a record's category; empty, the category is the name of the
    file. others: the fields a written record has besides, where the rows come from elsewhere. cut:
    an ending of file names that is no part of a video's id.
    order: all fields in the order of the published files. marks: names by which a record is known
    to be of this form.
    """

    name: str
    layout: str
    video: str
    caption: str
    negative: str
    method: str = ""
    cut: str = ""
    order: Sequence[str] = ()
    others: Mapping[str, Any] = field(default_factory=dict)
    marks: Sequence[str] = ()

    def format(self) -> Format:
        """The form as FORMATS has it."""
        return Format(self.read, self.write, self.fits)

    def fits(self, shape: Shape) -> bool:
        """Whether a file has the layout of this form and the marks in its first record."""
        layouts = {"list", "lines", "table"} if self.layout == "rows" else {self.layout}
        return shape.container in layouts and shape.has(
            *(self.marks or (self.video, self.caption, self.negative))
        )

    def read(self, path: Path, known: Known) -> Iterator[Negative]:
        """The negatives of a file. `pos` is `other`: a category of these sets is no part of
        speech.
        """
        find, pos = found_caption(known), known.pos or "other"
        for number, (key, row) in enumerate(self._records(path)):
            video = row.name(self.video).removesuffix(self.cut)
            caption = row.raw(self.caption)
            kept = {
                name: value
                for name, value in row.values.items()
                if name not in (self.caption, self.negative)
            }
            yield negative_between(
                self.name,
                row,
                (caption, row.raw(self.negative)),
                place=str(number) if key is None else key,
                video_id=video,
                caption_id=find(video, caption),
                pos=pos,
                method=row.name(self.method) if self.method else _short(path.stem),
                extra=kept if key is None else {**kept, KEY: key},
            )

    def write(self, rows: Iterable[Negative], path: Path) -> None:
        """Write rows; ConfigError for rows of several files where a file can hold but one."""
        listed = list(rows)
        keys = [
            _key(row, number) if self._own(row) else str(number)
            for number, row in enumerate(listed)
        ]
        values = [self._record(row) for row in listed]
        kind = path.suffix.lower() if self.layout == "rows" else ""
        if self.layout == "object":
            by_key = dict(zip(keys, values, strict=True))
            if len(by_key) < len(values):
                raise ConfigError(
                    f"a {self.name} file holds one category, got rows of several: write one file "
                    "for each"
                )
            write_text([json.dumps(by_key, indent=4)], path)
        elif self.layout == "lines" or kind == ".jsonl":
            write_lines(map(json.dumps, values), path)
        elif kind == ".csv":
            write_text([_as_csv(values)], path)
        else:
            write_text([json.dumps(values, indent=4)], path)

    def _own(self, row: Negative) -> bool:
        return row.generator == self.name

    def _record(self, row: Negative) -> dict[str, Any]:
        fields = {**self.others, self.video: row.video_id + self.cut}
        if self.method:
            fields[self.method] = row.method
        if self._own(row):
            fields = {name: value for name, value in row.extra.items() if name != KEY}
        fields |= {self.caption: row.caption, self.negative: row.negative}
        return {name: fields[name] for name in (*self.order, *fields) if name in fields}

    def _records(self, path: Path) -> Iterator[tuple[str | None, Row]]:
        """The records of a file, each with its key where the file gives it one."""
        if self.layout == "object":
            for row in keyed_rows(path):
                yield (
                    row.name("id"),
                    Row(path, row.place, json_object(path, row.values["value"], row.place)),
                )
        else:
            yield from ((None, row) for row in self._listed(path))

    def _listed(self, path: Path) -> Iterator[Row]:
        ending = path.suffix.lower()
        if self.layout == "lines" or (self.layout == "rows" and ending == ".jsonl"):
            rows = list(read_rows(path))
            if not rows:
                raise DataError(f"{path} is empty: expected one record per line")
            return iter(rows)
        if self.layout == "rows" and ending == ".csv":
            return read_csv(path, [self.video, self.caption, self.negative])
        return json_rows(path, read_json(path))


def _key(row: Negative, number: int) -> str:
    return str(row.extra.get(KEY, number))


def _as_csv(records: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO(newline="")
    names = list(dict.fromkeys(name for record in records for name in record))
    table = csv.DictWriter(out, names, lineterminator="\n")
    table.writeheader()
    table.writerows(records)
    return out.getvalue()


def _short(stem: str) -> str:
    """The name of a file as part of an id."""
    return "".join(character for character in stem if character.isprintable())[:100] or "file"
