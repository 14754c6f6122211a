"""Measure which scores of a model a changed word moves, by part of speech, and what other ways to
read the words of a sentence would give:

    python -m research.scripts.changed_words --model everyday --data msrvtt_frames \
        --annotations DIR --features TOKENS --negatives "balanced=balanced.jsonl" \
        "released adverbs=msr1ka_adverb_RE20.json"
    python -m research.scripts.changed_words --model reelworld-tiny --data reelworld --scenes 100

Without --negatives, ReelWorld's twins are the negatives. UCoFiA's patch_word takes nearly the maximum
over the words of a sentence. Where words do not see what comes after them (a causal text tower), a
changed word that is no maximum, and after which none is, changes nothing. READINGS replace the
aggregation over words by others, without training. Prints Markdown. Pairs that read alike to the
model, because it cuts the sentence before the change, are left out.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from finereel import data as datasets
from finereel.cli.progress import StageBars
from finereel.data import reelworld as worlds
from finereel.data.base import Split
from finereel.data.sources import SourceOptions, captions_by_id, captions_of, open_source
from finereel.evaluation.retrieval import FUSED
from finereel.finegrain.evaluate.groups import Candidates, Group, groups_of
from finereel.finegrain.evaluate.measure import twin_groups, twin_pairs
from finereel.finegrain.evaluate.scorer import PairScores
from finereel.finegrain.evaluate.towers import TowerScorer
from finereel.finegrain.files import read_negatives
from finereel.finegrain.files.base import Known
from finereel.models.features import Scores, TextFeatures, VideoFeatures
from finereel.models.heads.ucofia import UcofiaHead
from finereel.models.heads.weighting import MeanAggregation, masked_softmax
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.statistics.intervals import PERCENT, difference_interval, mean_interval
from finereel.statistics.metrics import retrieval_metrics

NEAR = 1e-6
PATCH_WORD = "patch_word"
_OVER_WORDS = ("over_words", "over_patch_words")
_DEVIATIONS = 1e-12


class SofterWords(nn.Module):
    """Σ softmax(x / τ)·x over words; `temperature` is τ."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(
        self, similarities: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None = None
    ) -> Tensor:
        """Similarities under the mask never count."""
        if mask is not None:
            similarities = similarities.masked_fill(~mask, 0.0)
        return (masked_softmax(similarities / self.temperature, mask) * similarities).sum(-1)


class TwoPaths(nn.Module):
    """Half of one aggregation and half of the mean."""

    def __init__(self, first: nn.Module) -> None:
        super().__init__()
        self.first, self.mean = first, MeanAggregation(0)

    def forward(
        self, similarities: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None = None
    ) -> Tensor:
        """Similarities under the mask never count."""
        made: Tensor = self.first(similarities, mask) + self.mean(similarities, mask)
        return made / 2


READINGS: Mapping[str, Callable[[nn.Module], nn.Module]] = {
    "softmax, τ 0.1": lambda trained: SofterWords(0.1),
    "mean of the words": lambda trained: MeanAggregation(0),
    "half ISA, half mean": TwoPaths,
}
"""Aggregations over words, each made from the trained one."""


@contextmanager
def reading(head: UcofiaHead, make: Callable[[nn.Module], nn.Module]) -> Iterator[None]:
    """Both aggregations over words replaced, and put back."""
    trained = {name: getattr(head, name) for name in _OVER_WORDS}
    try:
        for name, module in trained.items():
            setattr(head, name, make(module))
        yield
    finally:
        for name, module in trained.items():
            setattr(head, name, module)


class ManyReadings:
    """A model with UCoFiA's head whose scores hold its patch_word in every reading as well, by the
    reading's name; those weigh nothing.
    """

    def __init__(self, model: RetrievalModel) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def score(self, text: TextFeatures, video: VideoFeatures) -> Scores:
        """All granularities, then patch_word by READINGS."""
        found = self._model.score(text, video)
        assert isinstance(self._model.head, UcofiaHead)
        parts = dict(found.parts)
        for name, make in READINGS.items():
            with reading(self._model.head, make):
                parts[name] = self._model.score(text, video).parts[PATCH_WORD]
        return Scores(parts, {**found.weights, **dict.fromkeys(READINGS, 0.0)})

    score_fine = score


