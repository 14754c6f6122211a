"""Train one variant on a benchmark from the towers of its seed: the benchmark's recipe with the
variant's model settings.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from finereel.data.base import ClipSource, FewerFrames
from finereel.evaluation.retrieval import FUSED
from finereel.finegrain.evaluate.groups import Group
from finereel.finegrain.evaluate.measure import FineSettings, score_groups
from finereel.finegrain.evaluate.results import group_ranks, point_metrics
from finereel.finegrain.evaluate.towers import TowerScorer
from finereel.models.retrieval import RetrievalModel
from finereel.recipes.run_dataset import RetrievalValidator, TrainingPhase, start_from, train_towers
from finereel.training.distributed import Shard
from finereel.training.health import Validation
from finereel.training.trainer import Progress
from research.benchmark_sets import Benchmark
from research.self_supervised import pretrained
from research.variants import Variant

OnStep = Callable[[Progress], None]


@dataclass(frozen=True)
class FineValidator:
    """Selection score of fine-grained training: the mean of retrieval's and of the pair accuracy on
    `groups`.
    """

    retrieval: RetrievalValidator
    groups: tuple[Group, ...]

    def __call__(self, model: RetrievalModel) -> Validation:
        coarse = self.retrieval(model)
        scores = score_groups(
            TowerScorer(model, self.retrieval.source), self.groups, FineSettings(wrong_video=False)
        )
        found = point_metrics(group_ranks(scores.granularities[FUSED], scores.sizes), scores.sizes)
        accuracy = found["pair_accuracy"]
        return Validation(
            (coarse.score + accuracy) / 2,
            {**coarse.metrics, "pair accuracy": accuracy},
            None,
            "val",
        )


def source_for(benchmark: Benchmark, model: RetrievalModel) -> ClipSource:
    """The benchmark's clips at the model's number of frames."""
    return FewerFrames(benchmark.data.source, model.num_frames)


def shared_towers(
    benchmark: Benchmark,
    seed: int,
    work: Path,
    on_step: OnStep = lambda progress: None,
    started: RetrievalModel | None = None,
) -> RetrievalModel | None:
    """The towers that every variant of a seed starts from: trained once, then read from `work`.

    None for a benchmark that starts from a whole model. started: what these towers start from, a
    model whose name says where they are kept.
    """
    if benchmark.recipe.warm_up is None:
        return None
    phase = _phase(benchmark, Variant("towers", benchmark.recipe.model), seed)
    torch.manual_seed(seed)  # the towers of a token model are drawn from torch's generator
    model = phase.make(phase.recipe)
    if started is not None:
        start_from(model, started)
    name = "towers" if started is None else f"towers after {started.name}"
    return train_towers(phase, model, folder_of(work, benchmark, name, seed), Shard(), on_step)


def _self_supervised(
    benchmark: Benchmark, variant: Variant, seed: int, work: Path
) -> RetrievalModel | None:
    """The variant's model after its self-supervised stage; None where it has none."""
    if variant.self_supervision is None:
        return None
    phase = _phase(benchmark, variant, seed)
    torch.manual_seed(seed)
    ids = {name: benchmark.dataset.split(name).videos for name in ("train", "val")}
    folder = folder_of(work, benchmark, variant.self_supervision.kind, seed) / "pretrained"
    started = pretrained(
        phase.make(phase.recipe), ids, phase.data.source, variant.self_supervision, folder, seed
    )
    started.name = variant.self_supervision.kind
    return started


def train_variant(
    benchmark: Benchmark,
    variant: Variant,
    seed: int,
    work: Path,
    towers: RetrievalModel | None = None,
) -> RetrievalModel:
    """A variant trained from the seed's towers; the best model by validation. Goes on where it was
    stopped.
    """
    started = _self_supervised(benchmark, variant, seed, work)
    towers = towers or shared_towers(benchmark, seed, work, started=started)
    phase = _phase(benchmark, variant, seed)
    torch.manual_seed(seed)  # as above, where the variant does not start from trained towers
    model = phase.make(phase.recipe)
    if towers is not None:
        start_from(model, towers)
    if started is not None and started.name == "frame_order":
        model.temporal.load_state_dict(started.temporal.state_dict())
    benchmark.attach(model)
    best = phase.train(
        model, folder_of(work, benchmark, variant.name, seed), Shard(), lambda progress: None
    )
    benchmark.attach(best)
    return best


def folder_of(work: Path, benchmark: Benchmark, name: str, seed: int) -> Path:
    """Where a variant of a seed keeps its checkpoint, its best model and its records."""
    return work / benchmark.dataset.name / name.replace(" ", "-") / f"seed-{seed}"


def _phase(benchmark: Benchmark, variant: Variant, seed: int) -> TrainingPhase:
    recipe = benchmark.recipe
    recipe = replace(
        recipe,
        name=variant.name,
        model=variant.config,
        training=replace(recipe.training, seed=seed),
        pairs=replace(recipe.pairs, seed=seed),
    )
    source = FewerFrames(benchmark.data.source, variant.config.max_frames)
    retrieval = RetrievalValidator(benchmark.dataset.split("val"), source)
    validator = (
        FineValidator(retrieval, benchmark.validation) if benchmark.validation else retrieval
    )
    return TrainingPhase(recipe, replace(benchmark.data, source=source), validator, benchmark.make)
