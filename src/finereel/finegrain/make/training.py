"""Make training negatives from the words of the captions themselves: words with the same tag,
sampled by frequency.

Its rule is not that of any test generator (no lexicon, no word sets), and with `side` its words are
not theirs either, see `vocabulary_split`. A word that any caption of the video says is never drawn.
Drawing by frequency makes every word false about as often as it is true, as far as texts alone can
tell.
"""

import hashlib
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from random import Random
from typing import Literal

from finereel.data.base import Caption
from finereel.errors import ConfigError, DataError, unknown_name
from finereel.finegrain.make.sites import replace as replaced
from finereel.finegrain.types import Negative, PartOfSpeech
from finereel.finegrain.words.tagging.words import Token

# Negatives for training: one word of a caption replaced, or the words of a phrase together.
KINDS = ("adjective+noun", "adverb+verb", "verb+preposition+noun")
_HEADS: dict[str, PartOfSpeech] = {
    "adjective+noun": "noun",
    "adverb+verb": "verb",
    "verb+preposition+noun": "verb",
}
_REACH = 4
"""Words between a preposition and its noun, at most: determiner, adjectives."""
_TRIES = 4


@dataclass(frozen=True, slots=True)
class WordForm:
    """A word that may replace a token: the form to write, and its lemma."""

    form: str
    lemma: str


WordForms = Callable[[Token], Sequence[WordForm]]


@dataclass(frozen=True, slots=True)
class Phrase:
    """Tokens that change together, in the order of the caption; kind: one of KINDS, or "word" for a
    single one.
    """

    kind: str
    pos: PartOfSpeech
    tokens: tuple[Token, ...]


def single_words(tokens: Sequence[Token]) -> list[Phrase]:
    """Every token of a class that negatives are made of, where the taggers agree."""
    return [
        Phrase("word", token.pos, (token,))
        for token in tokens
        if token.sure and token.pos != "other"
    ]


def phrases(tokens: Sequence[Token]) -> list[Phrase]:
    """The phrases of a caption, in its order; a word can be in several."""
    found = []
    for place, token in enumerate(tokens):
        following = tokens[place + 1] if place + 1 < len(tokens) else None
        classes = (token.pos, following.pos if following else "other")
        if following is None or not (token.sure and following.sure):
            continue
        if classes == ("adjective", "noun"):
            found.append(_phrase("adjective+noun", token, following))
        if classes in (("adverb", "verb"), ("verb", "adverb")):
            found.append(_phrase("adverb+verb", token, following))
        if classes == ("verb", "preposition"):
            noun = _noun_after(tokens[place + 2 : place + 2 + _REACH])
            found += (
                [] if noun is None else [_phrase("verb+preposition+noun", token, following, noun)]
            )
    return found


def _phrase(kind: str, *tokens: Token) -> Phrase:
    return Phrase(kind, _HEADS[kind], tokens)


def _noun_after(tokens: Sequence[Token]) -> Token | None:
    """The last of the first run of nouns; None where another word class comes before it."""
    last = None
    for token in tokens:
        if token.pos == "noun":
            last = token
        elif last is not None or token.pos not in ("other", "adjective"):
            break
    return last if last is not None and last.sure else None


def changed(row: Caption, phrase: Phrase, candidates: WordForms, rng: Random) -> Negative | None:
    """The caption with every word of the phrase replaced that can be: of a single word that one, of
    a phrase two at least; None where there are not as many candidates, or where nothing would
    change.
    """
    drawn: list[tuple[Token, WordForm]] = []
    for token in phrase.tokens:
        options = candidates(token)
        if options:
            drawn.append((token, rng.choice(options)))
    if len(drawn) < min(2, len(phrase.tokens)):
        return None
    text, start = row.text, 0
    for token, candidate in reversed(drawn):
        edit = replaced(text, token.start, token.end, candidate.form)
        text, start = edit.text, edit.start
    first, last = drawn[0][0], drawn[-1][0]
    replacement = text[start : len(text) - (len(row.text) - last.end)]
    if replacement.lower() == row.text[first.start : last.end].lower():
        return None
    lemmas, others = (
        " ".join(part) for part in zip(*((t.lemma, c.lemma) for t, c in drawn), strict=True)
    )
    return Negative.of(
        row,
        first.start,
        last.end,
        id="",
        negative=text,
        pos=phrase.pos,
        replacement=replacement,
        method=phrase.kind,
        lemma=lemmas,
        replacement_lemma=others,
        tag=" ".join(token.tag for token, _ in drawn),
    )


def drawn_negatives(
    row: Caption, found: Sequence[Phrase], candidates: WordForms, rng: Random, most: int
) -> list[Negative]:
    """Draw at most `most` different negatives of a caption, going over its phrases in turn."""
    if not found:
        return []
    made: dict[str, Negative] = {}
    for attempt in range(_TRIES * most):
        negative = changed(row, found[attempt % len(found)], candidates, rng)
        if negative is not None and negative.negative != row.text:
            made.setdefault(negative.negative, negative)
        if len(made) == most:
            break
    return list(made.values())


# Two sides of all words, `training` and `test`: negatives of one side share no word, or no pair,
# with the other's.
Side = Literal["training", "test"]
# of some thousand, the one that halves the 700 most frequent words of MSR-VTT, counted and weighted
_EVEN = "1845"
_BY_PAIR = frozenset({"adverb", "preposition"})