@dataclass(frozen=True)
class Pairs:
    """A score of N true captions and of one negative each, by name: against the clip and, for what
    the texts alone tell, against another one. And each pair's part of speech and clip.
    """

    true: Mapping[str, np.ndarray]
    false: Mapping[str, np.ndarray]
    other_true: Mapping[str, np.ndarray]
    other_false: Mapping[str, np.ndarray]
    pos: np.ndarray
    videos: np.ndarray

    def of(self, pos: str) -> "Pairs":
        """Those of one part of speech."""
        at = self.pos == pos
        sides = (self.true, self.false, self.other_true, self.other_false)
        taken = ({name: column[at] for name, column in side.items()} for side in sides)
        return Pairs(*taken, self.pos[at], self.videos[at])

    @property
    def clusters(self) -> np.ndarray:
        """A number for every clip."""
        return np.asarray(np.unique(self.videos, return_inverse=True)[1])

    def right(self, name: str) -> np.ndarray:
        """100 where the true caption scores higher, 50 for a tie, else 0."""
        return _right(self.true[name], self.false[name])

    def seen(self, name: str) -> np.ndarray:
        """`right`, less what it is with another clip."""
        return self.right(name) - _right(self.other_true[name], self.other_false[name])


def _right(true: np.ndarray, false: np.ndarray) -> np.ndarray:
    return 100.0 * ((true > false) + (true == false) / 2)


def with_fused(scored: Mapping[str, Any], weights: Mapping[str, float]) -> dict[str, np.ndarray]:
    """The parts, and the fused score with each reading of patch_word in the place of the trained
    one.
    """
    parts = {name: np.asarray(part, dtype=np.float32) for name, part in scored.items()}
    rest = sum(
        weight * parts[name].astype(np.float64)
        for name, weight in weights.items()
        if name != PATCH_WORD and name not in READINGS
    )
    for name in (PATCH_WORD, *READINGS):
        key = FUSED if name == PATCH_WORD else f"{FUSED}, {name}"
        parts[key] = np.asarray(rest + weights[PATCH_WORD] * parts[name].astype(np.float64))
    return parts


def asked_of(groups: Sequence[Group]) -> list[Candidates]:
    """The candidates of every group, and then of every group again with the clip of another one: the
    next of another clip, in the order of the groups.
    """
    others = []
    for place, group in enumerate(groups):
        later = (*groups[place + 1 :], *groups[:place])
        other = next((g.video_id for g in later if g.video_id != group.video_id), group.video_id)
        others.append(Candidates(other, group.candidates.texts))
    return [*(group.candidates for group in groups), *others]


def pairs_of(groups: Sequence[Group], scored: PairScores) -> Pairs:
    """Every negative beside its caption, without those that read like it to the model; `scored`
    answers `asked_of`.
    """
    parts = with_fused(scored.parts, scored.weights)
    sizes = np.array([1 + len(group.negatives) for group in groups])
    firsts, total = np.cumsum(sizes) - sizes, int(sizes.sum())
    starts = np.repeat(firsts, sizes)
    kept = ~scored.as_first[:total]
    kept[firsts] = False
    places = (starts[kept], np.flatnonzero(kept))
    own = ({name: part[at] for name, part in parts.items()} for at in places)
    other = ({name: part[total + at] for name, part in parts.items()} for at in places)
    return Pairs(
        *own,
        *other,
        np.repeat([group.pos for group in groups], sizes)[kept],
        np.repeat([group.video_id for group in groups], sizes)[kept],
    )


def equal_share(pairs: Pairs, name: str) -> float:
    """Percent of pairs whose scores have the same bits."""
    return 100.0 * float((pairs.true[name] == pairs.false[name]).mean())


def near_share(pairs: Pairs, name: str, near: float = NEAR) -> float:
    """Percent of pairs whose scores differ by less than `near`."""
    return 100.0 * float((np.abs(pairs.true[name] - pairs.false[name]) < near).mean())


def moved(pairs: Pairs, name: str) -> float:
    """The median difference of a pair, in standard deviations of the true captions' scores."""
    difference = np.median(np.abs(pairs.true[name] - pairs.false[name]))
    return float(difference / max(float(np.std(pairs.true[name])), _DEVIATIONS))


def moves_table(pairs: Pairs, names: Sequence[str]) -> str:
    """A line per part of speech and score: what a changed word moves."""
    lines = [
        "| part of speech | pairs | score | bit-equal % | below 1e-6 % | median difference |\n",
        "| --- | --- | --- | --- | --- | --- |\n",
    ]
    for pos in sorted(set(pairs.pos.tolist())):
        own = pairs.of(pos)
        for name in names:
            cells = [pos, f"{len(own.pos):,}", name, f"{equal_share(own, name):.1f}"]
            cells += [f"{near_share(own, name):.1f}", f"{moved(own, name):.2f}"]
            lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


