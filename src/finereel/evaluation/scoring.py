"""Ways to score a split that cost less than all pairs in single precision; none is the default.

    exact       every granularity of all pairs, as the model scores them
    int16       patch_word of all pairs from words and patches rounded to int16
    repaired    int16, and in single precision every pair so close to a right one that its rank could
                change; ranks are those of `exact`, which a sample of every run must show
    cascade     patch_word for the best share of every query only; below it ranks are those of
                video_sentence and frame_sentence

A record says which, and where a way could not serve, why it is `exact`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool

from finereel.errors import ConfigError, unknown_name
from finereel.evaluation.gallery import EncodedSplit, GalleryModel, ScoredSplit, score_encoded
from finereel.evaluation.retrieval import Ranked, rank_texts, rank_videos
from finereel.models.heads.stages import FINE, fine_scores, first_stage, int16_scores
from finereel.models.heads.ucofia import UcofiaHead
from finereel.models.retrieval import RetrievalModel
from finereel.models.weights import require_finite_scores
from finereel.normalization import DIRECTIONS
from finereel.ranking import fuse
from finereel.types import OnProgress, no_progress

SCORINGS = ("exact", "int16", "repaired", "cascade")
SHARES = (0.02, 0.05, 0.1, 0.2)
"""What `cascade` tries on the validation split, from the smallest."""
_SAMPLE = 16  # queries of each direction that a margin is learned from, and as many that check it
_MARGIN = 2.0  # times the largest error seen

Parts = Mapping[str, np.ndarray]
"""One (T, V) matrix per granularity."""


@dataclass(frozen=True)
class Scoring:
    """How to score. share: the part of the gallery that a `cascade` scores in full; None chooses it
    on the validation split.
    """

    kind: str = "exact"
    share: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in SCORINGS:
            raise unknown_name("scoring", self.kind, SCORINGS)
        if self.share is not None and not (self.kind == "cascade" and 0 < self.share <= 1):
            raise ConfigError(f"a cascade scores a share between 0 and 1, got {self.share}")


EXACT = Scoring()


@dataclass(frozen=True)
class Cascade:
    """What one direction of a cascade ranks: `kept` pairs by all granularities, the others below
    them by the first stage.
    """

    direction: str
    share: float
    kept: Bool[np.ndarray, "T V"]
    weights: Mapping[str, float]

    @property
    def protocol(self) -> str:
        """Stands beside every number: ranks below the share are those of the first stage."""
        return f"cascade:{100 * self.share:g}%"

    def apply(self, scores: Parts) -> dict[str, np.ndarray]:
        """The parts with a patch_word that keeps the order of the first stage outside the share."""
        cheap = {name: self.weights[name] for name in scores if name != FINE}
        stage, fine = fuse({name: scores[name] for name in cheap}, cheap), scores[FINE]
        full = fuse(scores, self.weights)
        below, weight = ~self.kept, self.weights[FINE]
        if not below.any():
            return dict(scores)
        top = stage[below].max()
        # Under the least kept value, in patch_word and in the sum
        room = max(top - fine[self.kept].min(), (top - full[self.kept].min()) / weight + top)
        return {**scores, FINE: np.where(self.kept, fine, stage - room - 1.0)}


@dataclass(frozen=True)
class Cheap:
    """Scores of a split, what ranks them by direction (empty: they themselves), and what a record
    says of it.
    """

    scored: ScoredSplit
    cascades: Mapping[str, Cascade] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=lambda: {"kind": "exact"})


@dataclass(frozen=True)
class Staged:
    """A head and a split whose patch_word is computed where it is asked for. scale: s of the
    model; name: for errors.
    """

    head: UcofiaHead
    scale: torch.Tensor
    encoded: EncodedSplit
    name: str = ""

    def cheap(self) -> dict[str, np.ndarray]:
        """All granularities but patch_word."""
        found = first_stage(self.head, self.encoded.text, self.encoded.video, self.scale)
        require_finite_scores(found, self.name)
        return {name: part.float().cpu().numpy() for name, part in found.parts.items()}

    def fine(self, wanted: Bool[np.ndarray, "T V"]) -> np.ndarray:
        """patch_word of the wanted pairs."""
        device = self.encoded.text.sentence.device
        pairs = torch.from_numpy(wanted).to(device)
        text, video = self.encoded.text, self.encoded.video
        return fine_scores(self.head, text, video, self.scale, pairs).float().cpu().numpy()

    def scored(self, parts: Parts) -> ScoredSplit:
        """The split with these scores, in the order of the head."""
        ordered = {name: parts[name] for name in self.head.weights}
        return ScoredSplit(
            self.encoded.split, ordered, dict(self.head.weights), self.encoded.coverage
        )


@torch.no_grad()
def score_cheaply(
    model: GalleryModel,
    encoded: EncodedSplit,
    scoring: Scoring,
    validation: EncodedSplit | None = None,
    on_progress: OnProgress = no_progress,
) -> Cheap:
    """Scores of a split as `scoring` says; ConfigError for a model that has no stages.

    validation: what the share of a cascade is chosen on, where it is not given.
    """
    if scoring.kind == "exact":
        return Cheap(score_encoded(model, encoded, on_progress))
    staged = _staged(model, encoded)
    if scoring.kind == "cascade":
        if scoring.share is not None:
            return cascade_scores(staged, scoring.share, {"chosen": "given"})
        if validation is None:
            raise ConfigError("a share is chosen on a validation split: give one, or a share")
        share = chosen_share(score_encoded(model, validation, on_progress))
        if share is not None:
            told = {"chosen": "validation", "validation": validation.split.name}
            return cascade_scores(staged, share, told)
        why = f"every share up to {SHARES[-1]:.0%} changes R@1 of the validation split"
        return _exact(model, encoded, scoring, why, on_progress)
    parts = int16_parts(staged)
    if parts is None:
        why = "the compiled kernels are not in use here, see finereel models"
        return _exact(model, encoded, scoring, why, on_progress)
    if scoring.kind == "int16":
        return Cheap(staged.scored(parts), {}, {"kind": "int16"})
    repaired, facts = repaired_scores(staged, parts)
    if not facts["sample_equal"]:
        return _exact(model, encoded, scoring, "ranks of a sample differ", on_progress, facts)
    return Cheap(staged.scored(repaired), {}, {"kind": "repaired", **facts})


def _staged(model: GalleryModel, encoded: EncodedSplit) -> Staged:
    head = model.head if isinstance(model, RetrievalModel) else None
    if (
        not isinstance(model, RetrievalModel)
        or not isinstance(head, UcofiaHead)
        or not {FINE} < set(head.weights)
        or head.weights[FINE] <= 0
    ):
        raise ConfigError(
            "only a ucofia head that counts patch_word beside another granularity has stages: "
            "leave out --int16, --repaired and --cascade"
        )
    plain = replace(
        encoded, text=replace(encoded.text, fine=None), video=replace(encoded.video, fine=None)
    )
    return Staged(head, model.encoder.scale, plain, model.name)


def _exact(
    model: GalleryModel,
    encoded: EncodedSplit,
    asked: Scoring,
    why: str,
    on_progress: OnProgress,
    facts: Mapping[str, Any] | None = None,
) -> Cheap:
    told = {"kind": "exact", "asked": asked.kind, "reason": why, **(facts or {})}
    return Cheap(score_encoded(model, encoded, on_progress), {}, told)


def int16_parts(staged: Staged) -> dict[str, np.ndarray] | None:
    """All granularities, patch_word from int16; None where the compiled kernels cannot serve."""
    text, video = staged.encoded.text, staged.encoded.video
    fine = int16_scores(staged.head, text, video, staged.scale)
    return None if fine is None else {**staged.cheap(), FINE: fine.float().cpu().numpy()}


def best_share(stage: np.ndarray, share: float, direction: str) -> Bool[np.ndarray, "T V"]:
    """The best `share` of the gallery of every query, at least one; ties by place.

    >>> best_share(np.array([[3.0, 1.0, 2.0]]), 0.5, "text_to_video").tolist()
    [[True, False, True]]
    """
    rows = stage if direction == "text_to_video" else stage.T
    count = int(np.ceil(share * rows.shape[1]))
    last = np.partition(rows, rows.shape[1] - count, axis=1)[:, -count, None]
    kept, level = rows > last, rows == last
    kept |= level & (level.cumsum(1) <= count - kept.sum(1, keepdims=True))
    return kept if direction == "text_to_video" else kept.T


def cascades(parts: Parts, weights: Mapping[str, float], share: float) -> dict[str, Cascade]:
    """One cascade per direction; every query has its own best share of the other side."""
    cheap = {name: weights[name] for name in parts if name != FINE}
    stage = fuse({name: parts[name] for name in cheap}, cheap)
    return {way: Cascade(way, share, best_share(stage, share, way), weights) for way in DIRECTIONS}


def cascade_scores(staged: Staged, share: float, told: Mapping[str, Any]) -> Cheap:
    parts, weights = staged.cheap(), dict(staged.head.weights)
    made = cascades(parts, weights, share)
    kept = np.logical_or.reduce([cascade.kept for cascade in made.values()])
    facts = {"kind": "cascade", "share": share, "pairs": float(kept.mean()), **told}
    facts["below_share"] = "ranks below the share are those of the first stage"
    return Cheap(staged.scored({**parts, FINE: staged.fine(kept)}), made, facts)


def chosen_share(scored: ScoredSplit) -> float | None:
    """The smallest of SHARES with R@1 unchanged in both directions; None where none has."""
    wanted = _first_ranks(scored, scored.scores, {})
    for share in SHARES:
        made = cascades(scored.scores, scored.weights, share)
        if _first_ranks(scored, scored.scores, made) == wanted:
            return share
    return None


def _first_ranks(scored: ScoredSplit, parts: Parts, made: Mapping[str, Cascade]) -> list[float]:
    """R@1 of both directions."""
    found = []
    for way, rank in (("text_to_video", rank_videos), ("video_to_text", rank_texts)):
        ranked = made[way].apply(parts) if way in made else parts
        ranks = rank(fuse(ranked, scored.weights), scored.relation).ranks
        found.append(float(np.mean(ranks.expected <= 1)))
    return found


def repaired_scores(staged: Staged, parts: Parts) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Parts in which every pair whose side of a right pair is in doubt is exact, and what was seen."""
    rough, relation = parts[FINE], staged.encoded.split.video_of_caption
    T, V = rough.shape
    rng = np.random.default_rng(0)
    texts = rng.permutation(T)[: 2 * _SAMPLE]
    clips = rng.permutation(V)[: 2 * _SAMPLE]
    right = np.zeros((T, V), dtype=bool)
    right[np.arange(T), relation] = True
    sampled, check = np.zeros((T, V), dtype=bool), np.zeros((T, V), dtype=bool)
    sampled[texts[::2]] = sampled[:, clips[::2]] = True
    check[texts[1::2]] = check[:, clips[1::2]] = True
    known = right | sampled
    exact = staged.fine(known)
    error = float(np.abs(exact - rough)[known].max())
    margin = _MARGIN * error
    weights, fine = staged.head.weights, np.where(known, exact, rough)
    doubt = _in_doubt(fine, relation, margin)
    doubt |= _in_doubt(fuse({**parts, FINE: fine}, weights), relation, margin * weights[FINE])
    more = doubt & ~known
    again = staged.fine(more | check)
    repaired = {**parts, FINE: np.where(more, again, fine)}
    reference = {**parts, FINE: np.where(check, again, repaired[FINE])}
    equal = _same_ranks(staged, repaired, reference, texts[1::2], clips[1::2])
    facts = {"largest_error": error, "margin": margin, "rescored": float((more | known).mean())}
    return repaired, {**facts, "sample": len(texts[1::2]) + len(clips[1::2]), "sample_equal": equal}