def side_of(source: str, replacement: str, pos: str) -> Side | None:
    """The side of a pair of lemmas; None where its words are on different sides.

    >>> side_of("slowly", "quickly", "adverb") == side_of("quickly", "slowly", "adverb")
    True
    >>> side_of("man", "woman", "noun"), side_of("boy", "girl", "noun"), side_of("man", "boy", "noun")
    ('training', 'test', None)
    """
    if pos in _BY_PAIR:
        return _half("|".join(sorted((source.lower(), replacement.lower()))), pos)
    sides = {_half(word.lower(), _EVEN) for word in (source, replacement)}
    return sides.pop() if len(sides) == 1 else None


def _half(text: str, salt: str) -> Side:
    digest = hashlib.blake2b(f"{salt}/{text}".encode(), digest_size=2).digest()
    return "training" if digest[0] % 2 else "test"


def only(rows: Iterable[Negative], side: Side) -> Iterator[Negative]:
    """The rows of one side, by the lemmas of what was exchanged (by its words, where a row names no
    lemmas).
    """
    for row in rows:
        if (
            side_of(row.lemma or row.source, row.replacement_lemma or row.replacement, row.pos)
            == side
        ):
            yield row


LEVELS = {"word": single_words, "phrase": phrases}
GENERATOR = "caption-words 1"
Tag = Callable[[str], Sequence[Token]]
_DRAWS = 8


@dataclass(frozen=True)
class TrainingNegatives:
    """What to draw.

    Attributes:
        levels: Names in LEVELS.
        per_caption: The most negatives of each level for one caption.
        side: The half of the words to draw from, None for all words.
        least: How often a word must occur in the captions to be written into others.
        seed: With the captions and the tagger, it determines the result.
    """

    levels: tuple[str, ...] = ("word", "phrase")
    per_caption: int = 20
    side: Side | None = "training"
    least: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for level in self.levels:
            if level not in LEVELS:
                raise unknown_name("level", level, LEVELS)
        if not self.levels or self.per_caption < 1 or self.least < 1:
            raise ConfigError(
                f"expected a level, per_caption >= 1 and least >= 1, got {self.levels}, "
                f"{self.per_caption} and "
                f"{self.least}"
            )


class CaptionWords:
    """Every word form of the captions by class and tag with its count, and the lemmas said of each
    video.

    Built in one pass; it keeps counts and sets of words, not the captions.
    """

    def __init__(self, tagged: Iterable[tuple[Caption, Sequence[Token]]]) -> None:
        counts: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
        self._said: dict[str, set[str]] = {}
        for row, tokens in tagged:
            said = self._said.setdefault(row.video_id, set())
            for token in tokens:
                said.update((token.lemma, token.text.lower()))
                if token.sure and token.pos != "other" and token.text.isalpha():
                    form = (token.text.lower(), token.lemma)
                    counts.setdefault((token.pos, token.tag), Counter())[form] += 1
        self._counts = counts

    def said_of(self, video_id: str) -> set[str]:
        """Lemmas and forms that captions of a video hold."""
        return self._said.get(video_id, set())

    def forms(self, pos: str, tag: str, least: int) -> tuple[list[WordForm], list[int]]:
        """Words of a class and tag that occur `least` times, with running totals of their counts;
        in a fixed order.
        """
        known = sorted(
            item for item in self._counts.get((pos, tag), Counter()).items() if item[1] >= least
        )
        return [WordForm(*form) for form, _ in known], list(accumulate(count for _, count in known))


class Drawing:
    """What may replace a token of one video: a word of the same class and tag, drawn by how often
    it occurs.
    """

    def __init__(self, words: CaptionWords, settings: TrainingNegatives) -> None:
        self._words, self._settings = words, settings
        self._forms: dict[tuple[str, str], tuple[list[WordForm], list[int]]] = {}

    def candidates(self, token: Token, video_id: str, rng: Random) -> list[WordForm]:
        """Draw a few words that may replace a token; empty if no word fits."""
        key = (token.pos, token.tag)
        if key not in self._forms:
            self._forms[key] = self._words.forms(*key, self._settings.least)
        forms, totals = self._forms[key]
        said = self._words.said_of(video_id)
        drawn = (
            [forms[bisect(totals, rng.random() * totals[-1])] for _ in range(_DRAWS)]
            if forms
            else []
        )
        return [
            one
            for one in drawn
            if one.lemma not in said and one.form not in said and self._fits(token, one)
        ]

    def _fits(self, token: Token, one: WordForm) -> bool:
        side = self._settings.side
        return side is None or side_of(token.lemma, one.lemma, token.pos) == side


def training_negatives(
    rows: Sequence[Caption], settings: TrainingNegatives, tag: Tag | None = None
) -> Iterator[Negative]:
    """Negatives of every caption in order; captions are tagged twice, once to collect the words.

    tag: the tagger, the default one of `tagging` where none is given. Raises DataError for no
    captions.
    """
    if not rows:
        raise DataError("expected at least one caption, got none")
    tagger = tag or _default_tagger()
    drawing = Drawing(CaptionWords((row, tagger(row.text)) for row in rows), settings)
    for row in rows:
        yield from _of_caption(row, tagger(row.text), drawing, settings)


def _of_caption(
    row: Caption, tokens: Sequence[Token], drawing: Drawing, settings: TrainingNegatives
) -> Iterator[Negative]:
    rng = Random(f"{settings.seed}/{row.id}/{row.text}")
    number = 0
    for level in settings.levels:
        made = drawn_negatives(
            row,
            LEVELS[level](tokens),
            lambda token: drawing.candidates(token, row.video_id, rng),
            rng,
            settings.per_caption,
        )
        for negative in made:
            method = f"training:{negative.method}"
            yield replace(
                negative,
                id=f"{row.id}/t{number}",
                method=method,
                seed=settings.seed,
                generator=GENERATOR,
            )
            number += 1


def _default_tagger() -> Tag:
    from finereel.finegrain.words.tagging import AgreeingTaggers

    return AgreeingTaggers()
