"""Say where a model cannot tell two texts apart, by the record of words in its own card."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from finereel.errors import ConfigError
from finereel.finegrain.types import PartOfSpeech
from finereel.index.protocols import SearchModel

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")


@dataclass(frozen=True)
class WordPair:
    """The words in which two texts differ: the one of the first, where it begins, and the other."""

    first: str
    start: int
    second: str


def differing_words(one: str, other: str) -> WordPair | None:
    """The single word in which two texts differ; None where it is none or more than one.

    Capital letters, spaces and "a" or "an" do not count.

    >>> differing_words("a red car", "An orange car")
    WordPair(first='red', start=2, second='orange')
    >>> differing_words("a red car", "a red car drives") is None
    True
    """
    texts = [list(_WORD.finditer(text)) for text in (one, other)]
    if len(texts[0]) != len(texts[1]):
        return None
    pairs = [
        WordPair(first.group(), first.start(), second.group())
        for first, second in zip(*texts, strict=True)
        if _same(first.group()) != _same(second.group())
    ]
    return pairs[0] if len(pairs) == 1 else None


def _same(word: str) -> str:
    return {"an": "a"}.get(word.lower(), word.lower())


def cannot_tell(model: SearchModel, text: str, others: Iterable[str]) -> list[str]:
    """A sentence for every text that differs from `text` in one word of a kind that the model does
    not tell apart: of a part of speech whose pairs it orders rightly in less than 60 %.

    Without a record in the model's card, or without the taggers that find the part of speech,
    nothing is said.

    Args:
        model: The model.
        text: A text.
        others: Texts that are held against it.

    Returns:
        Sentences for a person.
    """
    pairs = [pair for pair in (differing_words(text, other) for other in others) if pair]
    card = getattr(model, "card", None)
    if not pairs or not isinstance(card, dict) or "words" not in card:
        return []
    from finereel.index.evidence import LEAST_ACCURACY, WordFinder, records_of

    records = records_of(card)
    weak = {
        pos: record.pair_accuracy
        for pos, record in records.items()
        if record.pair_accuracy < LEAST_ACCURACY
    }
    if not weak:
        return []
    try:
        words = {word.start: word.pos for word in WordFinder(records).words(text)}
    except ConfigError:  # the taggers are an extra
        return []
    return [
        _sentence(pair, words[pair.start], weak[words[pair.start]])
        for pair in pairs
        if words.get(pair.start) in weak
    ]


def _sentence(pair: WordPair, pos: PartOfSpeech, accuracy: float) -> str:
    return (
        f'the model hardly tells "{pair.first}" from "{pair.second}": of two {pos}s it chose the '
        f"right one in {accuracy:.0f} % of its own test, where guessing gives 50 %"
    )
