"""Fine-grained records of rows and seeds -> a page: a table per test set, twins if there are any,
retrieval beside.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64, Int64

from finereel.errors import DataError
from finereel.evaluation.record import RunRecord
from finereel.evaluation.retrieval import FUSED
from finereel.finegrain.evaluate.measure import WRONG_VIDEO
from finereel.finegrain.evaluate.results import (
    FineRecord,
    FineScores,
    chance,
    group_ranks,
    per_caption,
)
from finereel.statistics.intervals import SHARE, mean_interval
from finereel.statistics.significance import holm, paired_test
from research.fine_variants import REFERENCE
from research.report import run_card
from research.tables import markdown, table

_CERTAIN = 0.05
Fine = Mapping[str, Sequence[Mapping[str, FineRecord]]]
"""Per row of the table and seed, the records by test set."""


def fine_page(
    title: str,
    command: str,
    fine: Fine,
    coarse: Mapping[str, Sequence[RunRecord]],
    start: str = "",
) -> str:
    """The whole page. Raises DataError where rows answer other questions than the reference row.

    start: the model that training goes on from, where there is one.
    """
    sets = next(iter(fine.values()))[0]
    parts = [f"# {title}\n", f"    {command}\n", _LEGEND]
    if start:
        parts.append(f"Every row goes on from {start}.\n")
    for name in sets:
        parts += [
            f"## {name.capitalize()}\n",
            _set_table({row: [s[name] for s in seeds] for row, seeds in fine.items()}),
        ]
    twins = {
        row: [next(iter(seed.values())).twins for seed in seeds] for row, seeds in fine.items()
    }
    if all(found is not None for seeds in twins.values() for found in seeds):
        parts += ["## Rendered twins\n", _twin_table(twins)]  # type: ignore[arg-type]
    for way, heading in (("text_to_video", "text to video"), ("video_to_text", "video to text")):
        ranks = {
            row: [seed.queries[way].ranks[FUSED] for seed in seeds] for row, seeds in coarse.items()
        }
        _, clusters = np.unique(
            next(iter(coarse.values()))[0].queries[way].videos, return_inverse=True
        )
        parts += [f"## Retrieval, {heading}\n", markdown(table(ranks, _reference(ranks), clusters))]
    return "\n".join([*parts, run_card([record for seeds in coarse.values() for record in seeds])])


_LEGEND = (
    "MRR of the true caption among its negatives, mean over seeds; the interval is a 95 % "
    "interval by video. 'Other clip' is the same model with the same texts against another "
    "clip: what it reaches there it has learned about texts and does not see; 'seen' is the "
    "difference, and 'difference of seen' is what a row gains there. 'Text alone' is '+ word' "
    "trained and tested with the average clip in place "
    "of every clip. p: paired sign-flip test against the reference row, Holm over the table. "
)


def _reference(rows: Mapping[str, object]) -> str:
    return REFERENCE if REFERENCE in rows else next(iter(rows))


def _set_table(rows: Mapping[str, Sequence[FineRecord]]) -> str:
    scores = {row: [_scores(record) for record in seeds] for row, seeds in rows.items()}
    first = next(iter(scores.values()))[0]
    for row, seeds in scores.items():
        if any(seed.groups != first.groups for seed in seeds):
            raise DataError(
                f"row {row} answers other groups than the others: test all rows on one set"
            )
    _, videos = reciprocal_ranks(next(iter(rows.values())))
    own = {row: reciprocal_ranks(seeds)[0] for row, seeds in rows.items()}
    other = {
        row: np.mean([_reciprocal(seed, WRONG_VIDEO) for seed in seeds], axis=0)
        for row, seeds in scores.items()
    }
    kinds = sorted({group.pos for group in first.groups})
    labels = np.array([group.pos for group in first.groups])
    guessed = chance(first.sizes)["MRR"]
    lines = [
        f"{len(first.groups)} groups of {first.sizes.mean():.1f} candidates, {videos.max() + 1} "
        "clips; "
        f"chance {guessed:.3f}.\n",
        "| | MRR | 95 % interval | other clip | seen | "
        + " | ".join(kinds)
        + " | difference | Holm p | difference of seen | Holm p |",
        "|---" * (9 + len(kinds)) + "|",
    ]
    differences = _differences(own, videos)
    seen = _differences({row: own[row] - other[row] for row in own}, videos)
    for row, values in own.items():
        interval = mean_interval(values, videos, SHARE)
        blind = float(other[row].mean())
        by_kind = " | ".join(f"{values[labels == kind].mean():.3f}" for kind in kinds)
        lines.append(
            f"| {row} | {values.mean():.3f} | {interval.low:.3f} to {interval.high:.3f} | "
            f"{blind:.3f} | "
            f"{values.mean() - blind:+.3f} | {by_kind} | {differences.get(row, '|')} | "
            f"{seen.get(row, '|')} |"
        )
    return "\n".join(lines) + "\n"


def _differences(
    own: Mapping[str, Float64[np.ndarray, " G"]], videos: np.ndarray
) -> dict[str, str]:
    """Difference from the reference row with its interval, and the corrected p, of all
    other rows.
    """
    reference = _reference(own)
    others = [row for row in own if row != reference]
    found = [paired_test(own[row], own[reference], videos, SHARE) for row in others]
    corrected = holm([one.p_value for one in found]) if found else []
    return {
        row: f"{one.difference:+.3f} [{one.interval.low:+.3f}, {one.interval.high:+.3f}] | {p:.3f}"
        + ("" if p < _CERTAIN else " n.s.")
        for row, one, p in zip(others, found, corrected, strict=True)
    }


def reciprocal_ranks(
    seeds: Sequence[FineRecord],
) -> tuple[Float64[np.ndarray, " G"], Int64[np.ndarray, " G"]]:
    """Expected reciprocal rank of every group of a test set, mean over seeds, and the number of its
    video.
    """
    scores = [_scores(record) for record in seeds]
    _, videos = np.unique([group.video_id for group in scores[0].groups], return_inverse=True)
    return np.mean([_reciprocal(seed, FUSED) for seed in scores], axis=0), videos


def _reciprocal(scores: FineScores, column: str) -> Float64[np.ndarray, " G"]:
    values = (
        scores.granularities[column] if column in scores.granularities else scores.baselines[column]
    )
    return per_caption(group_ranks(values, scores.sizes), scores.sizes)["MRR"]


def _scores(record: FineRecord) -> FineScores:
    if record.scores is None:
        raise DataError(
            f"the record of {record.name} on {record.negatives.name} has no scores: test it again"
        )
    return record.scores


def _twin_table(rows: Mapping[str, Sequence[Mapping[str, object]]]) -> str:
    """Text, video and group score of the fused score over all twins, in percent, means over
    seeds.
    """
    lines = ["| | text | video | group |", "|---|---|---|---|"]
    for row, seeds in rows.items():
        found = [seed["rows"]["all"][FUSED] for seed in seeds]  # type: ignore[index]
        means = [
            np.mean([one[way]["percent"] for one in found]) for way in ("text", "video", "group")
        ]
        lines.append(f"| {row} | " + " | ".join(f"{mean:.1f}" for mean in means) + " |")
    return "\n".join(lines) + "\n"
