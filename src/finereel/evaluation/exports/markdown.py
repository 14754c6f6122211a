"""Records as a Markdown table."""

from collections.abc import Sequence

from finereel.evaluation.record import RunRecord
from finereel.evaluation.tables import COLUMNS, NUMBERS, table


def to_markdown(records: Sequence[RunRecord]) -> str:
    """A table that renders on any host; names cannot break out of their cell."""
    rules = ["---:" if column in NUMBERS else "---" for column in COLUMNS]
    rows = [COLUMNS, rules, *([escaped(cell) for cell in row.shown()] for row in table(records))]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def escaped(text: str) -> str:
    """Text as one cell: no line breaks, and what Markdown and HTML would read as markup is escaped.

    >>> print(escaped("a|b\\n<i>"))
    a\\|b &lt;i\\>
    """
    one_line = " ".join(text.split())
    safe = one_line.replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for character in "|`*_[]>":
        safe = safe.replace(character, "\\" + character)
    return safe
