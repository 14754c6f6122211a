"""What each experiment compares: names of variants and the model settings behind them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from finereel.config import ModelConfig
from finereel.errors import unknown_name
from finereel.models.encoders.patch_temporal import PATCH_TEMPORAL
from finereel.recipes.overrides import with_head
from research.benchmark_sets import Benchmark
from research.self_supervised import TASKS, SelfSupervision


@dataclass(frozen=True)
class Variant:
    """One row of a table.

    name: name of the row and of its folder. config: all settings of the model except its towers.
    self_supervision: the stage without text that comes before everything else, if any.
    """

    name: str
    config: ModelConfig = field(hash=False)
    self_supervision: SelfSupervision | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Experiment:
    """A table: its title, the question it answers, its variants, and the row the others are
    compared with.
    """

    title: str
    question: str
    variants: tuple[Variant, ...]
    reference: str


REFERENCE = "ucofia"
"""The full model: three granularities, ISA, 3 patches and CLS of every frame, temporal transformer.
Its runs serve every experiment that contains it.
"""

_GRAINS = {
    "video-sentence": ("video_sentence",),
    "+ frame-sentence": ("video_sentence", "frame_sentence"),
    REFERENCE: ("video_sentence", "frame_sentence", "patch_word"),
}
_SELF_SUPERVISED = 200
"""Steps of the stage without text."""
_ATTENTION = {"patch_word": "cross_attention"}
_AGGREGATIONS = ("mean", "softmax", "max", "sharpened_softmax")
_PEERS: dict[str, dict[str, str]] = {
    "clip4clip-meanP": {"head": "clip4clip", "temporal": "meanP"},
    "clip4clip-seqLSTM": {"head": "clip4clip", "temporal": "seqLSTM"},
    "clip4clip-seqTransf": {"head": "clip4clip", "temporal": "seqTransf"},
    "xclip": {"head": "xclip"},
    "ts2net": {"head": "ts2net"},
    "drl-wti": {"head": "drl", "interaction": "wti"},
    "drl-ti": {"head": "drl", "interaction": "ti"},
    "max_sim": {"head": "max_sim"},
}


def reference(benchmark: Benchmark) -> Variant:
    """The full model on a benchmark."""
    return Variant(REFERENCE, with_head(benchmark.recipe, "ucofia"))


def granularity(benchmark: Benchmark) -> Experiment:
    """(a) What each finer grain adds."""
    rows = tuple(
        Variant(
            name,
            with_head(
                benchmark.recipe, "ucofia", weights={grain: 1 / len(grains) for grain in grains}
            ),
        )
        for name, grains in _GRAINS.items()
    )
    return Experiment(
        "Granularity", "Does each finer grain add to the coarser ones?", rows, "video-sentence"
    )


def aggregation(benchmark: Benchmark) -> Experiment:
    """(b) Interactive similarity aggregation against simpler ones."""
    rows = tuple(
        Variant(f"agg-{name}", with_head(benchmark.recipe, "ucofia", aggregation=name))
        for name in _AGGREGATIONS
    )
    return Experiment(
        "Aggregation",
        "Is ISA better than mean, softmax, max or a learned softmax?",
        (*rows, reference(benchmark)),
        REFERENCE,
    )


def peers(benchmark: Benchmark) -> Experiment:
    """(e) The published heads side by side, all with their bugs corrected."""
    rows = tuple(
        Variant(name, with_head(benchmark.recipe, **settings)) for name, settings in _PEERS.items()
    )
    return Experiment(
        "Peers",
        "Which head retrieves best on the same towers and pairs?",
        (*rows, reference(benchmark)),
        REFERENCE,
    )


def sizes(benchmark: Benchmark) -> Experiment:
    """(f) How many patches of a frame, and how many frames."""
    patches = tuple(
        Variant(
            f"{k} patch{'es' * (k > 1)}", with_head(benchmark.recipe, "ucofia", patches_per_frame=k)
        )
        for k in (1, 6)
    )
    few = max(1, benchmark.recipe.model.max_frames // 3)
    frames = Variant(
        f"{few} frame{'s' * (few > 1)}", with_head(benchmark.recipe, "ucofia", max_frames=few)
    )
    rows = (*patches, frames, reference(benchmark))
    return Experiment(
        "Patches and frames", "Do more patches and more frames help?", rows, REFERENCE
    )


def checks(benchmark: Benchmark) -> Experiment:
    """(g) What the papers leave to be tried: attention, temporal patches, a stage without text."""
    rows = [
        Variant("cross-attention", with_head(benchmark.recipe, "ucofia", **_ATTENTION)),
        Variant("xpool", with_head(benchmark.recipe, "xpool")),
    ]
    rows += [
        Variant(f"patches-{name}", with_head(benchmark.recipe, "ucofia", patch_temporal=name))
        for name in PATCH_TEMPORAL
    ]
    warm_up = benchmark.recipe.warm_up
    if warm_up is not None:  # else the towers are a whole model's
        steps, full = min(_SELF_SUPERVISED, warm_up.steps), reference(benchmark).config
        rows += [
            Variant(name, full, self_supervision=SelfSupervision(name, steps)) for name in TASKS
        ]
    return Experiment(
        "Open checks",
        "Do cross-attention, X-Pool, temporal modelling of patches or a self-supervised stage "
        "retrieve better?",
        (*rows, reference(benchmark)),
        REFERENCE,
    )


def chosen_rows(whole: Experiment, rows: Sequence[str]) -> Experiment:
    """The rows of these names and the reference; all where none is named."""
    if not rows:
        return whole
    known = {variant.name: variant for variant in whole.variants}
    for name in rows:
        if name not in known:
            raise unknown_name("row", name, known)
    names = [name for name in known if name in (*rows, whole.reference)]
    return replace(whole, variants=tuple(known[name] for name in names))


EXPERIMENTS: dict[str, Callable[[Benchmark], Experiment]] = {
    "granularity": granularity,
    "aggregation": aggregation,
    "peers": peers,
    "sizes": sizes,
    "checks": checks,
}


def experiment(name: str, benchmark: Benchmark) -> Experiment:
    """The experiment called `name`, on a benchmark."""
    if name not in EXPERIMENTS:
        raise unknown_name("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name](benchmark)
