"""Compositional negatives: exchange two words of a caption, two nouns or two adjectives of different
nouns, so that the same words tell of something else.

    a man throws a ball to a boy       a boy throws a ball to a man
    a red car beside a white fence     a white car beside a red house

A reader of single words cannot tell the two apart. What refuses an exchange stands in REFUSALS;
most of it is about exchanges that change nothing ("a man and a woman", "a man dances with a
woman"). Two nouns are of the same kind, so that the result stays a sentence about something that
could happen.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

from finereel.data.base import Caption
from finereel.finegrain.make.candidates import Candidate
from finereel.finegrain.make.clean import CleanGenerator, rng_of
from finereel.finegrain.make.context import END, Context, VideoWords
from finereel.finegrain.make.rejection import (
    Case,
    RejectionRules,
    makes_collocation,
    negated,
    said_twice,
    survives,
    unattested,
)
from finereel.finegrain.make.settings import GeneratorSettings
from finereel.finegrain.make.sites import DETERMINERS, Site, replace
from finereel.finegrain.types import Negative, PartOfSpeech
from finereel.finegrain.words.sets import word_list
from finereel.finegrain.words.tagging.words import Token

GENERATOR = "swap-1"
SWAPPED: tuple[PartOfSpeech, ...] = ("noun", "adjective")
_RECIPROCAL = word_list("reciprocal")
_INTRANSITIVE = word_list("intransitive")
_BOTH_WAYS = word_list("both_ways")
_BOTH_DO = word_list("both_do")
_GENERAL = word_list("general")
_KINDS = frozenset(
    f"noun.{name}" for name in ("person", "animal", "artifact", "food", "object", "plant", "body")
)
"""What can be seen, by files of WordNet."""
_BEINGS = frozenset(["noun.person", "noun.animal"])
_SEEN, _SHARE = 3, 0.05
"""How often a word must stand beside its new neighbour, at least and beside what the old one did."""
_TOLD_APART = frozenset(["man", "woman", "boy", "girl", "baby"])
"""Where a caption has two of these, it means two persons; WordNet lets a boy be a man."""
_JOINS = frozenset(["and", "or", "nor", ",", "&", "plus"])
_CLAUSE = re.compile(r"\s*(?:,|;|\.|\band\b|\bwhile\b|\bas\b|\bor\b|\bbut\b)\s*")
_PRONOUNS = frozenset(["he", "him", "his", "himself", "she", "her", "hers", "herself"])


@dataclass(frozen=True, slots=True)
class Exchange:
    """Two sites of a caption, left and right, the caption with their words exchanged, and what is
    said of the video.
    """

    first: Site
    second: Site
    negative: str
    replacement: str
    video: VideoWords

    @property
    def between(self) -> Sequence[Token]:
        """The tokens between the two words."""
        return self.first.tokens[self.first.last : self.second.first]

    @property
    def heads(self) -> list[Token]:
        """The nouns that two adjectives describe."""
        return [head for site in self.sites if (head := site.head()) is not None]

    @property
    def sites(self) -> tuple[Site, Site]:
        """Both sites."""
        return self.first, self.second

    @property
    def of_things(self) -> bool:
        """Whether it comes to exchanging two things: nouns, or adjectives of two things of one
        name.
        """
        return self.first.pos == "noun" or len({head.lemma for head in self.heads}) == 1


class SwapGenerator:
    """Makes the negatives of one caption at a time; see the module."""

    def __init__(self, context: Context, settings: GeneratorSettings) -> None:
        self._settings = settings
        self._context = context
        self._clean = CleanGenerator(context, settings)
        self.judge = self._clean.judge

    def negatives(self, row: Caption, tokens: Sequence[Token]) -> list[Negative]:
        """Every exchange that nothing refuses, at most `per_caption` of each part of speech; the
        same every time.
        """
        found: list[Negative] = []
        for pos in SWAPPED:
            if pos not in self._settings.parts_of_speech:
                continue
            made = {exchange.negative: exchange for exchange in self._exchanges(row, tokens, pos)}
            chosen = list(made.values())
            if len(chosen) > self._settings.per_caption:
                random = rng_of(self._settings, row.id, f"swap {pos}")
                numbers = random.sample(range(len(chosen)), self._settings.per_caption)
                chosen = [chosen[number] for number in sorted(numbers)]
            found += [self._row(row, exchange, pos, n) for n, exchange in enumerate(chosen)]
        return found

    def _exchanges(
        self, row: Caption, tokens: Sequence[Token], pos: PartOfSpeech
    ) -> Iterator[Exchange]:
        sites = list(self._clean.sites(row, tokens, pos))
        for first, second in combinations(sites, 2):
            exchange = exchanged(row.text, first, second, self._context.video(row.video_id))
            if why_not(exchange, self.judge) is None:
                yield exchange

    def _row(self, row: Caption, exchange: Exchange, pos: PartOfSpeech, number: int) -> Negative:
        first, second = exchange.first, exchange.second
        return Negative.of(
            row,
            first.start,
            second.end,
            id=f"{row.id}/swap/{pos}/{number}",
            negative=exchange.negative,
            pos="swap",
            replacement=exchange.replacement,
            method=f"swap_{pos}",
            lemma=first.lemma,
            replacement_lemma=second.lemma,
            tag=first.tag,
            seed=self._settings.seed,
            generator=GENERATOR,
        )


def exchanged(caption: str, first: Site, second: Site, video: VideoWords) -> Exchange:
    """The caption with the words of two sites exchanged, `first` left of `second`: the casing of
    each place is kept, articles are made to fit.
    """
    right = replace(caption, second.start, second.end, _plain(first))
    both = replace(right.text, first.start, first.end, _plain(second))
    rest = len(caption) - second.end
    return Exchange(first, second, both.text, both.text[both.start : len(both.text) - rest], video)


def _plain(site: Site) -> str:
    """The word as it stands inside a sentence."""
    text = site.source
    return text if site.tokens[site.first].tag.startswith("NNP") else text[:1].lower() + text[1:]


def why_not(exchange: Exchange, judge: RejectionRules) -> str | None:
    """The name of the first refusal; None where the exchange may pass."""
    return next((name for name, refuse in REFUSALS.items() if refuse(exchange, judge)), None)


def _cases(exchange: Exchange) -> tuple[Case, Case]:
    """Each of the two words as a replacement of the other, for the rules of single words."""

    def one(site: Site, other: Site) -> Case:
        form = _plain(other)
        edit = replace(site.caption, site.start, site.end, form)
        candidate = Candidate(other.lemma, "swap", (), frozenset({other.lemma}))
        return Case(site, candidate, form, edit, exchange.video)

    return one(exchange.first, exchange.second), one(exchange.second, exchange.first)


def another_form(exchange: Exchange, judge: RejectionRules) -> bool:
    """The two differ in number or degree, one of them is a name, or they are one word."""
    first, second = exchange.first, exchange.second
    return first.tag != second.tag or first.tag.startswith("NNP") or first.lemma == second.lemma


def other_kind(exchange: Exchange, judge: RejectionRules) -> bool:
    """Nouns of two kinds, or of what cannot be seen: they do not do what the other does. A person
    and an animal may both chase, follow and the like.
    """
    if exchange.first.pos != "noun":
        return False
    kinds = {_kind(site, judge) for site in exchange.sites}
    if kinds == _BEINGS:
        verbs = [token.lemma for token in exchange.between if token.pos == "verb"]
        return not verbs or verbs[-1] not in _BOTH_DO
    return len(kinds) > 1 or not kinds <= _KINDS


def _kind(site: Site, judge: RejectionRules) -> str | None:
    """A file of WordNet; a person is no kind of thing there, but the head of all persons."""
    return "noun.person" if site.lemma == "person" else judge.context.lexicon.lexname(site.lemma)


def one_means_the_other(exchange: Exchange, judge: RejectionRules) -> bool:
    """WordNet relates the two: what is true of a puppy is true of a dog. And a word for many things
    ("cloth", which captions say of a dress) may stand for the other one.
    """
    first, second = exchange.sites
    if not _GENERAL.isdisjoint((first.lemma, second.lemma)):
        return True
    if {first.lemma, second.lemma} <= _TOLD_APART:
        return False
    return judge.context.lexicon.related(first.lemma, second.lemma, first.pos) is not None


def in_one_list(exchange: Exchange, judge: RejectionRules) -> bool:
    """Nouns with nothing but a list between them ("a man, a dog and a cat"): either order says the
    same.
    """
    if not exchange.of_things:
        return False
    rest = [
        token
        for token in exchange.between
        if token.pos not in ("noun", "adjective") and token.text.lower() not in DETERMINERS
    ]
    return all(token.text.lower() in _JOINS or token.tag == "CD" for token in rest)


def holds_both_ways(exchange: Exchange, judge: RejectionRules) -> bool:
    """Between two things stands a word that holds both ways ("dances with", "is beside"), or none
    that joins them ("a man is a chef").
    """
    if not exchange.of_things:
        return False
    links = [token for token in exchange.between if token.pos in ("verb", "preposition")]
    verbs = [token.lemma for token in links if token.pos == "verb"]
    if verbs and verbs[-1] in _RECIPROCAL:
        return True
    if links and links[-1].pos == "preposition":
        near = exchange.between[: exchange.between.index(links[-1]) + 1][-2:]
        return not _BOTH_WAYS.isdisjoint([near[-1].text.lower(), _text_of(near)])
    return set(verbs) <= _INTRANSITIVE


def _text_of(tokens: Sequence[Token]) -> str:
    return " ".join(token.text.lower() for token in tokens)


def of_one_noun(exchange: Exchange, judge: RejectionRules) -> bool:
    """Adjectives that do not describe two nouns, each its own."""
    heads = {head.start for head in exchange.heads}
    return exchange.first.pos == "adjective" and len(heads) < 2


def same_clauses(exchange: Exchange, judge: RejectionRules) -> bool:
    """The same clauses in another order: "a man sings and a woman sings"."""
    sides = (exchange.first.caption, exchange.negative)
    first, second = (sorted(_CLAUSE.split(text.lower().strip(" ."))) for text in sides)
    return first == second


def pronoun_told(exchange: Exchange, judge: RejectionRules) -> bool:
    """A pronoun of the caption shows which of two persons is meant."""
    if exchange.first.pos != "noun":
        return False
    return any(token.text.lower() in _PRONOUNS for token in exchange.first.tokens)


def said_the_other_way(exchange: Exchange, judge: RejectionRules) -> bool:
    """Some caption of the video has the two words in the other order, so both may be true."""
    return exchange.video.in_order(exchange.second.source.lower(), exchange.first.source.lower())


def refused_alone(exchange: Exchange, judge: RejectionRules) -> bool:
    """A rule against one of the two replacements by itself: denied, said twice, part of a fixed
    expression, or never seen beside its new neighbours.
    """
    alone = (negated, said_twice, makes_collocation, unattested)
    return any(
        rule.__name__ not in judge.skip and rule(case, judge)
        for case in _cases(exchange)
        for rule in alone
    )


def seldom_seen(exchange: Exchange, judge: RejectionRules) -> bool:
    """In captions enough, a word stands beside a new neighbour much less often than the old one: the
    exchange would be odd ("riding a red road").
    """
    if not judge.context.attested:
        return False
    return any(
        after < max(_SEEN, _SHARE * before)
        for case in _cases(exchange)
        for before, after in _neighbours(case, judge.context)
    )


def _neighbours(case: Case, context: Context) -> Iterator[tuple[int, int]]:
    """How often the old and the new word follow what stands left of them (not asked of adjectives),
    and are followed by what stands right.
    """
    old, new = case.site.source.lower(), case.form.lower()
    if case.site.pos == "noun" and case.site.left():
        left = case.site.left()
        yield context.pair(left, old), context.pair(left, new)
    right = case.site.right() or END
    yield context.pair(old, right), context.pair(new, right)


def past_window(exchange: Exchange, judge: RejectionRules) -> bool:
    """The text encoder would cut the second word off."""
    caption = exchange.first.caption
    return not survives(caption, exchange.negative, judge.max_words, judge.encode)


Refusal = Callable[[Exchange, RejectionRules], bool]
REFUSALS: Mapping[str, Refusal] = MappingProxyType(
    {
        "another_form": another_form,
        "other_kind": other_kind,
        "of_one_noun": of_one_noun,
        "one_means_the_other": one_means_the_other,
        "in_one_list": in_one_list,
        "holds_both_ways": holds_both_ways,
        "same_clauses": same_clauses,
        "pronoun_told": pronoun_told,
        "said_the_other_way": said_the_other_way,
        "refused_alone": refused_alone,
        "seldom_seen": seldom_seen,
        "past_window": past_window,
    }
)
