"""Tell why a clip was found: the parts of its score, and word by word whether the clip bears the
query out.

A word is checked by swaps: its score against that of the query with a sibling in its place, a word
that excludes it ("runs" -> "walks"). A verdict needs the model's own record of how well it tells
such words apart, in its card under `words`:

    {"noun": {"pair_accuracy": 93.0, "margin": 0.4, "rivals": [["car", "boat"], ...]}, ...}

pair_accuracy: percent of pairs of a true and a false word that it orders rightly. margin: the
difference of scores from which on nine of ten verdicts were right; null where none reaches that.
rivals (optional): groups of words of which one excludes the others, asked before the curated sets.
Without a record no word is more than undecided.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from finereel.finegrain.make.candidates import from_sets
from finereel.finegrain.make.rejection import Collocations
from finereel.finegrain.make.sites import Site, find_sites, replace
from finereel.finegrain.types import PARTS_OF_SPEECH, PartOfSpeech
from finereel.finegrain.words.inflection import inflect
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.sets import SPELLINGS, phrase_book
from finereel.finegrain.words.tagging import AgreeingTaggers
from finereel.finegrain.words.tagging.words import Token
from finereel.index.protocols import SearchModel, TextReader
from finereel.models.features import TextFeatures, VideoFeatures

Verdict = Literal["supported", "undecided", "contradicted", "not checked"]

MOST_SIBLINGS = 6
LEAST_ACCURACY = 60.0
"""Percent of pairs; a part of speech that the model orders worse is never judged."""
PICTURED: tuple[PartOfSpeech, ...] = ("noun", "adjective", "verb")
"""Parts of speech that a place in a picture can show."""
_UNINFLECTED = ("adverb", "preposition")
# They say that something is, not what, and no swap of them shows anything.
_EMPTY_VERBS = frozenset({"be", "have", "do", "will", "can", "may", "must", "shall"})


@dataclass(frozen=True)
class WordRecord:
    """What a model's card says about one part of speech.

    Attributes:
        pair_accuracy: Percent of pairs of a true and a false word that the model orders rightly.
        margin: Difference of scores from which a verdict is given; None gives none.
        rivals: Groups of words that exclude one another, known to the model from training.
    """

    pair_accuracy: float
    margin: float | None
    rivals: tuple[tuple[str, ...], ...] = ()

    @property
    def judges(self) -> bool:
        """Whether a verdict may be given at all."""
        return self.margin is not None and self.pair_accuracy >= LEAST_ACCURACY


Records = Mapping[PartOfSpeech, WordRecord]


def records_of(card: Mapping[str, Any]) -> Records:
    """Read the records in a model's card; what is not of the form above counts as no record.

    Args:
        card: The card of a model.

    Returns:
        A record for each part of speech that has one.

    Example:
        >>> records_of({"words": {"noun": {"pair_accuracy": 93, "margin": 0.5}}})["noun"].judges
        True
        >>> records_of({})
        {}
    """
    stated = card.get("words")
    found: dict[PartOfSpeech, WordRecord] = {}
    rows = stated if isinstance(stated, Mapping) else {}
    for pos in PARTS_OF_SPEECH:
        try:
            row = rows[pos]
            margin = None if row["margin"] is None else max(0.0, float(row["margin"]))
            rivals = tuple(tuple(map(str, group)) for group in row.get("rivals", ()))
            found[pos] = WordRecord(float(row["pair_accuracy"]), margin, rivals)
        except (TypeError, KeyError, ValueError, AttributeError):
            continue
    return found


@dataclass(frozen=True)
class QueryWord:
    """A content word of a query.

    Attributes:
        text: The word as it was typed.
        start: First character in the query.
        end: Character after the last.
        pos: Its part of speech.
        siblings: Words that exclude it, as they would stand in the query.
        swapped: The query with each sibling in its place.
        dropped: The query without the word; empty if nothing would be left.
    """

    text: str
    start: int
    end: int
    pos: PartOfSpeech
    siblings: tuple[str, ...]
    swapped: tuple[str, ...]
    dropped: str


@dataclass(frozen=True)
class WordEvidence:
    """What a clip says about one word of a query.

    Attributes:
        word: The word as it was typed.
        start: First character in the query.
        end: Character after the last.
        pos: Its part of speech.
        verdict: Whether the clip bears it out.
        rather: The sibling that fits better, where the word is contradicted.
        swap: Score with the word less the best score with a sibling; None without siblings.
        drop: Score with the word less the score without it; None where no word would be left.
    """

    word: str
    start: int
    end: int
    pos: PartOfSpeech
    verdict: Verdict
    rather: str | None
    swap: float | None
    drop: float | None

    @property
    def said(self) -> str:
        """The verdict in words.

        Example:
            >>> WordEvidence("runs", 4, 8, "verb", "contradicted", "walks", -1.0, 0.2).said
            "contradicted: rather 'walks'"
        """
        return f"contradicted: rather {self.rather!r}" if self.rather else self.verdict


class WordFinder:
    """Finds the content words of queries and their siblings.

    Args:
        records: The records of the model that is asked.

    Raises:
        ConfigError: If the taggers are not installed.
    """

    def __init__(self, records: Records) -> None:
        self._rivals = {
            pos: {word: group for group in record.rivals for word in group}
            for pos, record in records.items()
        }
        self._tag = AgreeingTaggers()
        self._lexicon = Lexicon.load()
        self._collocations = Collocations(self._lexicon)

    def words(self, query: str) -> tuple[QueryWord, ...]:
        """Find the content words of a query, in their order.

        A preposition counts only where it has siblings, since most have no picture of their own.

        Args:
            query: The query.

        Returns:
            The words; none where the query has no content word.
        """
        tokens = self._tag(query)
        found: dict[int, QueryWord] = {}
        taken: set[int] = set()
        for word in self._known(query, tokens):
            found[word.start] = word
            taken.update(range(word.start, word.end))
        for pos in PARTS_OF_SPEECH:
            for site in find_sites(query, tokens, pos, phrase_book(pos)):
                word = self._word(query, site.start, site.end, pos, self._from_sets(site))
                if self._counts(site.lemma, word) and taken.isdisjoint(range(word.start, word.end)):
                    found[word.start] = word
                    taken.update(range(word.start, word.end))
        for token in tokens:  # the taggers differ about these: nothing safe to swap them with
            if token.pos != "other" and token.start not in taken:
                word = self._word(query, token.start, token.end, token.pos, ())
                if self._counts(token.lemma, word):
                    found[word.start] = word
        return tuple(found[start] for start in sorted(found))

    def _counts(self, lemma: str, word: QueryWord) -> bool:
        if word.pos == "preposition":
            return bool(word.siblings)
        return not (word.pos == "verb" and lemma in _EMPTY_VERBS)

    def _known(self, query: str, tokens: Sequence[Token]) -> Iterator[QueryWord]:
        """The words that the model's record names, whatever the taggers say; longest first."""
        for pos, rivals in self._rivals.items():
            for at, token in enumerate(tokens):
                for last in range(min(len(tokens), at + 4), at, -1):
                    words = " ".join(each.text.lower() for each in tokens[at:last])
                    if words in rivals:
                        others = tuple(word for word in rivals[words] if word != words)
                        yield self._word(query, token.start, tokens[last - 1].end, pos, others)
                        break

    def _from_sets(self, site: Site) -> Iterator[str]:
        """One word of every group that excludes the word there, in the form it needs."""
        if self._collocations.protects(site) is not None:
            return
        asked: set[str] = set()
        for candidate in from_sets(site, self._lexicon):
            group, lemma = candidate.sense[1], candidate.lemma
            if group in asked or not candidate.unless.isdisjoint(site.others()):
                continue
            form = lemma if site.pos in _UNINFLECTED else inflect(lemma, site.tag)
            if form and not candidate.signs.intersection(site.others()):
                asked.add(group)
                yield SPELLINGS.get(form, form)

    def _word(
        self, query: str, start: int, end: int, pos: PartOfSpeech, siblings: Any
    ) -> QueryWord:
        # What the query says elsewhere may well be in the clip.
        said = f" {query.lower()} "
        others = tuple(
            other for other in dict.fromkeys(siblings) if f" {other.lower()} " not in said
        )[:MOST_SIBLINGS]
        swapped = tuple(replace(query, start, end, other).text for other in others)
        dropped = " ".join(f"{query[:start]} {query[end:]}".split())
        dropped = dropped if any(letter.isalnum() for letter in dropped) else ""
        return QueryWord(query[start:end], start, end, pos, others, swapped, dropped)


