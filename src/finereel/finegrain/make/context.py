"""Statistics of a caption collection: which words occur side by side, and every word said of each
video.

A first pass over the captions builds it; memory holds the texts once, and a count for each pair of
words.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain, islice

from finereel.data.base import Caption
from finereel.finegrain.make.sites import DETERMINERS
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.tagging.words import tokenize

ENOUGH_CAPTIONS = 5000
END = "."
_BETWEEN = " | "
_LONGEST = 2000  # words of a caption that count for the context


class VideoWords:
    """All words that the captions of one video use, and their base forms."""

    def __init__(self, captions: Iterable[str], lexicon: Lexicon) -> None:
        texts = [" ".join(plain_words(caption)) for caption in captions]
        self._text = f" {_BETWEEN.join(texts)} "
        forms = set(self._text.split())
        self.words = forms.union(*(base_forms(form, lexicon) for form in forms)) if forms else forms

    def has(self, word: str) -> bool:
        """Whether a word (any form of it) or a phrase (as it stands) occurs."""
        return f" {word} " in self._text if " " in word else word in self.words

    def has_any(self, words: Iterable[str]) -> bool:
        """Whether one of them occurs."""
        return any(self.has(word) for word in words)

    def in_order(self, first: str, second: str) -> bool:
        """Whether some caption has the one word before the other.

        >>> said = VideoWords(["a dog chases a cat", "a cat sits"], Lexicon.load())
        >>> said.in_order("dog", "cat"), said.in_order("cat", "dog")
        (True, False)
        """
        pattern = rf" {re.escape(first)} (?:[^| ]+ )*{re.escape(second)} "
        return all(f" {word} " in self._text for word in (first, second)) and (
            re.search(pattern, self._text) is not None
        )

    def relates(self, preposition: str, thing: str) -> bool:
        """Whether the preposition occurs with the thing at most four words behind it.

        >>> said = VideoWords(["a cup on the small table in front of a house"], Lexicon.load())
        >>> said.relates("on", "table"), said.relates("in", "house")
        (True, False)
        """
        longer = "(?!front of|back of)" if preposition == "in" else ""
        pattern = rf" {re.escape(preposition)} {longer}(?:(?!\|)\S+ ){{0,3}}{re.escape(thing)}"
        return f" {preposition} " in self._text and re.search(pattern, self._text) is not None


class Context:
    """The captions a generator works on.

    attested: whether the captions are enough for "never seen side by side" to mean something
    (5,000).
    """

    def __init__(self, captions: Iterable[Caption], lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self._texts: dict[str, list[str]] = {}
        self._pairs: Counter[str] = Counter()
        self.words: Counter[str] = Counter()
        self.captions = 0
        for row in captions:
            self.captions += 1
            self._texts.setdefault(row.video_id, []).append(row.text)
            self._count(plain_words(row.text))
        self.video = lru_cache(maxsize=256)(self._video)

    def __getstate__(self) -> dict[str, object]:
        """For another process: without what each process has of its own."""
        return {key: value for key, value in vars(self).items() if key not in ("video", "lexicon")}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state, lexicon=Lexicon.load(), video=lru_cache(maxsize=256)(self._video))

    @property
    def attested(self) -> bool:
        """Whether there are captions enough to take an unseen pair of words for an odd one."""
        return self.captions >= ENOUGH_CAPTIONS

    def pair(self, left: str, right: str) -> int:
        """How often `right` follows `left`, determiners between them left out; END is the end of a
        caption.
        """
        return self._pairs[f"{left} {right}"]

    def sample(self, count: int) -> list[str]:
        """Take at most `count` captions, evenly spaced in the order of the videos."""
        step = max(1, -(-self.captions // count))
        return list(islice(chain.from_iterable(self._texts.values()), 0, None, step))

    def _video(self, video_id: str) -> VideoWords:
        return VideoWords(self._texts.get(video_id, ()), self.lexicon)

    def _count(self, words: Sequence[str]) -> None:
        self.words.update(words)
        content = [word for word in words if word not in DETERMINERS]
        self._pairs.update(map(" ".join, zip(content, [*content[1:], END], strict=False)))


@lru_cache(maxsize=1 << 16)
def base_forms(form: str, lexicon: Lexicon) -> tuple[str, ...]:
    """The base forms of a word as noun, verb, adjective or adverb."""
    return tuple(
        {lemma for pos in ("noun", "verb", "adjective") for lemma in lexicon.lemmas_of(form, pos)}
    )


def plain_words(caption: str) -> list[str]:
    """The words of a caption in lower case, without punctuation; at most the first 2,000.

    >>> plain_words("A man, in a T-shirt.")
    ['a', 'man', 'in', 'a', 't-shirt']
    """
    return [
        text.lower()
        for text, _, _ in tokenize(caption)[:_LONGEST]
        if text[0].isalnum() or text[0] == "'"
    ]
