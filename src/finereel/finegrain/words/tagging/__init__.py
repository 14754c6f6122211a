"""Tag the words of a caption with parts of speech, and tell whether several taggers agree."""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType

from finereel.errors import ConfigError, unknown_name
from finereel.finegrain.words.inflection import lemma_of
from finereel.finegrain.words.tagging.hanta import HantaTagger
from finereel.finegrain.words.tagging.penn import class_of
from finereel.finegrain.words.tagging.repair import repair
from finereel.finegrain.words.tagging.words import Token, WordClass, tokenize

# The other taggers: TextBlob's lexicon, and spaCy for who has it.
SPACY_MODEL = "en_core_web_sm"


class TextblobTagger:
    """Words -> Penn tags by TextBlob's PatternTagger (De Smedt's Brill lexicon, MIT).

    >>> TextblobTagger()(["a", "man", "rides", "slowly"])
    ['DT', 'NN', 'NNS', 'RB']
    """

    def __init__(self) -> None:
        from textblob.en import parser

        self._find_tags = parser.find_tags
        with (
            warnings.catch_warnings()
        ):  # it reads its lexicon at the first word and leaves the file to the collector
            warnings.simplefilter("ignore", ResourceWarning)
            self._find_tags(["a"])

    def __call__(self, words: Sequence[str]) -> list[str]:
        """One Penn tag per word."""
        return [str(tag).partition("-")[0] for _, tag in self._find_tags(list(words))]


class SpacyTagger:
    """Words -> Penn tags by spaCy's `en_core_web_sm`, the tagger of arXiv 2410.12407. It is not on
    PyPI.
    """

    def __init__(self) -> None:
        try:
            import spacy

            self._pipeline = spacy.load(SPACY_MODEL, disable=["parser", "ner", "lemmatizer"])
        except (ImportError, OSError) as error:
            raise ConfigError(
                f"the tagger 'spacy' needs spaCy and its model {SPACY_MODEL} ({error}); install "
                "both "
                f"(python -m spacy download {SPACY_MODEL}), or use hanta and textblob"
            ) from error

    def __call__(self, words: Sequence[str]) -> list[str]:
        """One Penn tag per word."""
        if not words:
            return []
        from spacy.tokens import Doc

        doc = self._pipeline(Doc(self._pipeline.vocab, words=list(words)))
        return [token.tag_ for token in doc]


__all__ = ["TAGGERS", "Agreement", "Tagger", "Token", "WordClass", "tag", "tokenize"]

Tagger = Callable[[Sequence[str]], list[str]]
"""Words of one caption -> one Penn tag each."""

TAGGERS: Mapping[str, Callable[[], Tagger]] = MappingProxyType(
    {"hanta": HantaTagger, "textblob": TextblobTagger, "spacy": SpacyTagger}
)
DEFAULT_TAGGERS = ("hanta", "textblob")

# Parts of addresses, tags and markup: what stands right before or right after the word.
_GLUED_BEFORE, _GLUED_AFTER = (
    re.compile(r"[@#/\\<>=&$_:~^*+|%]$|\w\.$"),
    re.compile(r"[@#/\\<>=$~^*+|;]|\.\w"),
)


@cache
def load_tagger(name: str) -> Tagger:
    """A tagger by its name in `TAGGERS`, loaded once. Raises ConfigError when it is unknown or not
    installed.
    """
    if name not in TAGGERS:
        raise unknown_name("tagger", name, TAGGERS)
    try:
        return TAGGERS[name]()
    except ImportError as error:
        raise ConfigError(
            f"the tagger {name!r} is not installed ({error}): pip install 'finereel[negatives]'"
        ) from error


class AgreeingTaggers:
    """Captions -> tokens, tagged by each of several taggers, put right for captions, and compared.

    The first tagger gives tag and class. A token is sure where all give it the same class.
    """

    def __init__(self, taggers: Sequence[str] = DEFAULT_TAGGERS) -> None:
        if not taggers:
            raise ConfigError(
                f"expected at least one tagger of {', '.join(sorted(TAGGERS))}, got none"
            )
        self._taggers = [load_tagger(name) for name in taggers]

    def __call__(self, caption: str) -> tuple[Token, ...]:
        """The tokens of one caption.

        >>> [(token.text, token.pos) for token in AgreeingTaggers()("A man plays guitar.")]
        [('A', 'other'), ('man', 'noun'), ('plays', 'verb'), ('guitar', 'noun'), ('.', 'other')]
        """
        spans = tokenize(caption)
        words = [text.lower().replace("’", "'") for text, _, _ in spans]
        names = _proper_names([text for text, _, _ in spans])
        votes = [repair(words, tagger(words)) for tagger in self._taggers]
        return tuple(
            _token(
                caption,
                spans[i],
                "NNP" if names[i] else votes[0][i],
                [class_of(words[i], v[i]) for v in votes],
            )
            for i in range(len(spans))
        )


def tag(
    captions: Iterable[str], taggers: Sequence[str] = DEFAULT_TAGGERS
) -> Iterator[tuple[Token, ...]]:
    """The tokens of each caption, one caption at a time.

    >>> [token.lemma for token in next(tag(["two dogs running"]))]
    ['two', 'dog', 'run']
    """
    agreement = AgreeingTaggers(taggers)
    return (agreement(caption) for caption in captions)


def _token(
    caption: str, span: tuple[str, int, int], penn: str, classes: Sequence[WordClass]
) -> Token:
    text, start, end = span
    pos: WordClass = "noun" if penn == "NNP" else classes[0]
    if not text[0].isalpha() or _glued(caption, start, end):
        pos = "other"
    lemma = lemma_of(text.replace("’", "'"), pos)
    return Token(
        text, start, end, pos, lemma, penn, all(pos == other for other in classes) and penn != "NNP"
    )


def _glued(caption: str, start: int, end: int) -> bool:
    before, after = caption[max(0, start - 2) : start], caption[end : end + 2]
    return bool(_GLUED_BEFORE.search(before) or _GLUED_AFTER.match(after))


def _proper_names(texts: Sequence[str]) -> list[bool]:
    """Capitalised words inside a caption that is otherwise lower-case."""
    lower = sum(text.islower() for text in texts)
    capital = [
        i > 0 and text[:1].isupper() and texts[i - 1] not in (".", "!", "?")
        for i, text in enumerate(texts)
    ]
    return [is_one and lower > sum(capital) for is_one in capital]
