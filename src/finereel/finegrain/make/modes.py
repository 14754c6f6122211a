"""The registry of generators by name, and how each is prepared for a collection of captions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from finereel.data.base import Caption
from finereel.finegrain.make.clean import CleanGenerator
from finereel.finegrain.make.context import Context
from finereel.finegrain.make.paper import PaperGenerator, Vocabulary, harvest
from finereel.finegrain.make.settings import GeneratorSettings
from finereel.finegrain.types import Negative
from finereel.finegrain.words.tagging import AgreeingTaggers
from finereel.finegrain.words.tagging.words import Token

# So many captions, evenly spaced, give the vocabulary of the paper's generator.
HARVESTED = 5000


@runtime_checkable
class Generator(Protocol):
    """Makes the negatives of a caption from its tokens, the same in whatever order captions
    come.
    """

    def negatives(self, row: Caption, tokens: Sequence[Token]) -> list[Negative]:
        """The negatives of one caption; ids are `CAPTION/PART_OF_SPEECH/NUMBER`."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a generator needs, the same in every process. vocabulary: of the paper's generator
    only.
    """

    context: Context
    settings: GeneratorSettings
    vocabulary: Vocabulary


def prepare(context: Context, settings: GeneratorSettings) -> Prepared:
    """What has to be found out once, before captions are taken one by one."""
    harvested = (
        harvest(map(AgreeingTaggers(settings.taggers), context.sample(HARVESTED)))
        if settings.mode == "paper"
        else {}
    )
    return Prepared(context, settings, harvested)


def _clean(prepared: Prepared) -> Generator:
    if prepared.settings.propose:
        from finereel.finegrain.make.proposals.generator import generator_for

        return generator_for(prepared.context, prepared.settings)
    return CleanGenerator(prepared.context, prepared.settings)


def _paper(prepared: Prepared) -> Generator:
    return PaperGenerator(prepared.context, prepared.settings, prepared.vocabulary)


MODES: Mapping[str, Callable[[Prepared], Generator]] = MappingProxyType(
    {"clean": _clean, "paper": _paper}
)
