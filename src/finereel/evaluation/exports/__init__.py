"""Export records to Markdown, LaTeX, CSV, JSON and TREC."""

from collections.abc import Callable, Sequence

from finereel.errors import unknown_name
from finereel.evaluation.exports.latex import to_latex
from finereel.evaluation.exports.markdown import to_markdown
from finereel.evaluation.exports.plain import to_json
from finereel.evaluation.exports.spreadsheet import to_csv
from finereel.evaluation.record import RunRecord

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
