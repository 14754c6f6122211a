"""Captions -> negatives in one call, for the tests of the generators."""

from collections.abc import Iterable

from finereel.negatives.clean import CleanGenerator
from finereel.negatives.context import Context
from finereel.negatives.lexicon import Lexicon
from finereel.negatives.settings import GeneratorSettings
from finereel.negatives.tagging import Agreement
from finereel.negatives.types import CaptionRow, Negative

TAG = Agreement()
DEFAULT = GeneratorSettings()


def rows_of(*captions: str, video: str = "v") -> list[CaptionRow]:
    """Captions of one video."""
    return [CaptionRow(f"{video}#{number}", video, caption) for number, caption in enumerate(captions)]


def context_of(captions: Iterable[CaptionRow]) -> Context:
    return Context(captions, Lexicon.load())


def negatives_of(caption: str, *others: str, settings: GeneratorSettings = DEFAULT) -> list[Negative]:
    """Negatives of the first caption of a video; the others are said of the same video."""
    rows = rows_of(caption, *others)
    return CleanGenerator(context_of(rows), settings).negatives(rows[0], TAG(caption))


def swaps(caption: str, *others: str) -> set[tuple[str, str]]:
    """(source, replacement) of these negatives."""
    every = GeneratorSettings(per_caption=1000)
    return {(row.source, row.replacement) for row in negatives_of(caption, *others, settings=every)}
