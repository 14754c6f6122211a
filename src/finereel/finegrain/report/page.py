"""Write a report as one stand-alone HTML page: tables, bars, and examples with the changed word
marked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from finereel.finegrain.report.markdown import cells, columns, first, in_html, last, notes
from finereel.finegrain.report.measure import GAP_EDGES, PartReport, Report
from finereel.finegrain.types import Negative
from finereel.io import ASSETS

_STYLE = ASSETS / "negatives-report.css"


def as_html(report: Report) -> str:
    """The report as a whole document."""
    title = f"Negatives: {in_html(report.name)}" if report.name else "Negatives"
    style = _STYLE.read_text(encoding="utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    parts = "".join(_section(part) for part in report.parts.values())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head>\n<body><main><h1>{title}</h1>\n"
        f"{''.join(f'<p>{in_html(note)}</p>' for note in notes(report))}\n{_table(report)}\n{_plots(report)}\n{parts}"
        "</main></body></html>\n"
    )


def _table(report: Report) -> str:
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("part of speech", *columns(report).values())
    )
    body = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{value}</td>" for value in values)}</tr>'
        for name, values in cells(report).items()
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _plots(report: Report) -> str:
    ranks = [
        Bar(f"{name}, {scorer}", result.mrr, result.chance_mrr, scorer)
        for name, part in report.parts.items()
        for scorer, result in part.blind.items()
    ]
    pairs = [
        Bar(f"{name}, {scorer}", result.auc, 0.5, scorer)
        for name, part in report.parts.items()
        for scorer, result in part.blind.items()
    ]
    return (
        "<h2>Without seeing the video</h2><div class='plots'>"
        f"{_figure(bars(ranks, 'MRR without video'), 'MRR of the caption among its negatives; the line is chance')}"
        f"{_figure(bars(pairs, 'AUC without video'), 'Pairs in which the caption is preferred; the line is chance')}"
        "</div>"
    )


def _section(part: PartReport) -> str:
    swaps = "".join(
        f"<tr><td>{in_html(a)}</td><td>{in_html(b)}</td><td>{count:,}</td></tr>"
        for a, b, count in part.swaps
    )
    methods = ", ".join(f"{in_html(method)} {count:,}" for method, count in part.methods.items())
    picture = histogram(part.gaps, GAP_EDGES, f"{part.pos}: gaps of the trigram model")
    return (
        f"<section><h2>{part.pos}</h2><p>Rules: {methods}.</p><div class='plots'>"
        f"{_figure(picture, 'Nats by which the trigram model prefers the caption')}"
        f"<table><thead><tr><th>word</th><th>became</th><th>times</th></tr></thead><tbody>{swaps}</tbody></table></div>"
        f"<ul>{_examples(part.examples)}</ul></section>\n"
    )


def _examples(rows: Sequence[Negative]) -> str:
    return "".join(
        f"<li>{_marked(row)} <small>{in_html(row.caption_id)}</small></li>" for row in rows
    )


def _marked(row: Negative) -> str:
    """The caption with the old word struck out and the new one beside it; of a long one, what is
    around them.
    """
    before, after = in_html(last(row.caption[: row.start])), in_html(first(row.caption[row.end :]))
    old, new = in_html(first(row.source)), in_html(first(row.replacement))
    return f"{before}<del>{old}</del> <ins>{new}</ins>{after}"


def _figure(picture: str, words: str) -> str:
    return f"<figure>{picture}<figcaption>{words}</figcaption></figure>"


# Bars as inline SVG: no script, no font and no file from elsewhere; colours come from the page.
_LABELS, _WIDTH, _ROW, _BAR, _RIGHT = 150, 520, 22, 14, 50


@dataclass(frozen=True)
class Bar:
    """label: what it is of. value: 0 to 1. mark: chance, as a line across the bar; None without.
    kind: its class in the style sheet.
    """

    label: str
    value: float
    mark: float | None
    kind: str


def bars(rows: Sequence[Bar], title: str) -> str:
    """Horizontal bars from 0 to 1 with their numbers.

    >>> bars([Bar("noun", 0.5, 0.25, "trigram")], "AUC").count("<rect")
    1
    """
    width, height = _WIDTH - _LABELS - _RIGHT, _ROW * len(rows) + 24
    drawn = []
    for number, row in enumerate(rows):
        top = _ROW * number + 4
        drawn.append(
            f'<text x="{_LABELS - 8}" y="{top + 11}" class="label">{escape(row.label)}</text>'
        )
        size = f'width="{width * row.value:.1f}" height="{_BAR}"'
        drawn.append(f'<rect x="{_LABELS}" y="{top}" {size} class="{escape(row.kind)}"/>')
        value_at = _LABELS + width * max(row.value, row.mark or 0.0) + 6
        drawn.append(
            f'<text x="{value_at:.1f}" y="{top + 11}" class="value">{row.value:.3f}</text>'
        )
        if row.mark is not None:
            drawn.append(_line(_LABELS + width * row.mark, top - 2.0, top + _BAR + 2.0, "mark"))
    bottom = _ROW * len(rows) + 18
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        drawn.append(
            f'<text x="{_LABELS + width * tick:.1f}" y="{bottom}" class="tick">{tick:g}</text>'
        )
    return _picture(_WIDTH, height, title, drawn)


def histogram(counts: Sequence[int], edges: Sequence[float], title: str) -> str:
    """Counts between edges, upright, with a line at 0.

    >>> histogram([1, 3], [-1.0, 0.0, 1.0], "gaps").count("<rect")
    2
    """
    width, height, floor = 300, 120, 100.0
    step = width / len(counts)
    largest = max(*counts, 1)
    drawn = []
    for number, count in enumerate(counts):
        tall = (floor - 8) * count / largest
        kind = "against" if edges[number] < 0 else "for"
        drawn.append(
            f'<rect x="{number * step + 0.5:.1f}" y="{floor - tall:.1f}" width="{step - 1:.1f}" '
            f'height="{tall:.1f}" '
            f'class="{kind}"><title>{edges[number]:g} to {edges[number + 1]:g}: '
            f"{count:,}</title></rect>"
        )
    span = edges[-1] - edges[0]
    for tick in (edges[0], 0.0, edges[-1]):
        anchor = "start" if tick == edges[0] else "end" if tick == edges[-1] else "middle"
        place = width * (tick - edges[0]) / span
        drawn.append(
            f'<text x="{place:.1f}" y="{height - 4}" text-anchor="{anchor}" '
            f'class="tick-free">{tick:g}</text>'
        )
    drawn.append(_line(width * -edges[0] / span, 0.0, floor, "mark"))
    return _picture(width, height, title, drawn)


def _line(x: float, top: float, bottom: float, kind: str) -> str:
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}" class="{kind}"/>'


def _picture(width: int, height: int, title: str, drawn: Sequence[str]) -> str:
    label = escape(title)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{label}">'
        f"{''.join(drawn)}</svg>"
    )