@dataclass(frozen=True)
class QueryWords:
    """The words of a query with the features of all its variants, for any number of clips.

    Attributes:
        query: The query.
        words: Its content words.
        records: The records of the model.
        features: Features of the query, then of every word's swaps and drop in order.
    """

    query: str
    words: tuple[QueryWord, ...]
    records: Records = field(repr=False)
    features: TextFeatures = field(repr=False)

    @classmethod
    def of(
        cls, model: SearchModel, query: str, finder: WordFinder, records: Records
    ) -> "QueryWords":
        """Encode the variants of a query.

        Args:
            model: The model.
            query: The query.
            finder: Finds the words and their siblings.
            records: The records of the model.

        Returns:
            The words, ready to be judged.
        """
        words = tuple(as_read(model, query, word) for word in finder.words(query))
        variants = [text for word in words for text in _variants(word)]
        return cls(query, words, records, model.encode_text([query, *variants]))

    def judge(
        self, model: SearchModel, video: VideoFeatures
    ) -> tuple[tuple[WordEvidence, ...], ...]:
        """Judge every word for every clip. A bias of the clip would change no difference.

        Args:
            model: The model.
            video: Features of V clips.

        Returns:
            V times the words in their order.
        """
        scores: Float[Tensor, "T V"] = model.score(self.features, video).fused
        return tuple(
            tuple(self._judged(scores[:, clip].tolist())) for clip in range(scores.shape[1])
        )

    def _judged(self, scores: list[float]) -> Iterator[WordEvidence]:
        whole, at = scores[0], 1
        for word in self.words:
            swaps = scores[at : at + len(word.swapped)]
            at += len(swaps)
            drop = None
            if word.dropped:
                drop, at = whole - scores[at], at + 1
            yield judged_word(word, whole, swaps, drop, self.records.get(word.pos))


