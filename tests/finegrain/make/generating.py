"""Captions -> negatives in one call, for the tests of the generators."""

from collections.abc import Iterable

from finereel.data.base import Caption
from finereel.finegrain.make.clean import CleanGenerator
from finereel.finegrain.make.context import Context
from finereel.finegrain.make.settings import GeneratorSettings
from finereel.finegrain.types import Negative
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.tagging import AgreeingTaggers

TAG = AgreeingTaggers()
DEFAULT = GeneratorSettings()


def rows_of(*captions: str, video: str = "v") -> list[Caption]:
    """Captions of one video."""
    return [Caption(f"{video}#{number}", video, caption) for number, caption in enumerate(captions)]


def context_of(captions: Iterable[Caption]) -> Context:
    return Context(captions, Lexicon.load())


def negatives_of(
    caption: str, *others: str, settings: GeneratorSettings = DEFAULT
) -> list[Negative]:
    """Negatives of the first caption of a video; the others are said of the same video."""
    rows = rows_of(caption, *others)
    return CleanGenerator(context_of(rows), settings).negatives(rows[0], TAG(caption))


def swaps(caption: str, *others: str) -> set[tuple[str, str]]:
    """(source, replacement) of these negatives."""
    every = GeneratorSettings(per_caption=1000)
    return {(row.source, row.replacement) for row in negatives_of(caption, *others, settings=every)}
