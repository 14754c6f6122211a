"""Write CSV that no spreadsheet takes for formulas."""

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV by RFC 4180: numbers in full precision, texts `defused`.

    >>> csv_text(["name", "n"], [["=1+1", 2.5]])
    "name,n\\r\\n'=1+1,2.5\\r\\n"
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([defused(cell) if isinstance(cell, str) else cell for cell in row])
    return stream.getvalue()


def defused(text: str) -> str:
    """Text that a spreadsheet shows and does not run: an apostrophe before what would begin a
    formula.

    >>> defused("=1+1"), defused("none")
    ("'=1+1", 'none')
    """
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text
