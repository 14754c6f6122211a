"""Correct typical errors of general taggers in captions, by rule, before taggers are compared.

Captions are short, in the present tense, mostly lower-case, about people and things that move: "a
man plays guitar" (not two nouns), "is boxing" (not a noun), "up the stairs" (not a particle). Each
rule looks at one word, its tag and its neighbours and gives another tag or None; the first that
speaks decides. Rules that decide from the words alone give the same tag whatever the tagger said,
so there the taggers always agree.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from finereel.finegrain.words.inflection import can_be, lemma_of, words

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
        return tag in PHRASE_TAGS or after in PHRASE_WORDS


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
    return ALWAYS.get(place.word)


def doer(place: Place) -> str | None:
    """ "kids", "man": people are no verbs."""
    if not place.tag.startswith("VB") or place.word in ("cook", "host"):
        return None
    if place.word in MANY_DOERS:
        return "NNS"
    return "NN" if place.word in ONE_DOER else None


def side(place: Place) -> str | None:
    """ "his left hand", "the back door" against "on his back"."""
    if place.word not in SIDES:
        return None
    if place.tag_at(1).startswith("NN"):
        return "JJ"
    return "NN" if place.tag_at(-1) in ("DT", "PRP$") else None


def unmarked_plural(place: Place) -> str | None:
    """ "a flock of sheep", "two fish are": plural, though nothing on the word says so."""
    if place.word not in UNMARKED:
        return None
    before = {place.word_at(offset) for offset in (-1, -2, -3)}
    number = any(place.tag_at(offset) == "CD" for offset in (-1, -2, -3))
    many = number or before & MANY or place.word_at(1) in ("are", "were", "swim", "run")
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
        or word in ING_NOUNS
        or place.tag == "VBG"
        or not can_be(word, "verb")
    ):
        return None
    doer = place.word_at(-2 if place.tag_at(-1).startswith("RB") else -1)
    if doer in BE or doer in ONE_DOER or doer in MANY_DOERS or doer in ASPECT:
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
    if word in MANY_DOERS or word in ONE_DOER:
        return None
    if word.endswith("s") and not word.endswith("ss"):
        return "VBZ" if place.tag == "NNS" and (_has_doer(place) or _has_object(place)) else None
    crowd = before in MANY_DOERS and place.word_at(-2) not in (
        "a",
        "an",
        "another",
    )  # "a kids show"
    plain = crowd and place.tag in ("NN", "JJ") and not place.tag_at(1).startswith("NN")
    return "VBP" if plain and not word.endswith(("ing", "ed")) and word not in ADJECTIVES else None


def _has_doer(place: Place) -> bool:
    """ "man sings"; of a child or an animal only after an article ("the baby waves", not "in baby
    voices").
    """
    if place.word_at(-1) not in COMPOUND_DOERS:
        return place.word_at(-1) in ONE_DOER
    return place.tag_at(-2) == "DT" and not place.tag_at(1).startswith(("NN", "VB"))


def _has_object(place: Place) -> bool:
    """ "... then kisses the girl", with nothing before it that a noun would follow."""
    return not place.tag_at(-1).startswith(BEFORE_NOUNS) and place.tag_at(1) in (
        "DT",
        "PRP$",
        "PRP",
        "TO",
    )


def noun_after_determiner(place: Place) -> str | None:
    """ "a walk", "his drinks": no finite verb stands right after an article or a possessive."""
    if place.tag not in ("VB", "VBP", "VBZ") or place.tag_at(-1) not in ("DT", "PRP$"):
        return None
    if place.word_at(-1) in DETERMINERS_ALONE or not can_be(place.word, "noun"):
        return None
    return "NNS" if place.tag == "VBZ" else "NN"


def preposition_or_particle(place: Place) -> str | None:
    """ "up the stairs" against "looks up", for words that are both."""
    if place.word not in BOTH:
        return None
    if place.word in NOUNS_TOO and place.tag_at(-1) in ("DT", "PRP$", "JJ"):
        return None
    if place.word in NO_PARTICLES or (place.opens_phrase and place.word not in ADVERBS_ONLY):
        return "IN"
    if place.word in ("in", "on", "before", "after") and place.tag_at(1) in ("VBG", "WDT", "WP"):
        return "IN"
    return "RP" if place.word in PARTICLES else "RB"


def plain_adverb(place: Place) -> str | None:
    """ "together", "outdoors" always; "fast" unless it describes what follows."""
    if place.word in ADVERBS:
        return "RB"
    if place.word in FLAT_ADVERBS:
        if place.tag_at(1).startswith("NN"):
            return "JJ"
        verb_before = place.tag_at(-1).startswith("VB") and place.word_at(-1) not in BE | LINKING
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
    if place.word not in ADJECTIVES:
        return None
    after = place.tag_at(1)
    if after.startswith(("NN", "JJ")) or place.word_at(1) in ADJECTIVES:
        return "JJ"
    if after == "VBG" and place.tag_at(2).startswith("NN"):  # "a black swimming cap"
        return "JJ"
    if place.word_at(1) in ("and", ",", "&", "or", "/", "-") and place.word_at(2) in ADJECTIVES:
        return "JJ"
    if place.word_at(-1) in BE | LINKING:
        return "JJ"
    return (
        "NN"
        if place.word in COLOURS and place.word_at(-1) in ("in", "wearing", "wears", "of")
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


# The closed word lists the caption rules go by.
BE = words("is are was were be been being 's 're am 'm isn't aren't")
LINKING = words(
    """
    looks look looking seems seem appears appear gets get getting becomes become turns stays
    """
)

ASPECT = words("start starts started begin begins began stop stops stopped keep keeps kept go goes")
BEFORE_NOUNS = ("DT", "PRP$", "JJ", "CD", "IN", "VB", "POS")

ONE_DOER = words(
    """
    man woman boy girl guy lady person kid child baby toddler infant teenager teen adult gentleman
    male female he she someone somebody who player singer dancer chef cook driver rider runner
    skater surfer swimmer host reporter character cat dog horse animal bird monkey
    """
)
COMPOUND_DOERS = words(
    """
    child kid baby toddler infant teenager teen adult male female character cat dog horse animal
    bird monkey player singer dancer host reporter
    """
)
MANY_DOERS = words(
    """
    men women boys girls guys ladies people persons kids children babies toddlers teenagers teens
    adults males females they who players singers dancers chefs drivers riders runners characters
    cats dogs horses animals birds monkeys friends couple students
    """
)
ING_NOUNS = words(
    """
    thing something anything nothing everything string ring king wing spring ceiling building
    morning evening clothing wedding painting earring swing sling pudding sibling duckling darling
    railing awning lightning being feeling clearing bedding drawing topping filling dressing
    stuffing icing frosting
    """
)

PHRASE_TAGS = frozenset(("DT", "PRP$", "CD", "NN", "NNS", "NNP", "NNPS", "JJ", "JJR", "JJS", "PDT"))
PHRASE_WORDS = words(
    """
    it him her them me us you himself herself itself themselves each one some many this that these
    those
    """
)
DETERMINERS_ALONE = words("that this these those all both some each another any")

# Particles of phrasal verbs that are prepositions where a noun phrase follows.
PARTICLES = words("up down in out on off over through along by about around round across past")
BOTH = PARTICLES | words(
    """
    inside outside behind under underneath beneath near above below aboard beyond before after
    """
)
NO_PARTICLES = words("by about")
ADVERBS_ONLY = frozenset(("out",))
UNMARKED = words("sheep fish deer")
MANY = words("of some many several few these those all different various lots bunch")
SIDES = words("left right back front")
NOUNS_TOO = frozenset(("inside", "outside", "down", "past"))

ADVERBS = words(
    """
    together alone apart aside away outdoors indoors upstairs downstairs upwards downwards upward
    downward forwards forward backwards backward sideways underwater overhead again twice once here
    nearby everywhere somewhere abroad ahead afterwards meanwhile suddenly slowly quickly softly
    loudly gently carefully happily sadly quietly separately rapidly smoothly
    """
)
FLAT_ADVERBS = words("fast hard high low loud slow straight close deep well")

COLOURS = words(
    """
    red green blue yellow black white brown grey gray pink purple orange golden silver beige maroon
    violet turquoise teal navy tan cream crimson magenta cyan
    """
)
ADJECTIVES = COLOURS | words(
    """
    big small large little tall short long huge tiny giant young old elderly middle-aged wooden
    metallic open closed empty full wet dry hot cold bright dark round square thick thin fat skinny
    bald blonde blond clean dirty soft new colorful colourful striped animated
    """
)

_TAG_WORDS = {
    "DT": "a an the this these those another each every some any no all both",
    "PRP$": "my your his their its our",
    "PRP": "he she it they we i you him them us me himself herself itself themselves someone "
    "somebody something anyone "
    "anything everyone everything nothing nobody",
    "CC": "and or but nor &",
    "CD": "one two three four five six seven eight nine ten eleven twelve",
    "IN": "of with at from into onto during between among amongst against toward towards upon "
    "without beside besides "
    "for via atop while because if",
    "MD": "can could will would shall should may might must",
    "WP": "who whom",
    "WDT": "which",
    "VBZ": "is has does",
    "VBP": "are",
    "VBD": "was were",
    "VB": "be",
    "VBN": "been",
    "VBG": "being",
    "RB": "not n't",
    "NN": "t-shirt mic",
    "NNS": "t-shirts",
}
ALWAYS = MappingProxyType({word: tag for tag, text in _TAG_WORDS.items() for word in words(text)})
