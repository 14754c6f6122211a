"""Write a report as one stand-alone HTML page: tables, bars, and examples with the changed word
marked.
"""

from collections.abc import Sequence

from finereel.finegrain.report.markdown import cells, columns, notes
from finereel.finegrain.report.marks import first, in_html, last
from finereel.finegrain.report.measure import GAP_EDGES, PartReport, Report
from finereel.finegrain.report.plots import Bar, bars, histogram
from finereel.finegrain.types import Negative
from finereel.io.assets import ASSETS

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
