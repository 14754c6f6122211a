"""The generator of Chen, Doughty, Li and Snoek (ACCV 2024; arXiv 2410.12407), for comparison.

The authors released their negatives, not the script; their files show the rule. For a word of the
part of speech: antonyms of any sense and any part of speech; for nouns and verbs then sister terms
of any sense; then words of the same part of speech drawn from the vocabulary of the captions, until
there are 20. Nothing is inflected, multi-word lemmas keep their underscores, nothing asks whether
the result is grammatical, or false. Captions without an antonym for an adverb or a preposition have
none for it. One tagger decides.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from finereel.data.base import Caption
from finereel.finegrain.make.clean import rng_of
from finereel.finegrain.make.context import Context
from finereel.finegrain.make.settings import GeneratorSettings
from finereel.finegrain.types import PARTS_OF_SPEECH, Negative, PartOfSpeech
from finereel.finegrain.words.lexicon import LETTERS, Lexicon
from finereel.finegrain.words.tagging.words import Token

GENERATOR = "paper-1"
WITH_SISTERS, ANTONYM_NEEDED = ("noun", "verb"), ("adverb", "preposition")
MOST_WORDS = 50  # of a caption that is no sentence any more

Vocabulary = Mapping[PartOfSpeech, tuple[str, ...]]
Proposal = tuple[Token, str, str]  # the word changed, what for, by which method


def harvest(tagged: Iterable[Sequence[Token]]) -> Vocabulary:
    """The words of each part of speech that a tagger finds in captions, in lower case, sorted.

    >>> from finereel.finegrain.words.tagging import tag
    >>> harvest(tag(["a dog runs", "a red cat"]))["noun"]
    ('cat', 'dog')
    """
    found: dict[PartOfSpeech, set[str]] = {pos: set() for pos in PARTS_OF_SPEECH}
    for token in chain.from_iterable(tagged):
        if token.pos != "other":
            found[token.pos].add(token.text.lower())
    return {pos: tuple(sorted(words)) for pos, words in found.items()}


class PaperGenerator:
    """Makes the negatives of one caption at a time; see the module. `vocabulary`: see `harvest`."""

    def __init__(
        self, context: Context, settings: GeneratorSettings, vocabulary: Vocabulary
    ) -> None:
        self._settings = settings
        self._lexicon = context.lexicon
        self._vocabulary = vocabulary

    def negatives(self, row: Caption, tokens: Sequence[Token]) -> list[Negative]:
        """Up to `per_caption` negatives for each part of speech of the caption, the same every
        time.
        """
        found: list[Negative] = []
        for pos in self._settings.parts_of_speech:
            taken: dict[str, Negative] = {}
            for proposal in self._proposals(row, tokens, pos):
                negative = self._row(row, pos, proposal, len(taken))
                if negative.negative not in taken and negative.negative != row.text:
                    taken[negative.negative] = negative
                if len(taken) == self._settings.per_caption:
                    break
            found += taken.values()
        return found

    def _proposals(
        self, row: Caption, tokens: Sequence[Token], pos: PartOfSpeech
    ) -> Iterator[Proposal]:
        words = [token for token in tokens if token.pos == pos]
        opposites = {token: any_antonyms(token.lemma, self._lexicon) for token in words}
        if pos in ANTONYM_NEEDED:
            words = [token for token in words if opposites[token]]
        if not words:
            return
        random = rng_of(self._settings, row.id, pos)
        words = words if len(words) <= MOST_WORDS else random.sample(words, MOST_WORDS)
        yield from ((token, word, "antonym") for token in words for word in opposites[token])
        if pos in WITH_SISTERS:
            sisters = [
                (token, word, "sister")
                for token in words
                for word in self._sisters(token.lemma, pos)
            ]
            yield from random.sample(sisters, len(sisters))
        vocabulary = self._vocabulary[pos]
        for _ in range(20 * self._settings.per_caption if vocabulary else 0):
            yield random.choice(words), random.choice(vocabulary), "vocabulary"

    def _sisters(self, lemma: str, pos: PartOfSpeech) -> tuple[str, ...]:
        return self._lexicon.sisters(lemma, pos, dominant_only=False)

    def _row(self, row: Caption, pos: PartOfSpeech, proposal: Proposal, number: int) -> Negative:
        token, word, method = proposal
        text = f"{row.text[: token.start]}{word}{row.text[token.end :]}"
        if self._settings.legacy:
            text = re.sub(rf"(?<!\w){re.escape(token.text)}(?!\w)", lambda _: word, row.text)
        return Negative.of(
            row,
            token.start,
            token.end,
            id=f"{row.id}/{pos}/{number}",
            negative=text,
            pos=pos,
            replacement=word,
            method=method,
            lemma=token.lemma,
            replacement_lemma=word,
            tag=token.tag,
            seed=self._settings.seed,
            generator=GENERATOR,
        )


def any_antonyms(lemma: str, lexicon: Lexicon) -> tuple[str, ...]:
    """Antonyms of a word in any sense, as any part of speech.

    >>> any_antonyms("near", Lexicon.load())
    ('far',)
    """
    return tuple(dict.fromkeys(word for pos in LETTERS for word in lexicon.antonyms(lemma, pos)))