def judged_word(
    word: QueryWord,
    whole: float,
    swaps: Sequence[float],
    drop: float | None,
    record: WordRecord | None,
) -> WordEvidence:
    """Judge one word by the scores of its swaps.

    Args:
        word: The word.
        whole: Score of the query.
        swaps: Scores of the query with each sibling in its place.
        drop: Score of the query less that without the word.
        record: What the model's card says about its part of speech; None where it says nothing.

    Returns:
        The word with its verdict.
    """
    place = (word.text, word.start, word.end, word.pos)
    if not swaps:
        return WordEvidence(*place, "not checked", None, None, drop)
    best = max(range(len(swaps)), key=swaps.__getitem__)
    swap = whole - swaps[best]
    if record is None or record.margin is None or not record.judges or abs(swap) <= record.margin:
        return WordEvidence(*place, "undecided", None, swap, drop)
    if swap > 0:
        return WordEvidence(*place, "supported", None, swap, drop)
    return WordEvidence(*place, "contradicted", word.siblings[best], swap, drop)


def _variants(word: QueryWord) -> tuple[str, ...]:
    return (*word.swapped, word.dropped) if word.dropped else word.swapped


def as_read(model: SearchModel, query: str, word: QueryWord) -> QueryWord:
    """The word, without siblings where the model cuts the query off before it: no swap would
    differ.

    Args:
        model: The model.
        query: The query.
        word: A word of it.

    Returns:
        The word.
    """
    if not isinstance(model, TextReader) or model.tokenizer is None:
        return word
    read = model.tokenizer.words(query, model.config.max_words)
    if any(known.start < word.end and word.start < known.end for known in read):
        return word
    return QueryWord(word.text, word.start, word.end, word.pos, (), (), word.dropped)


@torch.no_grad()
def words_of(
    model: SearchModel, query: str, video: VideoFeatures
) -> tuple[tuple[WordEvidence, ...], ...]:
    """Judge the words of a query for some clips; the query is encoded once.

    Args:
        model: The model.
        query: The query.
        video: Features of V clips.

    Returns:
        V times the words in their order.

    Raises:
        ConfigError: If the taggers are not installed.
    """
    records = records_of(getattr(model, "card", {}))
    return QueryWords.of(model, query, WordFinder(records), records).judge(model, video)
