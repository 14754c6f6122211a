"""NegCLIP's training TSV (arXiv 2210.01936): title, filepath, neg_caption (a Python list of texts),
neg_image.

NegCLIP draws one of a row's negatives at every step, so a row without any is refused.
"""

import ast
import csv
import io
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from finereel.finegrain.files.base import Format, Known, Shape, write_text
from finereel.finegrain.files.records import found_caption, negative_between
from finereel.finegrain.types import Negative
from finereel.io.tables import Row, quoted, read_csv

NEEDED = ("title", "filepath", "neg_caption")
COLUMNS = ("", *NEEDED, "neg_image")
"""As pandas writes them: the number of the row has no name."""


def read(path: Path, known: Known) -> Iterator[Negative]:
    """The negatives of every row. Raises DataError for a list that is none or empty."""
    find = found_caption(known)
    for number, row in enumerate(read_csv(path, NEEDED, "\t")):
        video, caption = row.name("filepath"), row.raw("title")
        kept = {name: value for name, value in row.values.items() if name not in NEEDED}
        for place, text in enumerate(_texts(row)):
            yield negative_between(
                "negclip",
                row,
                (caption, text),
                place=f"{number}/{place}",
                video_id=video,
                caption_id=find(video, caption),
                pos=known.pos or "other",
                method="swap",
                extra={"row": number, "columns": kept},
            )


def write(rows: Iterable[Negative], path: Path) -> None:
    """Write one row for each caption, with all its negatives that follow one another."""
    out = io.StringIO(newline="")
    records = [
        _record(number, list(group)) for number, (_, group) in enumerate(groupby(rows, key=_group))
    ]
    names = list(dict.fromkeys([name for record in records for name in record] or COLUMNS))
    table = csv.DictWriter(out, names, delimiter="\t", lineterminator="\n", restval="")
    table.writeheader()
    table.writerows(records)
    write_text([out.getvalue()], path)


def _group(row: Negative) -> tuple[str, Any]:
    return row.caption_id, row.extra.get("row") if row.generator == "negclip" else None


def _record(number: int, rows: list[Negative]) -> dict[str, str]:
    first = rows[0]
    kept = (
        first.extra["columns"]
        if first.generator == "negclip"
        else {"": str(number), "neg_image": "[]"}
    )
    fields = {
        **kept,
        "title": first.caption,
        "filepath": first.video_id,
        "neg_caption": repr([row.negative for row in rows]),
    }
    return {name: fields[name] for name in (*COLUMNS, *fields) if name in fields}


def _texts(row: Row) -> list[str]:
    try:
        value = ast.literal_eval(row.text("neg_caption"))
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise row.error(
            f"expected 'neg_caption' to be a list of texts as Python writes it ({error})"
        ) from error
    if not isinstance(value, list):
        raise row.error(f"expected 'neg_caption' to be a list of texts, got {quoted(value)}")
    if not value:
        raise row.error(
            "expected at least one text in 'neg_caption', got an empty list; leave such a row out"
        )
    return [Row(row.path, row.place, {"neg_caption": item}).raw("neg_caption") for item in value]


def _fits(shape: Shape) -> bool:
    return shape.container == "table" and shape.has(*NEEDED)


FORMAT = Format(read, write, _fits)