def _in_doubt(scores: np.ndarray, relation: np.ndarray, margin: float) -> Bool[np.ndarray, "T V"]:
    """Pairs within `margin` of the right pair of their text, or of the best right one of their
    clip.
    """
    rows = scores[np.arange(len(relation)), relation]
    columns = np.full(scores.shape[1], np.inf)
    for clip in np.unique(relation):
        columns[clip] = rows[relation == clip].max()
    near_rows = np.abs(scores - rows[:, None]) <= margin
    doubt: Bool[np.ndarray, "T V"] = near_rows | (np.abs(scores - columns) <= margin)
    return doubt


def _same_ranks(
    staged: Staged, found: Parts, wanted: Parts, texts: np.ndarray, clips: np.ndarray
) -> bool:
    """Whether the sampled queries rank alike, in patch_word and in the sum."""
    relation, weights = staged.encoded.split.video_of_caption, staged.head.weights

    def alike(one: Ranked, other: Ranked, asked: np.ndarray) -> bool:
        among = np.isin(one.queries, asked)
        return bool(np.array_equal(one.ranks.expected[among], other.ranks.expected[among]))

    pairs = [(found[FINE], wanted[FINE]), (fuse(found, weights), fuse(wanted, weights))]
    return all(
        alike(rank(one, relation), rank(other, relation), asked)
        for one, other in pairs
        for rank, asked in ((rank_videos, texts), (rank_texts, clips))
    )
