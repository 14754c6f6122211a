"""The types of proposals: the question to a language model, its answers, and the rejected ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from finereel.errors import ConfigError
from finereel.finegrain.types import PartOfSpeech


@dataclass(frozen=True, slots=True)
class Slot:
    """A span of a caption that wants another word: `caption[start:end]`, its part of speech, Penn
    tag and lemma.

    Nothing else about the caption is here, so nothing else can reach a model.

    >>> slot = Slot("a cat sleeps", 2, 5, "noun", tag="NN", lemma="cat")
    >>> slot.source, slot.filled("dog")
    ('cat', 'a dog sleeps')
    """

    caption: str
    start: int
    end: int
    pos: PartOfSpeech
    tag: str = ""
    lemma: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= len(self.caption):
            raise ConfigError(
                "a slot lies inside its caption: expected 0 <= start < end <= "
                f"{len(self.caption)}, "
                f"got {self.start} and {self.end}"
            )

    @property
    def source(self) -> str:
        """The word or words to be replaced."""
        return self.caption[self.start : self.end]

    def filled(self, replacement: str) -> str:
        """The caption with the span replaced and nothing else changed."""
        return self.caption[: self.start] + replacement + self.caption[self.end :]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A word for the slot, in the form the sentence needs.

    method: who proposed it, "fill-mask" or "llm". scores: differences in log-likelihood, in nats.
    sense: where it came from, such as "model:bert@1f0c..." and "reply:ab12...", which name the
    weights and the row of the cache.
    """

    replacement: str
    method: str
    scores: Mapping[str, float] = field(default_factory=dict)
    sense: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SlotResult:
    """What one slot got, best first, and how many words were refused for which reason."""

    proposals: tuple[Proposal, ...] = ()
    refused: Mapping[str, int] = field(default_factory=dict)


Reject = Callable[[Slot, str], str | None]
"""The rules that every candidate must pass: why this word may not stand in this slot, or None."""


@runtime_checkable
class Proposer(Protocol):
    """Anything that fills slots; one outcome per slot, in their order, the same for the same slots
    and cache.

    verifies: whether it finds out itself that the caption and the new caption cannot both be true.
    """

    @property
    def verifies(self) -> bool:
        """See the class."""
        ...

    def propose(self, slots: Sequence[Slot], reject: Reject) -> list[SlotResult]:
        """Words for every slot that pass the shape check, `reject` and the proposer's own
        verification.
        """
        ...
