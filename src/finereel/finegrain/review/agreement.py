"""The agreement of two raters: confusion matrix, Cohen's kappa, and Wilson intervals of every
verdict, per part of speech.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from finereel.errors import DataError
from finereel.finegrain.review.verdicts import VERDICTS, Judgement
from finereel.finegrain.types import CHANGES
from finereel.statistics.intervals import wilson_interval

ALL = "all"
"""The row over all parts of speech."""


@dataclass(frozen=True)
class Share:
    """How often something was said: `count` of `total`, and the 95 % interval of the share (Wilson
    1927).
    """

    count: int
    total: int

    @property
    def value(self) -> float:
        return self.count / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high, 0 to 1."""
        found = wilson_interval(self.count, self.total)
        return found.low, found.high

    def as_json(self) -> dict[str, float | int]:
        """count, total, share, low and high."""
        low, high = self.interval
        return {
            "count": self.count,
            "total": self.total,
            "share": self.value,
            "low": low,
            "high": high,
        }


@dataclass(frozen=True)
class RaterAgreement:
    """What two raters said of the same items. confusion: [first][second] counts, in the order of
    VERDICTS.

    kappa: None where it is not defined, as both gave one and the same verdict throughout.
    """

    confusion: tuple[tuple[int, ...], ...]
    agreed: Share
    kappa: float | None

    def as_json(self) -> dict[str, object]:
        """items, agreed, kappa and the confusion by names."""
        rows = [dict(zip(VERDICTS, row, strict=True)) for row in self.confusion]
        named = dict(zip(VERDICTS, rows, strict=True))
        return {
            "items": self.agreed.total,
            "agreed": self.agreed.as_json(),
            "kappa": self.kappa,
            "confusion": named,
        }


def cohen_kappa(confusion: Sequence[Sequence[int]]) -> float | None:
    """Agreement beyond chance of two raters (Cohen 1960), from a square table of counts.

    None where chance alone gives full agreement. Raises DataError for a table without counts.

    >>> cohen_kappa([[20, 5], [10, 15]])
    0.4
    """
    total: int = sum(sum(row) for row in confusion)
    if not total:
        raise DataError("kappa needs at least one item that both raters judged")
    agreed = sum(row[number] for number, row in enumerate(confusion))
    rows = [sum(row) for row in confusion]
    columns: list[int] = [sum(column) for column in zip(*confusion, strict=True)]
    expected = sum(
        row * column for row, column in zip(rows, columns, strict=True)
    )  # in units of 1 / total²
    if expected == total * total:
        return None
    return (agreed * total - expected) / (total * total - expected)


def agreements(
    first: Mapping[str, Judgement], second: Mapping[str, Judgement]
) -> dict[str, RaterAgreement]:
    """Agreement per part of speech and over all, on the items that both judged. Raises DataError
    when there is none.
    """
    common = [item for item in first if item in second]
    if not common:
        raise DataError(
            f"the raters have no item in common ({len(first)} and {len(second)} verdicts): did "
            "they read the same file?"
        )
    found = {}
    for name, items in _by_pos([first[item] for item in common]).items():
        pairs = [(judged.verdict, second[judged.item].verdict) for judged in items]
        table = tuple(tuple(pairs.count((one, other)) for other in VERDICTS) for one in VERDICTS)
        agreed = sum(table[number][number] for number in range(len(VERDICTS)))
        found[name] = RaterAgreement(table, Share(agreed, len(pairs)), cohen_kappa(table))
    return found


def shares(judged: Iterable[Judgement]) -> dict[str, dict[str, Share]]:
    """How often one rater gave each verdict, per part of speech and over all."""
    found: dict[str, dict[str, Share]] = {}
    for name, items in _by_pos(list(judged)).items():
        given = [item.verdict for item in items]
        found[name] = {verdict: Share(given.count(verdict), len(given)) for verdict in VERDICTS}
    return found


def disagreements(
    first: Mapping[str, Judgement], second: Mapping[str, Judgement]
) -> list[tuple[Judgement, Judgement]]:
    """The items on which two raters differ, to be talked about."""
    pairs = ((one, second[item]) for item, one in first.items() if item in second)
    return [(one, other) for one, other in pairs if one.verdict != other.verdict]


def _by_pos(judged: Sequence[Judgement]) -> dict[str, list[Judgement]]:
    groups = {str(pos): [item for item in judged if item.pos == pos] for pos in CHANGES}
    return {name: items for name, items in (groups | {ALL: list(judged)}).items() if items}
