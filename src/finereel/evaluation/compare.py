"""Compare runs with a baseline on the same queries.

Gives differences in R@1, intervals, and p-values corrected for multiple comparisons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from finereel.errors import ConfigError, DataError
from finereel.evaluation.record import RunFacts, RunRecord
from finereel.evaluation.retrieval import FUSED
from finereel.normalization import DIRECTIONS
from finereel.statistics.intervals import DEFAULT_CONFIDENCE, PERCENT, Confidence, Interval
from finereel.statistics.significance import DEFAULT_FLIPS, Flips, holm, paired_test

BETTER, WORSE, SAME = "better", "worse", "not distinguishable"


@dataclass(frozen=True)
class CompareSettings:
    """How to compare runs.

    Attributes:
        k: The K of R@K.
        level: Probability of at least one false positive over all comparisons together.
        confidence: Level and method of the intervals.
        flips: Number of random sign flips and their seed.

    Raises:
        ConfigError: Unless k >= 1 and 0 < level < 1.
    """

    k: int = 1
    level: float = 0.05
    confidence: Confidence = DEFAULT_CONFIDENCE
    flips: Flips = DEFAULT_FLIPS

    def __post_init__(self) -> None:
        if self.k < 1 or not 0 < self.level < 1:
            raise ConfigError(f"expected k >= 1 and 0 < level < 1, got {self.k} and {self.level}")


DEFAULT_COMPARE = CompareSettings()


@dataclass(frozen=True)
class Difference:
    """One run compared with the baseline in one direction.

    Attributes:
        direction: `text_to_video` or `video_to_text`; of fine-grained runs the part of speech.
        run: Name of the run.
        baseline: Name of the baseline.
        recall: R@K of the run in percent.
        baseline_recall: R@K of the baseline in percent.
        difference: Their difference in percentage points.
        interval: Interval of this difference alone, in percentage points.
        p_value: Uncorrected p-value.
        p_holm: p-value corrected for all comparisons made (Holm).
        verdict: `better`, `worse` or `not distinguishable`, from `p_holm`.
        protocols: Normalization protocols of the run and of the baseline.
    """

    direction: str
    run: str
    baseline: str
    recall: float
    baseline_recall: float
    difference: float
    interval: Interval
    p_value: float
    p_holm: float
    verdict: str
    protocols: tuple[str, str]

    @property
    def same_protocol(self) -> bool:
        """Whether both runs have seen the same kind of data for normalization."""
        return _kind(self.protocols[0]) == _kind(self.protocols[1])


@dataclass(frozen=True)
class Comparison:
    """All differences from a baseline.

    Attributes:
        settings: How the runs were compared.
        differences: One entry per run and direction.
        remarks: What a reader must know to interpret the differences.
    """

    settings: CompareSettings
    differences: tuple[Difference, ...]
    remarks: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        rows = [
            {
                "direction": row.direction,
                "run": row.run,
                "baseline": row.baseline,
                f"R@{self.settings.k}": row.recall,
                f"baseline_R@{self.settings.k}": row.baseline_recall,
                "difference": row.difference,
                "interval": [row.interval.low, row.interval.high],
                "p": row.p_value,
                "p_holm": row.p_holm,
                "verdict": row.verdict,
                "protocols": list(row.protocols),
            }
            for row in self.differences
        ]
        return {"level": self.settings.level, "comparisons": rows, "remarks": list(self.remarks)}


def compare(
    records: Sequence[RunRecord], settings: CompareSettings = DEFAULT_COMPARE
) -> Comparison:
    """Compare every run with the first one, in both directions, by the fused score.

    Args:
        records: The baseline, then the other runs.
        settings: The K, the significance level and the intervals.

    Returns:
        The differences with intervals, corrected p-values and verdicts.

    Raises:
        ConfigError: For fewer than two runs.
        DataError: If the runs have different queries.
    """
    if len(records) < 2:
        raise ConfigError(f"a comparison needs at least two runs, got {len(records)}")
    baseline, others = records[0], records[1:]
    for other in others:
        _require_same_queries(baseline, other)
    names = distinct_names(records)
    pairs = [
        PairedRuns(
            direction,
            (names[number], names[0]),
            (
                _credit(records[number], direction, settings.k),
                _credit(baseline, direction, settings.k),
            ),
            np.array(baseline.queries[direction].videos),
            tuple(str(run.row(direction)["protocol"]) for run in (records[number], baseline)),  # type: ignore[arg-type]
        )
        for number in range(1, len(records))
        for direction in DIRECTIONS
    ]
    rows = differences(pairs, settings)
    return Comparison(settings, rows, tuple(_remarks(records, rows)))


@dataclass(frozen=True)
class PairedRuns:
    """Two systems on the same Q queries.

    names, values, protocols: two each, the run's first and the baseline's second; values are percent,
    one per query.
    videos: (Q,) queries of one video count together.
    """

    direction: str
    names: tuple[str, str]
    values: tuple[np.ndarray, np.ndarray]
    videos: np.ndarray
    protocols: tuple[str, str] = ("none", "none")


def differences(pairs: Sequence[PairedRuns], settings: CompareSettings) -> tuple[Difference, ...]:
    """A paired test of every pair, with p-values corrected for all of them together."""
    tests = [
        paired_test(*pair.values, pair.videos, PERCENT, settings.confidence, settings.flips)
        for pair in pairs
    ]
    adjusted = holm([test.p_value for test in tests])
    return tuple(
        Difference(
            direction=pair.direction,
            run=pair.names[0],
            baseline=pair.names[1],
            recall=float(pair.values[0].mean()),
            baseline_recall=float(pair.values[1].mean()),
            difference=test.difference,
            interval=test.interval,
            p_value=test.p_value,
            p_holm=p_holm,
            verdict=SAME if p_holm >= settings.level else BETTER if test.difference > 0 else WORSE,
            protocols=pair.protocols,
        )
        for pair, test, p_holm in zip(pairs, tests, adjusted, strict=True)
    )


def distinct_names(records: Sequence[RunFacts]) -> list[str]:
    """Return the names of runs, numbered if several runs share a name.

    Args:
        records: The runs.

    Returns:
        One name per run.
    """
    names = [record.name for record in records]
    return [
        f"{name} ({number})" if names.count(name) > 1 else name
        for number, name in enumerate(names, start=1)
    ]


def _credit(record: RunRecord, direction: str, k: int) -> Float64[np.ndarray, " Q"]:
    return 100.0 * record.queries[direction].ranks[FUSED].within(k)


def _require_same_queries(first: RunRecord, second: RunRecord) -> None:
    one, two = first.dataset, second.dataset
    if one.split_hash != two.split_hash:
        raise DataError(
            f"{first.name} is on {one.name}/{one.split} ({one.split_hash}), {second.name} on "
            f"{two.name}/{two.split} "
            f"({two.split_hash}): other videos or captions; evaluate both on the same annotation "
            "files"
        )
    if one.scored_hash != two.scored_hash:
        raise DataError(
            f"{first.name} covers {one.coverage} videos and {second.name} {two.coverage}, not the "
            "same ones; bring the "
            "missing videos, or evaluate both from a folder with the videos that both have"
        )
    for direction in DIRECTIONS:
        if first.queries[direction].ids != second.queries[direction].ids:
            raise DataError(
                f"{direction}: {first.name} and {second.name} have other queries; evaluate both "
                "again"
            )


def _remarks(records: Sequence[RunRecord], rows: Sequence[Difference]) -> list[str]:
    remarks = []
    for row in rows:
        if not row.same_protocol:
            remarks.append(
                f"{row.direction}: {row.run} is {row.protocols[0]}, {row.baseline} is "
                f"{row.protocols[1]}: the "
                "difference is also that of the protocols"
            )
    dataset = records[0].dataset
    if not dataset.complete:
        remarks.append(
            f"coverage {dataset.coverage}: not the whole of {dataset.name}/{dataset.split}"
        )
    if len({record.dataset.doubled_right for record in records}) > 1:
        remarks.append("some runs count doubled captions as right and others do not")
    if len({record.model.fingerprint for record in records}) < len(records):
        remarks.append("some runs are of the same model")
    return remarks


def _kind(protocol: str) -> str:
    """What two comparable results share of a protocol: all of it but the hash of a bank."""
    seen, _, what = protocol.partition(":")
    return f"{seen}:{what.rpartition(' ')[0]}" if seen == "bank" else protocol
