"""Read and write files of negatives in the native format and in those of published sets.
`read_negatives` detects the format.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from finereel.errors import DataError, unknown_name
from finereel.finegrain.files import contrast, jsonl, negclip, published, released
from finereel.finegrain.files.base import UNTOLD, Format, Known, Shape
from finereel.finegrain.files.jsonl import read_rows
from finereel.finegrain.types import Negative
from finereel.io.tables import csv_fields, read_json, read_text

FORMATS: dict[str, Format] = {
    "jsonl": jsonl.FORMAT,
    "released": released.RELEASED,
    "thesis": released.THESIS,
    **published.FORMATS,
    "contrast": contrast.FORMAT,
    "negclip": negclip.FORMAT,
}


def read_negatives(path: Path, form: str | None = None, known: Known = UNTOLD) -> list[Negative]:
    """The negatives of a file in any form of FORMATS.

    form: its name, None to go by what stands in the file. known: what the file does not say, such
    as the captions of a released file. Raises ConfigError for an unknown form, DataError (file and
    place) for what does not parse.
    """
    return list(iter_negatives(path, form, known))


def iter_negatives(
    path: Path, form: str | None = None, known: Known = UNTOLD
) -> Iterator[Negative]:
    """Like `read_negatives`, one by one where the form allows it."""
    return _format(form or recognise(path)).read(path, known)


def write_negatives(rows: Iterable[Negative], path: Path, form: str = "jsonl") -> None:
    """Write negatives in a form of FORMATS; under `path` stands the whole file or what stood there
    before.

    Raises ConfigError for an unknown form, and for rows that the form cannot hold.
    """
    _format(form).write(rows, path)


def recognise(path: Path) -> str:
    """The form of a file. Raises DataError when it is none of FORMATS or could be two."""
    shape = shape_of(path)
    found = [name for name, form in FORMATS.items() if form.fits(shape)]
    if len(found) != 1:
        what = " or ".join(found) if found else "no form of file known here"
        raise DataError(f"{path} looks like {what}: state its format, one of {', '.join(FORMATS)}")
    return found[0]


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise unknown_name("format of negatives", name, FORMATS)
    return FORMATS[name]


# The first look at a file of negatives: enough to tell one form from another.
def shape_of(path: Path) -> Shape:
    """What a file holds and its first record. Raises DataError for a file that is empty, broken or
    of another kind.
    """
    ending = path.suffix.lower()
    if ending == ".jsonl":
        first = next(read_rows(path), None)
        if first is None:
            raise DataError(f"{path} is empty: expected one negative per line")
        return Shape(ending, "lines", dict(first.values))
    if ending == ".json":
        value = read_json(path)
        if isinstance(value, dict) and value:
            return Shape(ending, "object", next(iter(value.values())))
        if isinstance(value, list) and value:
            return Shape(ending, "list", value[0])
        raise DataError(
            f"{path} holds no negative: expected a JSON object or list that is not empty"
        )
    if ending in (".csv", ".tsv"):
        try:
            header, _ = next(
                csv_fields(read_text(path), "\t" if ending == ".tsv" else ","), ([], 0)
            )
        except csv.Error as error:
            raise DataError(
                f"{path}, line 1: not CSV ({error}); expected the names of the columns"
            ) from error
        return Shape(ending, "table", header)
    raise DataError(
        f"expected a .jsonl, .json, .tsv or .csv file of negatives, got {path}; or state its format"
    )
