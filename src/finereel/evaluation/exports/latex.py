"""Records as a LaTeX table (booktabs)."""

from collections.abc import Sequence

from finereel.evaluation.record import RunRecord
from finereel.evaluation.tables import COLUMNS, NUMBERS, table

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


def escaped(text: str) -> str:
    r"""Text without anything that LaTeX would carry out.

    >>> print(escaped("100% of a_b \\input{x}"))
    100\% of a\_b \textbackslash{}input\{x\}
    """
    return "".join(_ESCAPES.get(character, character) for character in " ".join(text.split()))


def _line(cells: Sequence[str]) -> str:
    # Brackets: a first cell that begins with one would be read as the argument of \\
    return (
        " & ".join(
            f"{{}}{escaped(cell)}" if cell.startswith("[") else escaped(cell) for cell in cells
        )
        + r" \\"
    )