def right_table(pairs: Pairs, names: Sequence[str]) -> str:
    """A line per score and part of speech: percent of pairs that it ranks right, with another clip,
    and what a reading gains in the difference over the trained one.
    """
    lines = [
        "| part of speech | score | pairs right % | 95 % | another clip | gain beyond it | 95 % |\n",
        "| --- | --- | --- | --- | --- | --- | --- |\n",
    ]
    for pos in sorted(set(pairs.pos.tolist())):
        own = pairs.of(pos)
        for name in names:
            right, seen = own.right(name), own.seen(name)
            found = mean_interval(right, own.clusters, PERCENT)
            cells = [f"{right.mean():.1f}", f"{found.low:.1f} to {found.high:.1f}"]
            cells.append(f"{(right - seen).mean():.1f}")
            reference = _trained(name)
            if reference is not None:
                gain = seen - own.seen(reference)
                bounds = difference_interval(gain, own.clusters, 200.0)
                cells += [f"{gain.mean():+.1f}", f"{bounds.low:+.1f} to {bounds.high:+.1f}"]
            else:
                cells += ["", ""]
            lines.append(f"| {pos} | {name} | {' | '.join(cells)} |\n")
    return "".join(lines)


def _trained(name: str) -> str | None:
    """What a reading stands in the place of; None for the model's own scores."""
    if name in READINGS:
        return PATCH_WORD
    return FUSED if name.startswith(f"{FUSED}, ") else None


def retrieval_table(scorer: TowerScorer, split: Split, names: Sequence[str]) -> str:
    """R@1, R@5, R@10 of every score, text to video."""
    found = scorer.score_split(split)
    parts = with_fused(found.scores, found.weights)
    lines = ["| score | R@1 | R@5 | R@10 |\n| --- | --- | --- | --- |\n"]
    for name in names:
        own = retrieval_metrics(parts[name], found.relation).as_dict()
        cells = " | ".join(f"{own[f'R@{k}']:.1f}" for k in (1, 5, 10))
        lines.append(f"| {name} | {cells} |\n")
    return "".join(lines)


def opened(given: argparse.Namespace) -> tuple[TowerScorer, Split]:
    """The model on the clips of a split."""
    torch.set_num_threads(1)
    model = load(given.model)
    options = SourceOptions(
        annotations=given.annotations,
        videos=given.videos,
        features=given.features,
        num_frames=model.num_frames,
        image_size=model.encoder.image_size if model.encoder.takes_pixels else 0,
        preprocessing=model.encoder.preprocessing if model.encoder.takes_pixels else None,
    )
    if given.data == "reelworld":
        split = worlds.virtual({given.split: given.scenes}, with_twins=True).split(given.split)
    else:
        split = datasets.load(given.data, given.annotations).split(given.split)
    return TowerScorer(ManyReadings(model), open_source(given.data, options)), split  # type: ignore[arg-type]


def sets_of(given: argparse.Namespace, split: Split) -> dict[str, tuple[Group, ...]]:
    """The groups of every file, of clips of the split; or ReelWorld's twins."""
    if not given.negatives:
        return {"twins": twin_groups(twin_pairs(split))}
    known = Known(captions_by_id(captions_of(given.annotations, given.captions_format)))
    found, videos = {}, set(split.videos)
    for text in given.negatives:
        name, _, path = text.partition("=")
        rows = (row for row in read_negatives(Path(path), None, known) if row.video_id in videos)
        found[name] = groups_of(rows)
    return found


def page(scorer: TowerScorer, split: Split, sets: Mapping[str, tuple[Group, ...]]) -> str:
    """All tables."""
    text, names = list[str](), list[str]()
    with StageBars() as bars:
        for title, every in sets.items():
            missing = scorer.problems(sorted({group.video_id for group in every}))
            groups = [group for group in every if group.video_id not in missing]
            pairs = pairs_of(groups, scorer.score(asked_of(groups), bars))
            parts = [name for name in pairs.true if name not in READINGS and FUSED not in name]
            names = [*parts, *READINGS, *(name for name in pairs.true if name.startswith(FUSED))]
            text += [
                f"## {title}\n",
                moves_table(pairs, [*parts, *READINGS]),
                right_table(pairs, names),
            ]
    return "\n".join(
        [*text, "## Retrieval, text to video\n", retrieval_table(scorer, split, names)]
    )


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="everyday")
    parser.add_argument("--data", required=True)
    parser.add_argument("--annotations", type=Path)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--scenes", type=int, default=100, help="of reelworld")
    parser.add_argument("--captions-format", default="msrvtt", help="of the released files' ids")
    parser.add_argument("--negatives", nargs="+", default=[], metavar="NAME=FILE")
    given = parser.parse_args()
    scorer, split = opened(given)
    print(page(scorer, split, sets_of(given, split)))


if __name__ == "__main__":
    main()
