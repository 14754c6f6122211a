"""The types of proposals: the question to a language model, its answers, and the rejected ones."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
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


# Is an answer a word for the slot at all? Answers of a model are hostile until they look like one.
LONGEST = 40
WORDS_OF_A_PREPOSITION = 3  # "in front of"
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def misfit(slot: Slot, answer: object) -> str | None:
    """Why an answer is no replacement for the span, or None.

    >>> slot = Slot("a cat sleeps", 2, 5, "noun")
    >>> misfit(slot, "dog"), misfit(slot, "Cat"), misfit(slot, "a dog sleeps"), misfit(slot, "<b>dog</b>")
    (None, 'the same word', 'more than the span', 'not a word')
    """
    if not isinstance(answer, str) or not answer.strip():
        return "not a word"
    if len(answer) > LONGEST:
        return "more than the span"
    words = answer.split()
    if not all(_WORD.fullmatch(word) for word in words) or any(
        not _ordinary(character) for character in answer
    ):
        return "not a word"
    longest = max(
        len(slot.source.split()), WORDS_OF_A_PREPOSITION if slot.pos == "preposition" else 1
    )
    if len(words) > longest:
        return "more than the span"
    text = settled(answer).casefold()
    if text in (settled(slot.source).casefold(), slot.lemma.casefold()):
        return "the same word"
    if re.search(rf"(?<!\w){re.escape(text)}(?!\w)", slot.caption.casefold()):
        return "in the caption already"
    return None


def settled(answer: str) -> str:
    """A replacement as it is kept: composed characters, single spaces, lower case.

    >>> settled("  In  Front of")
    'in front of'
    """
    return unicodedata.normalize("NFC", " ".join(answer.split())).lower()


class Sieve:
    """Collects the answers for one slot: a word passes once, what does not is counted by reason.

    >>> sieve = Sieve(Slot("a cat sleeps", 2, 5, "noun"), lambda slot, word: None)
    >>> sieve.words(["dog", "Dog", "cat"]), sieve.refused
    (['dog'], {'the same word': 1})
    """

    def __init__(self, slot: Slot, reject: Reject) -> None:
        self.slot = slot
        self.refused: dict[str, int] = {}
        self._reject = reject
        self._seen: set[str] = set()

    def words(self, answers: Iterable[object]) -> list[str]:
        """Those answers that fit the slot and that the rules let pass, in their order."""
        return [word for answer in answers if (word := self._word(answer)) is not None]

    def refuse(self, why: str) -> None:
        """Count a refusal."""
        self.refused[why] = self.refused.get(why, 0) + 1

    def outcome(self, proposals: Iterable[Proposal]) -> SlotResult:
        """What is left, with the counts."""
        return SlotResult(tuple(proposals), dict(sorted(self.refused.items())))

    def _word(self, answer: object) -> str | None:
        why = misfit(self.slot, answer)
        word = settled(answer) if isinstance(answer, str) and why is None else ""
        if why is None and word in self._seen:
            return None
        self._seen.add(word)
        why = why or self._reject(self.slot, word)
        if why is not None:
            self.refuse(why)
            return None
        return word


def _ordinary(character: str) -> bool:
    """A character that is drawn: control and format characters reorder or hide text."""
    return unicodedata.category(character)[0] != "C"
