"""Records in the formats people paste, plot and archive. A format is one function here and one line in
`FORMATS`.
"""

import csv
import io
import json
from collections.abc import Callable, Sequence

from finereel.errors import unknown_name
from finereel.evaluation.record import RunRecord
from finereel.evaluation.record_files import described_record
from finereel.evaluation.tables import COLUMNS, NUMBERS, table

# Records as a LaTeX table (booktabs).
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
}


def to_latex(records: Sequence[RunRecord]) -> str:
    r"""A `tabular` for a preamble with \usepackage{booktabs} and \usepackage[T1]{fontenc}. Nothing
    is set in bold.
    """
    columns = "".join("r" if column in NUMBERS else "l" for column in COLUMNS)
    lines = [f"\\begin{{tabular}}{{{columns}}}", r"\toprule", _line(COLUMNS), r"\midrule"]
    lines += [_line(row.shown()) for row in table(records)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def in_latex(text: str) -> str:
    r"""Text without anything that LaTeX would carry out.

    >>> print(in_latex("100% of a_b \\input{x}"))
    100\% of a\_b \textbackslash{}input\{x\}
    """
    return "".join(_ESCAPES.get(character, character) for character in " ".join(text.split()))


def _line(cells: Sequence[str]) -> str:
    # Brackets: a first cell that begins with one would be read as the argument of \\
    return (
        " & ".join(
            f"{{}}{in_latex(cell)}" if cell.startswith("[") else in_latex(cell) for cell in cells
        )
        + r" \\"
    )


# Records as a Markdown table.
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


# Records as CSV that no spreadsheet takes for formulas.
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


# Records as JSON: all facts and metrics, without ranks and scores.
def to_json(records: Sequence[RunRecord]) -> str:
    """A list with one object per record."""
    return json.dumps([described_record(record) for record in records], indent=2) + "\n"


FORMATS: dict[str, Callable[[Sequence[RunRecord]], str]] = {
    "markdown": to_markdown,
    "latex": to_latex,
    "csv": to_csv,
    "json": to_json,
}
"""One text for all records; TREC files are several and come from
`finereel.evaluation.exports.trec`.
"""


def export(records: Sequence[RunRecord], form: str) -> str:
    """The records as one text; ConfigError lists the formats there are."""
    if form not in FORMATS:
        raise unknown_name("format", form, FORMATS)
    return FORMATS[form](records)
