"""Training negatives: replace one word of a caption, or all words of a phrase.

Phrases, by word class alone: adjective + noun, adverb + verb (in either order), verb + preposition
+ noun. The first two are those of Chen et al. 2024 (arXiv 2410.12407), who find them by the same
patterns of classes; both words change. What may stand in for a word is for `WordForms` to say: its
forms must fit the word's tag.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from finereel.data.base import Caption
from finereel.finegrain.make.edit import replace
from finereel.finegrain.types import Negative, PartOfSpeech
from finereel.finegrain.words.tagging.words import Token

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
        edit = replace(text, token.start, token.end, candidate.form)
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
    """At most `most` different negatives of a caption, over its phrases in turn."""
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
