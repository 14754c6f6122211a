"""The record of a fine-grained evaluation; `finereel.finegrain.evaluate.record_files` saves it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from finereel.evaluation.record import RunFacts
from finereel.evaluation.retrieval import FUSED
from finereel.finegrain.evaluate.groups import Group, GroupCoverage, groups_hash
from finereel.finegrain.evaluate.results import FineScores


@dataclass(frozen=True)
class NegativesFacts:
    """What was asked. hash: of all groups, scored_hash: of those whose clip could be read; captions
    counts those asked for, captions_scored those that were; groups: scored ones per part of speech;
    missing: why, by video id.
    """

    name: str
    hash: str
    scored_hash: str
    captions: int
    captions_scored: int
    groups: Mapping[str, int]
    coverage: str
    missing: Mapping[str, str]

    @property
    def complete(self) -> bool:
        """Whether every video could be scored."""
        return not self.missing

    @classmethod
    def of(cls, name: str, groups: Sequence[Group], coverage: GroupCoverage) -> "NegativesFacts":
        """The facts of the groups that were asked for and their readable part."""
        return cls(
            name=name,
            hash=groups_hash(groups),
            scored_hash=groups_hash(coverage.groups),
            captions=coverage.captions,
            captions_scored=len({group.caption_id for group in coverage.groups}),
            groups=dict(sorted(Counter(group.pos for group in coverage.groups).items())),
            coverage=str(coverage),
            missing=dict(coverage.missing),
        )


@dataclass(frozen=True)
class CoarseFacts:
    """Retrieval by the same model beside the fine result: results as `RetrievalResult.as_dict`."""

    split: str
    split_hash: str
    coverage: str
    captions: int
    results: Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class FineRecord(RunFacts):
    """A fine-grained result and everything about it.

    baselines: how each was made; results: part of speech -> row, see `results.result_rows`; twins:
    part of speech -> accuracies, see `twins.twin_rows`, None without twins; scores: None where they
    were not kept.
    """

    negatives: NegativesFacts
    baselines: Mapping[str, str]
    results: Mapping[str, Mapping[str, Any]]
    coarse: CoarseFacts | None
    twins: Mapping[str, Any] | None
    scores: FineScores | None = field(default=None, repr=False)

    def row(self, pos: str, granularity: str = FUSED) -> Mapping[str, Any]:
        """One line of a table: R@1, MRR, MnR, pair_accuracy, tie_share, bounds, intervals."""
        row: Mapping[str, Any] = self.results[pos]["granularities"][granularity]
        return row
