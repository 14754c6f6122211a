"""Export records to Markdown, LaTeX, CSV, JSON and TREC.

A format is one function here and one line in `FORMATS`.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from jaxtyping import Int64

from finereel.errors import DataError, unknown_name
from finereel.evaluation.compare import distinct_names
from finereel.evaluation.record import GalleryScores, RunRecord
from finereel.evaluation.record_files import described_record
from finereel.io.atomic import write_file, writes
from finereel.io.spreadsheets import csv_text
from finereel.normalization import DIRECTIONS
from finereel.statistics.intervals import Interval

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
    return latex_table(COLUMNS, NUMBERS, [row.shown() for row in table(records)])


def latex_table(
    columns: Sequence[str], numbers: Collection[str], rows: Sequence[Sequence[str]]
) -> str:
    """Cells as a `tabular`; the columns called `numbers` are set to the right."""
    form = "".join("r" if column in numbers else "l" for column in columns)
    lines = [f"\\begin{{tabular}}{{{form}}}", r"\toprule", _line(columns), r"\midrule"]
    lines += [_line(row) for row in rows]
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
    return markdown_table(COLUMNS, NUMBERS, [row.shown() for row in table(records)])


def markdown_table(
    columns: Sequence[str], numbers: Collection[str], rows: Sequence[Sequence[str]]
) -> str:
    """Cells as Markdown; the columns called `numbers` are set to the right."""
    rules = ["---:" if column in numbers else "---" for column in columns]
    lines = [columns, rules, *([escaped(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


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
def to_csv(records: Sequence[RunRecord]) -> str:
    """One line per run and direction, numbers in full precision, RFC 4180."""
    return csv_text(COLUMNS, (row.cells() for row in table(records)))


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


# Records as rows of one table; every row has its protocol and its coverage.
METRICS = ("R@1", "R@5", "R@10", "MdR", "MnR", "mean_recall")
_FACTS = ("R@1 interval", "ties %", "protocol", "coverage", "queries", "split hash")
COLUMNS = ("run", "data", "direction", *METRICS, *_FACTS)
NUMBERS = frozenset({*METRICS, "ties %", "queries"})
"""Columns that are set to the right."""


@dataclass(frozen=True)
class TableRow:
    """One run in one direction, fused score. Recalls and interval in percent, ranks from 1, tie
    share 0 to 1.
    """

    run: str
    data: str
    direction: str
    metrics: dict[str, float]
    interval: Interval | None
    tie_share: float
    protocol: str
    coverage: str
    queries: int
    split_hash: str

    def cells(self) -> tuple[str | float | int, ...]:
        """In the order of COLUMNS; text where a number would mislead."""
        interval = (
            "" if self.interval is None else f"{self.interval.low:.1f} to {self.interval.high:.1f}"
        )
        return (
            *(self.run, self.data, self.direction),
            *(self.metrics[name] for name in METRICS),
            *(
                interval,
                100 * self.tie_share,
                self.protocol,
                self.coverage,
                self.queries,
                self.split_hash,
            ),
        )

    def shown(self) -> tuple[str, ...]:
        """The cells for people: numbers to one decimal, as papers print them."""
        return tuple(shown_cell(cell) for cell in self.cells())


def table(records: Sequence[RunRecord]) -> list[TableRow]:
    """Text to video and video to text of every record, in the order given."""
    names = distinct_names(records)
    return [
        _row(record, name, way)
        for record, name in zip(records, names, strict=True)
        for way in DIRECTIONS
    ]


def shown_cell(cell: str | float | int) -> str:
    """One cell for people.

    >>> shown_cell(49.38), shown_cell(1000), shown_cell("none")
    ('49.4', '1000', 'none')
    """
    return f"{cell:.1f}" if isinstance(cell, float) else str(cell)


def _row(record: RunRecord, name: str, direction: str) -> TableRow:
    row, dataset = record.row(direction), record.dataset
    interval = row["intervals"].get("R@1")
    return TableRow(
        run=name,
        data=f"{dataset.name}/{dataset.split}",
        direction=direction,
        metrics={metric: float(row[metric]) for metric in METRICS},
        interval=None if interval is None else Interval(float(interval[0]), float(interval[1])),
        tie_share=float(row["tie_share"]),
        protocol=row["protocol"],
        coverage=dataset.coverage,
        queries=int(row["queries"]),
        split_hash=dataset.split_hash,
    )


# Records as TREC run and qrels files, for ir_measures, ranx and trec_eval.
DEPTH = 1000
TREC_METRICS = "metrics.json"


@writes("folder")
def write_trec(record: RunRecord, folder: Path, depth: int = DEPTH) -> list[Path]:
    """`<direction>.run` and `<direction>.qrels` of a record; the best `depth` items of every query.

    A TREC file has one order, so ties are broken as trec_eval breaks them: equal scores by id,
    descending. `metrics.json` holds R@1, R@5, R@10 and RR of this order, which `ir_measures` finds in
    the files, beside those of the record, which expect every order of equal scores.

    Raises DataError for a record without scores.
    """
    if record.scores is None:
        raise DataError(
            f"run {record.name} was kept without scores, which a TREC run lists: evaluate again "
            "with --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for direction, scores in record.scores.items():
        for kind, text in (
            ("run", run_text(scores, record.name, depth)),
            ("qrels", qrels_text(scores)),
        ):
            written.append(folder / f"{direction}.{kind}")
            write_file(written[-1], text)
    told = {
        direction: {
            "as_ordered": trec_metrics(scores, depth),
            "expected": {name: record.row(direction)[name] for name in ("R@1", "R@5", "R@10")},
        }
        for direction, scores in record.scores.items()
    }
    written.append(folder / TREC_METRICS)
    write_file(written[-1], json.dumps(told, indent=2) + "\n")
    return written


def trec_order(scores: GalleryScores) -> Int64[np.ndarray, "Q G"]:
    """Gallery items best first: by score, equal scores by their id in the file, descending. Items
    that a query leaves out (a score of -inf) come last.
    """
    by_id = np.array(sorted(range(len(scores.gallery)), key=_ids(scores).__getitem__, reverse=True))
    return by_id[np.argsort(-scores.matrix[:, by_id], axis=1, kind="stable")]


def trec_metrics(scores: GalleryScores, depth: int = DEPTH) -> dict[str, float]:
    """R@1, R@5, R@10 in percent and the mean reciprocal rank, 0 to 1, of the order in the file."""
    right = np.zeros(scores.matrix.shape, dtype=bool)
    right[np.arange(len(right)), scores.right] = True
    right[scores.also_right[:, 0], scores.also_right[:, 1]] = True
    ordered = np.take_along_axis(right & np.isfinite(scores.matrix), trec_order(scores), axis=1)
    ordered = ordered[:, :depth]
    rank = np.where(ordered.any(axis=1), ordered.argmax(axis=1) + 1.0, np.inf)
    recalls = {f"R@{k}": 100.0 * float((rank <= k).mean()) for k in (1, 5, 10)}
    return {**recalls, "RR": float((1 / rank).mean())}


def _ids(scores: GalleryScores) -> list[str]:
    return [trec_id(item) for item in scores.gallery]


def run_text(scores: GalleryScores, name: str, depth: int = DEPTH) -> str:
    """The lines of a run, best first; scores with nine digits, which is all that float32 has."""
    tag, items, order = trec_id(name) or "run", _ids(scores), trec_order(scores)
    lines = []
    for query, row, best in zip(map(trec_id, scores.queries), scores.matrix, order, strict=True):
        lines += [
            f"{query} Q0 {items[i]} {rank} {row[i]:.9g} {tag}\n"
            for rank, i in enumerate(best[:depth], start=1)
            if np.isfinite(row[i])
        ]
    return "".join(lines)


def qrels_text(scores: GalleryScores) -> str:
    """The right items of every query."""
    pairs = [*enumerate(scores.right), *scores.also_right]
    return "".join(
        f"{trec_id(scores.queries[query])} 0 {trec_id(scores.gallery[item])} 1\n"
        for query, item in pairs
    )


def trec_id(name: str) -> str:
    """A name without spaces, in ASCII; `urllib.parse.unquote` gives it back.

    >>> trec_id("video 7.mp4"), trec_id("ret0")
    ('video%207.mp4', 'ret0')
    """
    return quote(name, safe="/:#+,;=@!$&()[]", errors="surrogatepass")
