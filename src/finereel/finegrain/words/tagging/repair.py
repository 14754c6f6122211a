"""Correct typical errors of general taggers in captions, by rule, before taggers are compared.

Captions are short, in the present tense, mostly lower-case, about people and things that move: "a
man plays guitar" (not two nouns), "is boxing" (not a noun), "up the stairs" (not a particle). Each
rule looks at one word, its tag and its neighbours and gives another tag or None; the first that
speaks decides. Rules that decide from the words alone give the same tag whatever the tagger said,
so there the taggers always agree.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from finereel.finegrain.words.inflection import can_be, lemma_of
from finereel.finegrain.words.tagging import vocabulary as known

Rule = Callable[["Place"], str | None]


@dataclass(frozen=True, slots=True)
class Place:
    """Word i of a caption, lower case, among its neighbours; tags to its left are repaired
    already.
    """

    words: Sequence[str]
    tags: Sequence[str]
    i: int

    @property
    def word(self) -> str:
        return self.words[self.i]

    @property
    def tag(self) -> str:
        return self.tags[self.i]

    def word_at(self, offset: int) -> str:
        """The word `offset` places away, "" outside the caption."""
        at = self.i + offset
        return self.words[at] if 0 <= at < len(self.words) else ""

    def tag_at(self, offset: int) -> str:
        """The tag `offset` places away, "" outside the caption."""
        at = self.i + offset
        return self.tags[at] if 0 <= at < len(self.tags) else ""

    @property
    def opens_phrase(self) -> bool:
        """Whether a noun phrase begins right after this word."""
        after, tag = self.word_at(1), self.tag_at(1)
        return tag in known.PHRASE_TAGS or after in known.PHRASE_WORDS


def repair(words: Sequence[str], tags: Sequence[str]) -> list[str]:
    """The tags of lower-cased words, corrected.

    >>> repair(["a", "man", "plays", "guitar"], ["DT", "NN", "NNS", "NN"])
    ['DT', 'NN', 'VBZ', 'NN']
    """
    fixed = list(tags)
    for i in range(len(fixed)):
        place = Place(words, fixed, i)
        for rule in RULES:
            tag = rule(place)
            if tag is not None:
                fixed[i] = tag
                break
    return fixed


def closed_class(place: Place) -> str | None:
    """Words that are one thing only."""
    return known.ALWAYS.get(place.word)


def doer(place: Place) -> str | None:
    """ "kids", "man": people are no verbs."""
    if not place.tag.startswith("VB") or place.word in ("cook", "host"):
        return None
    if place.word in known.MANY_DOERS:
        return "NNS"
    return "NN" if place.word in known.ONE_DOER else None


def side(place: Place) -> str | None:
    """ "his left hand", "the back door" against "on his back"."""
    if place.word not in known.SIDES:
        return None
    if place.tag_at(1).startswith("NN"):
        return "JJ"
    return "NN" if place.tag_at(-1) in ("DT", "PRP$") else None


def unmarked_plural(place: Place) -> str | None:
    """ "a flock of sheep", "two fish are": plural, though nothing on the word says so."""
    if place.word not in known.UNMARKED:
        return None
    before = {place.word_at(offset) for offset in (-1, -2, -3)}
    number = any(place.tag_at(offset) == "CD" for offset in (-1, -2, -3))
    many = number or before & known.MANY or place.word_at(1) in ("are", "were", "swim", "run")
    return "NNS" if many and not before & {"a", "another"} - {place.word_at(-3)} else None


def infinitive(place: Place) -> str | None:
    """ "to" before a verb or a noun phrase; the verb after "to" or a modal."""
    if place.word == "to":
        verb = can_be(place.word_at(1), "verb") and not place.opens_phrase
        return "TO" if verb or place.tag_at(1) == "VB" else "IN"
    before = place.tag_at(-1)
    if (
        before not in ("TO", "MD")
        or not can_be(place.word, "verb")
        or place.word.endswith(("s", "ing", "ed"))
    ):
        return None
    return "VB"


def progressive(place: Place) -> str | None:
    """-ing after a form of be ("is now boxing"), after who does it ("a man boxing"), after
    "starts", or after "and" where another one came before ("riding a bike and dancing").
    """
    word = place.word
    if (
        word.endswith("ing") and lemma_of(word, "verb") == word
    ):  # "sing", "swing" are no participles
        return "VBP" if place.tag == "VBG" else None
    if (
        not word.endswith("ing")
        or word in known.ING_NOUNS
        or place.tag == "VBG"
        or not can_be(word, "verb")
    ):
        return None
    doer = place.word_at(-2 if place.tag_at(-1).startswith("RB") else -1)
    if (
        doer in known.BE
        or doer in known.ONE_DOER
        or doer in known.MANY_DOERS
        or doer in known.ASPECT
    ):
        return "VBG"
    if doer == "while":
        return "VBG"
    joined = doer in ("and", "then", ",", "or") and not place.tag_at(1).startswith(("VB", "NN"))
    return "VBG" if joined and "VBG" in place.tags[: place.i] else None


def finite_verb(place: Place) -> str | None:
    """ "a man plays guitar", "two girls dance in ..."."""
    word, before = place.word, place.word_at(-1)
    if place.tag[:2] not in ("NN", "VB", "JJ") or not can_be(word, "verb"):
        return None
    if word in known.MANY_DOERS or word in known.ONE_DOER:
        return None
    if word.endswith("s") and not word.endswith("ss"):
        return "VBZ" if place.tag == "NNS" and (_has_doer(place) or _has_object(place)) else None
    crowd = before in known.MANY_DOERS and place.word_at(-2) not in (
        "a",
        "an",
        "another",
    )  # "a kids show"
    plain = crowd and place.tag in ("NN", "JJ") and not place.tag_at(1).startswith("NN")
    return (
        "VBP"
        if plain and not word.endswith(("ing", "ed")) and word not in known.ADJECTIVES
        else None
    )


def _has_doer(place: Place) -> bool:
    """ "man sings"; of a child or an animal only after an article ("the baby waves", not "in baby
    voices").
    """
    if place.word_at(-1) not in known.COMPOUND_DOERS:
        return place.word_at(-1) in known.ONE_DOER
    return place.tag_at(-2) == "DT" and not place.tag_at(1).startswith(("NN", "VB"))


def _has_object(place: Place) -> bool:
    """ "... then kisses the girl", with nothing before it that a noun would follow."""
    return not place.tag_at(-1).startswith(known.BEFORE_NOUNS) and place.tag_at(1) in (
        "DT",
        "PRP$",
        "PRP",
        "TO",
    )


def noun_after_determiner(place: Place) -> str | None:
    """ "a walk", "his drinks": no finite verb stands right after an article or a possessive."""
    if place.tag not in ("VB", "VBP", "VBZ") or place.tag_at(-1) not in ("DT", "PRP$"):
        return None
    if place.word_at(-1) in known.DETERMINERS_ALONE or not can_be(place.word, "noun"):
        return None
    return "NNS" if place.tag == "VBZ" else "NN"


def preposition_or_particle(place: Place) -> str | None:
    """ "up the stairs" against "looks up", for words that are both."""
    if place.word not in known.BOTH:
        return None
    if place.word in known.NOUNS_TOO and place.tag_at(-1) in ("DT", "PRP$", "JJ"):
        return None
    if place.word in known.NO_PARTICLES or (
        place.opens_phrase and place.word not in known.ADVERBS_ONLY
    ):
        return "IN"
    if place.word in ("in", "on", "before", "after") and place.tag_at(1) in ("VBG", "WDT", "WP"):
        return "IN"
    return "RP" if place.word in known.PARTICLES else "RB"


def plain_adverb(place: Place) -> str | None:
    """ "together", "outdoors" always; "fast" unless it describes what follows."""
    if place.word in known.ADVERBS:
        return "RB"
    if place.word in known.FLAT_ADVERBS:
        if place.tag_at(1).startswith("NN"):
            return "JJ"
        verb_before = (
            place.tag_at(-1).startswith("VB") and place.word_at(-1) not in known.BE | known.LINKING
        )
        noun_before = place.tag_at(-1).startswith(("NN", "RP"))
        return (
            "RB" if (verb_before or noun_before) and not place.tag_at(1).startswith("JJ") else None
        )
    return (
        "RB"
        if place.word.endswith("ly") and can_be(place.word, "adverb") and place.tag in ("NN", "VB")
        else None
    )


def plain_adjective(place: Place) -> str | None:
    """Colours, sizes, ages and the like before what they describe, or after a form of be."""
    if place.word not in known.ADJECTIVES:
        return None
    after = place.tag_at(1)
    if after.startswith(("NN", "JJ")) or place.word_at(1) in known.ADJECTIVES:
        return "JJ"
    if after == "VBG" and place.tag_at(2).startswith("NN"):  # "a black swimming cap"
        return "JJ"
    if (
        place.word_at(1) in ("and", ",", "&", "or", "/", "-")
        and place.word_at(2) in known.ADJECTIVES
    ):
        return "JJ"
    if place.word_at(-1) in known.BE | known.LINKING:
        return "JJ"
    return (
        "NN"
        if place.word in known.COLOURS and place.word_at(-1) in ("in", "wearing", "wears", "of")
        else None
    )


RULES: tuple[Rule, ...] = (
    closed_class,
    doer,
    unmarked_plural,
    side,
    infinitive,
    progressive,
    finite_verb,
    plain_adjective,
    plain_adverb,
    preposition_or_particle,
    noun_after_determiner,
)
