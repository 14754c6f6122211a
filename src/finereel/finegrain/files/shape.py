"""Read just enough of a file of negatives to detect its format."""

import csv
from pathlib import Path

from finereel.errors import DataError
from finereel.finegrain.files.base import Shape
from finereel.finegrain.files.jsonl import read_rows
from finereel.io.tables import csv_fields, read_json, read_text


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
