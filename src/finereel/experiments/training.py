"""Train one variant on a test bed from the seed's towers, choose on validation, and score the test split once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from finereel.encoders.patches import Perturbation
from finereel.evaluation.finegrain.groups import Group
from finereel.evaluation.finegrain.measure import FineSettings, score_groups
from finereel.evaluation.finegrain.metrics import group_ranks, point_metrics
from finereel.evaluation.finegrain.towers import TowerScorer
from finereel.evaluation.gallery import ScoredSplit, score_split
from finereel.evaluation.retrieval import FUSED, EvaluationSettings, evaluate_scores
from finereel.experiments.beds import Bed, Plan
from finereel.experiments.clips import FewerFrames
from finereel.experiments.variants import Variant, towers
from finereel.model import RetrievalModel, load
from finereel.training.fine import FineLoss
from finereel.training.health import Validation, chance_recall
from finereel.training.optim import OptimSettings
from finereel.training.pairs import PairBatches, PairSettings
from finereel.training.settings import TrainingSettings
from finereel.training.trainer import Progress, train

OnStep = Callable[[Progress], None]
_NO_INTERVALS = EvaluationSettings(confidence=None)


@dataclass(frozen=True)
class Judge:
    """Selection score on the validation split: the mean of R@1, R@5 and R@10, text to video."""

    bed: Bed

    def __call__(self, model: RetrievalModel) -> Validation:
        metrics = score_metrics(score_split(model, self.bed.data.split("val"), source_for(self.bed, model)))
        recalls = [metrics[name] for name in ("R@1", "R@5", "R@10")]
        val = self.bed.data.split("val")
        queries, gallery = len(val.captions), len(val.videos)
        chance = sum(chance_recall(gallery, k, queries) for k in (1, 5, 10)) / 3
        return Validation(sum(recalls) / 3, metrics, chance, "val")


@dataclass(frozen=True)
class FineJudge:
    """Selection score of fine-grained training: the mean of `Judge`'s and of the pair accuracy on `groups`."""

    bed: Bed
    groups: tuple[Group, ...]

    def __call__(self, model: RetrievalModel) -> Validation:
        coarse = Judge(self.bed)(model)
        scorer = TowerScorer(model, source_for(self.bed, model))
        scores = score_groups(scorer, self.groups, FineSettings(wrong_video=False))
        found = point_metrics(group_ranks(scores.granularities[FUSED], scores.sizes), scores.sizes)
        accuracy = found["pair_accuracy"]
        return Validation((coarse.score + accuracy) / 2, {**coarse.metrics, "pair accuracy": accuracy}, None, "val")


def score_metrics(scored: ScoredSplit) -> dict[str, float]:
    """R@1, R@5, R@10 text to video of the fused score."""
    found = evaluate_scores(scored.scores, scored.relation, _NO_INTERVALS).text_to_video["fused"].metrics
    return {"R@1": found.r1, "R@5": found.r5, "R@10": found.r10}


def source_for(bed: Bed, model: RetrievalModel) -> FewerFrames:
    """The bed's clips at the model's number of frames."""
    return FewerFrames(bed.source, model.num_frames)


def train_towers(bed: Bed, seed: int, work: Path, on_step: OnStep = lambda progress: None) -> RetrievalModel:
    """The towers that every variant of a seed starts from; trained once, then read from `work`. On a bed that starts
    from a whole model that model is all."""
    plan = bed.towers
    if not isinstance(plan, Plan):
        return plan()
    torch.manual_seed(seed)
    bed = replace(bed, fine=None)
    model = _untrained(bed, towers(bed), seed)
    return _trained(model, bed, plan, seed, folder_of(work, bed, "towers", seed), on_step)


def train_variant(
    bed: Bed, variant: Variant, seed: int, work: Path, on_step: OnStep = lambda progress: None
) -> RetrievalModel:
    """A variant trained from the seed's towers; the best model by validation. Goes on where it was stopped."""
    start = train_towers(bed, seed, work)
    torch.manual_seed(seed)
    model = _untrained(bed, variant, seed)
    model.encoder.load_state_dict(start.encoder.state_dict())
    model.start_from_towers()
    if not isinstance(bed.towers, Plan):
        _take_over(model, start)
    return _trained(model, bed, bed.heads, seed, folder_of(work, bed, variant.name, seed), on_step)


def folder_of(work: Path, bed: Bed, name: str, seed: int) -> Path:
    """Where a variant of a seed keeps its checkpoint, its best model and its records."""
    return work / bed.data.name / name.replace(" ", "-") / f"seed-{seed}"


def _untrained(bed: Bed, variant: Variant, seed: int) -> RetrievalModel:
    return RetrievalModel(bed.encoder(), variant.config, bed.tokenizer, variant.name, seed=seed)


def _take_over(model: RetrievalModel, start: RetrievalModel) -> None:
    """Every weight that has a place of its name and shape; a head of the fine score starts as the head. Only what is
    new starts untrained."""
    own, held = model.state_dict(), start.state_dict()
    sources = {name: name.removeprefix("fine_") if name.startswith("fine_head.") else name for name in own}
    fitting = {name: held[source] for name, source in sources.items() if source in held}
    model.load_state_dict({name: it for name, it in fitting.items() if it.shape == own[name].shape}, strict=False)


def _trained(model: RetrievalModel, bed: Bed, plan: Plan, seed: int, folder: Path, on_step: OnStep) -> RetrievalModel:
    negatives = None if bed.fine is None else bed.fine.negatives
    settings = TrainingSettings(
        steps=plan.steps,
        optim=OptimSettings(lr=plan.lr, tower_lr=plan.lr, weight_decay=0.1),
        perturbation=Perturbation(samples=16),
        validate_every=plan.validate_every,
        checkpoint_every=plan.validate_every,
        seed=seed,
        data=bed.data.split("train").hash + ("" if negatives is None else f" {negatives.hash}"),
        fine=FineLoss() if bed.fine is None else bed.fine.loss,
    )
    pairs = PairBatches(
        bed.data.split("train"),
        source_for(bed, model),
        bed.tokenizer,
        PairSettings(
            batch_size=plan.batch_size,
            max_words=bed.max_words,
            word_dropout=bed.word_dropout,
            frame_dropout=bed.frame_dropout,
            seed=seed,
        ),
        negatives,
    )
    if not (folder / "done").exists():
        judge = Judge(bed) if bed.fine is None else FineJudge(bed, bed.fine.validation)
        train(model, pairs.batch_at, judge, settings, folder, on_step)
        (folder / "done").touch()
    best = load(folder / "best")
    best.name = model.name
    return best
