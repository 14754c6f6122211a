"""Print the verdicts of one rater, or the agreement of two, as tables."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from finereel.cli.output import console, shown

if TYPE_CHECKING:
    from finereel.finegrain.review.agreement import RaterAgreement, Share

Said = Mapping[str, "Mapping[str, Share]"]


def print_agreement(
    found: "Mapping[str, RaterAgreement]", said: Mapping[str, Said], differing: int
) -> None:
    """Kappa per part of speech, the confusion over all of them, and what each rater said."""
    from finereel.finegrain.review.agreement import ALL
    from finereel.finegrain.review.verdicts import VERDICTS

    out = console()
    table = _table("part of speech", ("items", "agreed", "95 % interval", "kappa"))
    for name, one in found.items():
        kappa = "undefined" if one.kappa is None else f"{one.kappa:.3f}"
        table.add_row(name, f"{one.agreed.total:,}", *_cells(one.agreed), kappa)
    out.print(table)
    if any(one.kappa is None for one in found.values()):
        out.print("kappa is undefined where both raters gave one and the same verdict throughout")
    names = list(said)
    for name, one in found.items():
        if (
            name != ALL
            and sum(map(bool, map(sum, one.confusion))) < 2
            and one.agreed.count == one.agreed.total
        ):
            continue  # one cell: the table above says it
        out.print()
        out.print(Text(shown(f"{name}: rows {names[0]}, columns {names[-1]}")))
        counts = _table("", tuple(VERDICTS))
        for verdict, row in zip(VERDICTS, one.confusion, strict=True):
            counts.add_row(verdict, *map(str, row))
        out.print(counts)
    for who, given in said.items():
        out.print()
        print_summary(who, given)
    if differing:
        out.print(f"\n{differing} items to talk about; --json lists them")


def print_summary(who: str, said: Said) -> None:
    """How often a rater gave each verdict, with 95 % intervals, per part of speech."""
    from finereel.finegrain.review.verdicts import VERDICTS

    out = console()
    out.print(Text(shown(f"{who}: share of each verdict, 95 % interval")))
    table = _table("part of speech", ("items", *VERDICTS))
    for name, given in said.items():
        cells = (f"{share} ({between})" for share, between in map(_cells, given.values()))
        table.add_row(name, f"{next(iter(given.values())).total:,}", *cells)
    out.print(table)


def _table(first: str, columns: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first)
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    return table


def _cells(share: "Share") -> tuple[str, str]:
    low, high = share.interval
    return f"{share.value:.1%}", f"{low:.1%} to {high:.1%}"
