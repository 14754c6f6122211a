"""What the fine-grained experiment compares: no negatives, negatives of words, of phrases, a
prompt, all of it, negatives without the video, and remedies.
"""

from dataclasses import dataclass, field, replace

from finereel.config import FineConfig, ModelConfig
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
    loss: the fine-grained loss. freeze: patterns of what does not learn, beside the recipe's own.
    """

    levels: tuple[str, ...] = ()
    blind: bool = False
    loss: FineLoss = field(default=FineLoss())
    freeze: tuple[str, ...] = ()


@dataclass(frozen=True)
class FineRow:
    """What a row trains with: levels of the negatives, prompts, loss, and what it freezes."""

    levels: tuple[str, ...] = ()
    prompts: FineConfig = field(default=FineConfig())
    loss: FineLoss = field(default=FineLoss())
    freeze: tuple[str, ...] = ()


REFERENCE, WORD, TEXT_ALONE = "baseline", "+ word", "text alone"
_WORD, _PHRASE, _BOTH = ("word",), ("phrase",), ("word", "phrase")
ROWS: dict[str, FineRow] = {
    REFERENCE: FineRow(),
    WORD: FineRow(_WORD),
    "+ phrase": FineRow(_PHRASE),
    "+ prompt": FineRow(_PHRASE, FineConfig(visual_prompts=1)),
    "+ both": FineRow(_BOTH, FineConfig(visual_prompts=1)),
    "+ textual prompt": FineRow(_BOTH, FineConfig(text_prompts=4)),
    TEXT_ALONE: FineRow(_WORD),
}
"""Levels of the negatives and prompts of each row.

`+ prompt` is the published method: a prompt without negatives has nothing to learn from. `text
alone` is `+ word` without the video, which shows how much of its gain can be memorised.
"""
_TEXT_SIDE = (
    *("encoder.text_*", "encoder.word_projection"),
    *("head.sentence_projection", "head.word_projection"),
)
_MAIN_SIDE = ("encoder.*", "head.*", "patches.*")
_ALL_BUT_PROMPTS = (*_MAIN_SIDE, "fine_head.*")
_ONE_PROMPT = FineConfig(visual_prompts=1)
MORE_ROWS: dict[str, FineRow] = {
    "+ word and phrase": FineRow(_BOTH),
    "+ prompt on words": FineRow(_WORD, _ONE_PROMPT),
    "+ four prompts": FineRow(_BOTH, FineConfig(visual_prompts=4)),
    "+ deep prompt": FineRow(_BOTH, FineConfig(visual_prompts=1, deep=True)),
    "+ deep textual prompt": FineRow(_BOTH, FineConfig(text_prompts=4, deep=True)),
    "+ both prompts": FineRow(_BOTH, FineConfig(visual_prompts=1, text_prompts=4)),
    "+ both, only the prompt learns": FineRow(_BOTH, _ONE_PROMPT, freeze=_ALL_BUT_PROMPTS),
    "+ both, prompt and fine head learn": FineRow(_BOTH, _ONE_PROMPT, freeze=_MAIN_SIDE),
    "+ word, text side frozen": FineRow(_WORD, freeze=_TEXT_SIDE),
    **{
        f"+ word, other clip {name}": FineRow(_WORD, loss=FineLoss(other_clip=name))
        for name in ("uniform", "subtracted", "evidence")
    },
    **{
        f"+ both, other clip {name}": replace(ROWS["+ both"], loss=FineLoss(other_clip=name))
        for name in ("uniform", "subtracted", "evidence")
    },
}
"""Rows by name only. Phrases without a prompt, and a prompt without phrases; several prompts, prompts
of their own for every block (visual ones need pixels), and prompts on both sides; learning of the
prompt alone, or of the prompt and its head, in place of all.

And remedies for a loss that can be lowered without the clip: either no vector of a text learns (with
a dual encoder and UCoFiA's head), or the scores against another clip count, see
`finereel.training.fine.OTHER_CLIP`.
"""
ALL_ROWS = ROWS | MORE_ROWS
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
        rows: Names of rows, keys of ALL_ROWS.
        weights: Weights of the fine-grained loss; each adds a row like `+ word` with that weight.
    """
    named = {
        name: FineVariant(
            f"fine-{head}-{name.replace('+ ', '').replace(',', '').replace(' ', '-')}",
            _config(benchmark, head, row.prompts),
            row.levels,
            blind=name == TEXT_ALONE,
            loss=row.loss,
            freeze=row.freeze,
        )
        for name, row in ALL_ROWS.items()
        if name in rows
    }
    return named | {
        f"{WORD}, weight {weight:g}": _weighted(benchmark, head, weight) for weight in weights
    }


def _config(benchmark: Benchmark, head: str, prompts: FineConfig) -> ModelConfig:
    """The recipe's own settings where it has that head, else those the head was published with."""
    if benchmark.recipe.model.head == head:
        return replace(benchmark.recipe.model, fine=prompts)
    return with_head(benchmark.recipe, head, fine=prompts)


def _weighted(benchmark: Benchmark, head: str, weight: float) -> FineVariant:
    """The published weight is the row `+ word` itself, trained once."""
    (word,) = fine_variants(benchmark, head, (WORD,)).values()
    if weight == word.loss.weight:
        return word
    return replace(word, name=f"{word.name}-{weight:g}", loss=replace(word.loss, weight=weight))
