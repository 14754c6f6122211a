"""Draw bars as inline SVG without scripts, fonts or external files; the page sets the colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

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
