"""Records as CSV that no spreadsheet takes for formulas."""

import csv
import io
from collections.abc import Sequence

from finereel.evaluation.record import RunRecord
from finereel.evaluation.tables import COLUMNS, table

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def to_csv(records: Sequence[RunRecord]) -> str:
    """One line per run and direction, numbers in full precision, RFC 4180."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in table(records):
        writer.writerow([defused(cell) if isinstance(cell, str) else cell for cell in row.cells()])
    return stream.getvalue()


def defused(text: str) -> str:
    """Text that a spreadsheet shows and does not run: an apostrophe before what would begin a
    formula.

    >>> defused("=1+1"), defused("none")
    ("'=1+1", 'none')
    """
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text
