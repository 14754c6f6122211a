"""What the fine-grained experiment compares: no negatives, negatives of words, of phrases, a
prompt, all of it, and negatives without the video.
"""

from dataclasses import dataclass, replace

from finereel.config import FineConfig
from finereel.recipes.overrides import with_head
from finereel.training.fine import FineLoss
from research.benchmark_sets import Benchmark
from research.variants import Variant


@dataclass(frozen=True)
class FineVariant(Variant):
    """A variant that may be trained with fine-grained negatives.

    levels: levels of the training negatives (word, phrase); empty means that it has none.
    blind: every clip is replaced by the average clip, in training and in the test, so the model can
        only learn which words negatives are made of.
    weight: weight of the fine-grained loss.
    """

    levels: tuple[str, ...] = ()
    blind: bool = False
    weight: float = FineLoss().weight


REFERENCE, WORD, TEXT_ALONE = "baseline", "+ word", "text alone"
_PROMPT = FineConfig(visual_prompts=1)
ROWS: dict[str, tuple[tuple[str, ...], FineConfig]] = {
    REFERENCE: ((), FineConfig()),
    WORD: (("word",), FineConfig()),
    "+ phrase": (("phrase",), FineConfig()),
    "+ prompt": (("phrase",), _PROMPT),
    "+ both": (("word", "phrase"), _PROMPT),
    "+ textual prompt": (("word", "phrase"), FineConfig(text_prompts=4)),
    TEXT_ALONE: (("word",), FineConfig()),
}
"""Levels of the negatives and prompts of each row.

`+ prompt` is the published method: a prompt without negatives has nothing to learn from. `text
alone` is `+ word` without the video, which shows how much of its gain can be memorised.
"""
HEADS = ("ucofia", "xclip", "clip4clip", "ts2net")


def fine_variants(
    benchmark: Benchmark,
    head: str,
    rows: tuple[str, ...] = tuple(ROWS),
    weights: tuple[float, ...] = (),
) -> dict[str, FineVariant]:
    """Name the rows of one head's table and their settings.

    Args:
        benchmark: The data set and its recipe.
        head: Name of the head.
        rows: Names of rows, keys of ROWS.
        weights: Weights of the fine-grained loss; each adds a row like `+ word` with that weight.
    """
    named = {
        row: FineVariant(
            f"fine-{head}-{row.replace('+ ', '').replace(' ', '-')}",
            with_head(benchmark.recipe, head, fine=fine),
            levels,
            blind=row == TEXT_ALONE,
        )
        for row, (levels, fine) in ROWS.items()
        if row in rows
    }
    return named | {
        f"{WORD}, weight {weight:g}": _weighted(benchmark, head, weight) for weight in weights
    }


def _weighted(benchmark: Benchmark, head: str, weight: float) -> FineVariant:
    """The published weight is the row `+ word` itself, trained once."""
    (word,) = fine_variants(benchmark, head, (WORD,)).values()
    return (
        word
        if weight == word.weight
        else replace(word, name=f"{word.name}-{weight:g}", weight=weight)
    )
