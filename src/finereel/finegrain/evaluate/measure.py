"""Evaluate a model on groups of candidates, from encoding to the finished record."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from finereel.data.base import Caption, Split
from finereel.errors import DataError
from finereel.evaluation.record import environment
from finereel.evaluation.retrieval import FUSED, EvaluationSettings, evaluate_scores
from finereel.finegrain.blind import blind_scores, remembering
from finereel.finegrain.evaluate.groups import Candidates, Group, readable
from finereel.finegrain.evaluate.results import (
    CoarseFacts,
    FineRecord,
    FineScores,
    NegativesFacts,
    Triples,
    result_rows,
)
from finereel.finegrain.evaluate.scorer import PairScores, Scorer
from finereel.finegrain.types import Negative, label_of
from finereel.reelworld import captions, sample_scene, twins
from finereel.statistics.intervals import DEFAULT_CONFIDENCE, Confidence
from finereel.statistics.twins import TwinScores, twin_accuracy
from finereel.types import OnProgress, no_progress

# ReelWorld's twins by any scorer: two clips that differ in one word's meaning, text, video and
# group score.
_WAYS = ("text", "video", "group")


@dataclass(frozen=True, slots=True)
class TwinPair:
    """A clip and its twin, with a caption each that is certainly false of the other one."""

    video_id: str
    twin_id: str
    pos: str
    caption: str
    twin_caption: str


def twin_pairs(split: Split) -> tuple[TwinPair, ...]:
    """The twins of the drawn scenes of a split (`test/17` has the twins `test/17~0` and on; see
    `datasets.worlds`).

    Raises DataError for a split without drawn scenes.

    >>> pair = twin_pairs(Split("test", ("test/3",), ()))[0]
    >>> pair.video_id, pair.twin_id, pair.pos
    ('test/3', 'test/3~0', 'noun')
    """
    found = []
    for video in split.videos:
        name, _, number = video.partition("/")
        if number.isdecimal():
            scene = sample_scene(int(number), name)
            found += [
                TwinPair(video, f"{video}~{place}", twin.pos, captions(scene)[0], twin.caption)
                for place, twin in enumerate(twins(scene, split=name))
            ]
    if not found:
        raise DataError(
            f"split {split.name} has no drawn scenes: twins are those of --data reelworld without "
            "files"
        )
    return tuple(found)


def twin_groups(pairs: Sequence[TwinPair]) -> tuple[Group, ...]:
    """Every twin's caption as the one negative of its scene's caption."""
    return tuple(
        Group(pair.video_id, pair.video_id, pair.pos, pair.caption, (pair.twin_caption,))
        for pair in pairs
    )


def twin_rows(
    scorer: Scorer, pairs: Sequence[TwinPair], on_progress: OnProgress = no_progress
) -> dict[str, Any]:
    """Accuracies of every granularity and of the fused score (see `finereel.statistics.twins`), as
    JSON values.

    {"pairs": scored, "missing": pairs that cannot be read, "rows": {pos: {granularity: {"text":
    {"percent", "interval", "tie_share"}, "video", "group"}}}}; intervals are by scene. Raises
    DataError when none can be read.
    """
    videos = list(dict.fromkeys(video for pair in pairs for video in (pair.video_id, pair.twin_id)))
    missing = scorer.problems(videos)
    kept = [pair for pair in pairs if pair.video_id not in missing and pair.twin_id not in missing]
    if not kept:
        raise DataError(
            f"none of the {len(pairs)} twins can be read ({next(iter(missing.items()))})"
        )
    asked = [
        Candidates(video, (pair.caption, pair.twin_caption))
        for pair in kept
        for video in (pair.video_id, pair.twin_id)
    ]
    scored = scorer.score(asked, on_progress)
    _, scene = np.unique([pair.video_id for pair in kept], return_inverse=True)
    rows: dict[str, dict[str, Any]] = {}
    for name, column in {**scored.parts, "fused": scored.fused}.items():
        own, twin_caption, twin_video, twin_own = column.reshape(-1, 4).T
        scores = TwinScores(own, twin_caption, twin_video, twin_own)
        for pos, found in twin_accuracy(scores, [pair.pos for pair in kept], scene).items():
            accuracies = {way: getattr(found, way) for way in _WAYS}
            rows.setdefault(pos, {})[name] = {
                way: {
                    "percent": accuracy.percent,
                    "interval": [accuracy.interval.low, accuracy.interval.high],
                    "tie_share": accuracy.tie_share,
                }
                for way, accuracy in accuracies.items()
            }
    counts = {
        pos: sum(pair.pos == pos for pair in kept) for pos in sorted({pair.pos for pair in kept})
    }
    return {"pairs": counts, "missing": len(pairs) - len(kept), "rows": rows}


# What a scorer without eyes says of the same candidates, to stand beside the model's numbers.
@dataclass(frozen=True)
class Baseline:
    """Scores of 1 + n texts, the true caption first, by caption id and part of speech; and how they
    were made.
    """

    scores: Mapping[tuple[str, str], Float64[np.ndarray, " K"]]
    how: str

    def of(self, groups: Sequence[Group]) -> Float64[np.ndarray, " N"]:
        """All candidates of all groups. Raises DataError for a group that has none, or not
        as many.
        """
        rows = [self.scores.get((group.caption_id, group.pos), np.empty(0)) for group in groups]
        for group, row in zip(groups, rows, strict=True):
            if len(row) != 1 + len(group.negatives):
                raise DataError(
                    f"the baseline has {len(row)} scores for the {group.pos} group of "
                    f"{group.caption_id!r}"
                )
        return np.concatenate(rows)


def blind_baselines(
    rows: Sequence[Negative], captions: Sequence[Caption] = (), names: Sequence[str] = ("trigram",)
) -> dict[str, Baseline]:
    """Baselines by scorers of `finereel.finegrain.blind.SCORERS`, each learned from other videos
    than it judges.

    captions: of the whole collection; without them the captions of `rows` are all there is to learn
    from, in five folds by video. Raises ConfigError for an unknown name.
    """
    by_pos: dict[str, list[Negative]] = {}
    for row in rows:
        by_pos.setdefault(label_of(row), []).append(row)
    tables: dict[str, dict[tuple[str, str], list[float]]] = {name: {} for name in names}
    train = remembering()
    for pos, some in by_pos.items():
        for name, scored in blind_scores(some, captions, names, train).items():
            pairs = zip(some, scored.positive.tolist(), scored.negative.tolist(), strict=True)
            for row, positive, negative in pairs:
                tables[name].setdefault((row.caption_id, pos), [positive]).append(negative)
    count = len(captions) or len({row.caption_id for row in rows})
    how = f"without video, from other videos' captions among {count}"
    return {
        name: Baseline({key: np.array(scores) for key, scores in table.items()}, f"{name}, {how}")
        for name, table in tables.items()
    }


WRONG_VIDEO = "wrong_video"
"""The baseline that scores the same candidates by the same model against another clip of the set.
"""


@dataclass(frozen=True)
class FineSettings:
    """How to measure.

    name: of the run in tables, the model's where empty; negatives: what the set is called; blind:
    baselines by name;
    wrong_video: score every candidate against another clip as well (no clip is encoded for it);
    positives: hard positives by caption id; coarse: a split for retrieval by the same model; twins:
    pairs of clips that differ in one word; seed: of the other clips; reload_verified: the model was
    read from its files; device: what scores.
    """

    name: str = ""
    negatives: str = ""
    blind: Mapping[str, Baseline] = field(default_factory=dict)
    wrong_video: bool = True
    positives: Mapping[str, Sequence[str]] = field(default_factory=dict)
    coarse: Split | None = None
    twins: tuple[TwinPair, ...] = ()
    confidence: Confidence = DEFAULT_CONFIDENCE
    seed: int = 0
    reload_verified: bool = False
    device: str = "cpu"

    def __post_init__(self) -> None:
        if WRONG_VIDEO in self.blind:
            raise DataError(f"{WRONG_VIDEO!r} is the name of a baseline of its own")


DEFAULT_FINE = FineSettings()


def measure(
    scorer: Scorer,
    groups: Sequence[Group],
    settings: FineSettings = DEFAULT_FINE,
    on_progress: OnProgress = no_progress,
) -> FineRecord:
    """Score every candidate and describe. Raises DataError when no clip can be read."""
    started = time.monotonic()
    videos = list(dict.fromkeys(group.video_id for group in groups))
    coverage = readable(groups, scorer.problems(videos))
    scores = score_groups(scorer, coverage.groups, settings, on_progress)
    coarse = (
        None
        if settings.coarse is None
        else _coarse(scorer, settings.coarse, settings.confidence, on_progress)
    )
    return FineRecord(
        name=settings.name or scorer.facts.name,
        negatives=NegativesFacts.of(settings.negatives, groups, coverage),
        model=scorer.facts,
        source=dict(scorer.description),
        seeds={WRONG_VIDEO: settings.seed},
        baselines={name: _how(name, settings) for name in scores.baselines},
        results=result_rows(scores, settings.confidence),
        coarse=coarse,
        twins=twin_rows(scorer, settings.twins, on_progress) if settings.twins else None,
        environment=environment(torch.device(settings.device)),
        seconds=round(time.monotonic() - started, 3),
        reload_verified=settings.reload_verified,
        scores=scores,
    )


def score_groups(
    scorer: Scorer,
    groups: tuple[Group, ...],
    settings: FineSettings,
    on_progress: OnProgress = no_progress,
) -> FineScores:
    """All candidates of all groups, by the model and by the baselines. Every clip of `groups` must
    be readable.
    """
    others = _other_videos(groups, settings.seed)
    place = {video: number for number, video in enumerate(others)}
    order = sorted(range(len(groups)), key=lambda number: place[groups[number].video_id])
    asked: list[Candidates] = []
    owner: list[tuple[str, int]] = []
    for number in order:
        for kind, candidates in _asked(groups[number], others, settings):
            asked.append(candidates)
            owner.append((kind, number))
    scored = scorer.score(asked, on_progress)
    where = dict(zip(owner, _slices(asked), strict=True))
    own = _take(where, "own", len(groups))
    found = {**{name: part[own] for name, part in scored.parts.items()}, FUSED: scored.fused[own]}
    baselines = {name: blind.of(groups) for name, blind in settings.blind.items()}
    if ("wrong", 0) in where:
        baselines[WRONG_VIDEO] = scored.fused[_take(where, "wrong", len(groups))]
    return FineScores(
        groups, found, baselines, scored.as_first[own], _triples(groups, scored, where)
    )


def _other_videos(groups: Sequence[Group], seed: int) -> dict[str, str]:
    """Another video for every video: the next one in a random order, in which they are also
    scored.
    """
    videos = sorted({group.video_id for group in groups})
    shuffled = [videos[number] for number in np.random.default_rng(seed).permutation(len(videos))]
    return dict(zip(shuffled, [*shuffled[1:], shuffled[0]], strict=True))


def _asked(
    group: Group, others: Mapping[str, str], settings: FineSettings
) -> list[tuple[str, Candidates]]:
    """Everything that is scored for a group; it stands together, so that its texts are encoded
    once.
    """
    asked = [("own", group.candidates)]
    if settings.wrong_video and len(others) > 1:
        asked.append(("wrong", Candidates(others[group.video_id], group.candidates.texts)))
    positives = tuple(settings.positives.get(group.caption_id, ()))
    return asked + ([("positives", Candidates(group.video_id, positives))] if positives else [])


def _slices(asked: Sequence[Candidates]) -> list[slice]:
    ends = np.cumsum([len(candidates.texts) for candidates in asked]).tolist()
    return [
        slice(end - len(candidates.texts), end) for end, candidates in zip(ends, asked, strict=True)
    ]


def _take(where: Mapping[tuple[str, int], slice], kind: str, groups: int) -> np.ndarray:
    """Places of one kind of scores, group by group."""
    return np.concatenate(
        [np.arange(where[kind, number].start, where[kind, number].stop) for number in range(groups)]
    )


def _how(name: str, settings: FineSettings) -> str:
    return (
        settings.blind[name].how
        if name in settings.blind
        else "the same model and texts, another clip of the set"
    )


def _triples(
    groups: Sequence[Group], scored: PairScores, where: Mapping[tuple[str, int], slice]
) -> Triples | None:
    """Every negative of a group with every hard positive of its caption."""
    fused, rows = scored.fused, []
    for number in range(len(groups)):
        if ("positives", number) in where:
            own, positives = fused[where["own", number]], fused[where["positives", number]]
            negative, positive = (side.reshape(-1) for side in np.meshgrid(own[1:], positives))
            rows.append(
                (
                    np.full(negative.shape, own[0]),
                    negative,
                    positive,
                    np.full(negative.shape, number),
                )
            )
    if not rows:
        return None
    original, negative, positive, caption = (
        np.concatenate(column) for column in zip(*rows, strict=True)
    )
    return Triples(original, negative, positive, caption.astype(np.int64))


def _coarse(
    scorer: Scorer, split: Split, confidence: Confidence, on_progress: OnProgress
) -> CoarseFacts:
    scored = scorer.score_split(split, on_progress)
    settings = EvaluationSettings(confidence=confidence, weights=scored.weights)
    results: dict[str, Any] = evaluate_scores(scored.scores, scored.relation, settings).as_dict()
    return CoarseFacts(
        split.name,
        scored.coverage.split_hash,
        str(scored.coverage),
        len(scored.split.captions),
        results,
    )
