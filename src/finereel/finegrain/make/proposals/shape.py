"""Check that an answer of a language model is a plain word for the slot; treat everything else as
hostile.

A model that edits the caption elsewhere has to answer with more than the span; more than the span
is refused.
"""

import re
import unicodedata
from collections.abc import Iterable

from finereel.finegrain.make.proposals.types import Proposal, Reject, Slot, SlotResult

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
