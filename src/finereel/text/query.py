"""Check a query, and report what the model will not read: words after its last token and words it
does not know.
"""

import unicodedata
from dataclasses import dataclass

from finereel.errors import QueryError
from finereel.text.languages import foreign_language
from finereel.text.tokenize import Tokenizer

LONGEST_QUERY = 10_000
"""Characters; a model reads some dozens of words."""
SMALL_VOCABULARY = 5_000
"""A vocabulary below this was learned from few captions: a word in pieces is one that the model
never saw.
"""
_NAMED = 12
_EXAMPLE = 'say what happens in the video, for instance "a dog runs"'


@dataclass(frozen=True)
class Reading:
    """What a model does not take in of a query.

    cut: words past the model's window, which do not count. unknown: words that a model with a small
    vocabulary never saw, where they are half of the query or more. language: a foreign script or
    `another language`, else empty.
    """

    cut: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    language: str = ""

    def notes(self) -> list[str]:
        """A sentence for each, for a person.

        >>> Reading(cut=("near", "Oslo")).notes()
        ['the query is longer than the model reads; these words do not count: near Oslo']
        """
        notes = []
        if self.language:
            notes.append(
                f"the model knows English; this query looks like {self.language}, so expect little"
            )
        elif self.unknown:
            notes.append(
                "the model has never seen these words, so they say little to it: "
                f"{_named(self.unknown)}"
            )
        if self.cut:
            notes.append(
                "the query is longer than the model reads; these words do not count: "
                f"{_named(self.cut)}"
            )
        return notes


def checked_query(text: object) -> str:
    """The same text; QueryError where it has no visible character, is longer than LONGEST_QUERY, or
    is no text.

    >>> checked_query(" \\t")
    Traceback (most recent call last):
    finereel.errors.QueryError: the query is empty: say what happens in the video, for instance "a dog runs"
    """
    if not isinstance(text, str):
        raise QueryError(f"a query is a text, got {type(text).__name__}: {_EXAMPLE}")
    if len(text) > LONGEST_QUERY:
        raise QueryError(
            f"the query has {len(text):,} characters, at most {LONGEST_QUERY:,} are taken: "
            f"{_EXAMPLE}"
        )
    kinds = {unicodedata.category(character) for character in text}
    if "Cs" in kinds:
        raise QueryError(
            "the query is not valid UTF-8 text: type it again, or save its file as UTF-8; "
            f"{_EXAMPLE}"
        )
    if all(kind[0] in "CZ" for kind in kinds):
        what = "holds only spaces and control characters" if text.strip() else "is empty"
        raise QueryError(f"the query {what}: {_EXAMPLE}")
    return text


def read_query(text: str, tokenizer: Tokenizer, max_words: int) -> Reading:
    """What a model with this tokenizer, which reads `max_words` tokens, does not take in of
    a text.
    """
    words = tokenizer.words(text, len(text.encode()) + 2)
    cut = tuple(word.text for word in words if word.tokens.stop > max_words - 1)
    unknown: tuple[str, ...] = ()
    if tokenizer.vocab_size < SMALL_VOCABULARY:
        spelled = [word for word in words if word.text.isalpha()]
        pieces = tuple(word.text for word in spelled if len(word.tokens) > 1)
        unknown = pieces if 2 * len(pieces) >= len(spelled) else ()
    return Reading(cut, unknown, foreign_language(text))


def _named(words: tuple[str, ...]) -> str:
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return " ".join(words[:_NAMED]) + more
