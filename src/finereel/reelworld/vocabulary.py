"""The words of ReelWorld, which of them can be combined, and which pairs are held out for the test
split.

Chosen so that every word can be checked by eye: no two verbs of one kind are both true of one
motion, and every adverb has an opposite. No word begins with a vowel, so that swapping one word
never touches its article.
"""

from dataclasses import dataclass

VERSION = 1
SPLITS = ("train", "val", "test_seen", "test")

NOUNS = (
    *("car", "boat", "ball", "kite", "fish", "bird", "house", "tree"),
    *("star", "cup", "plane", "heart", "mushroom", "rocket", "snail"),
)
FACING = frozenset({"car", "boat", "fish", "bird", "plane", "snail"})
"""Nouns with a front; drawn facing right."""

COLOURS = ("red", "yellow", "green", "blue", "purple", "pink", "brown", "white", "black")
SIZES = ("small", "big")
PATTERNS = ("striped", "spotted", "checkered")
LOOKS = (*SIZES, *PATTERNS)
BACKGROUNDS = ("plain", "textured", "cluttered", "hilly")


@dataclass(frozen=True)
class Verb:
    """A verb's forms, whether it travels (then its preposition is a path), and the adverbs it can
    take.
    """

    base: str
    progressive: str
    travels: bool
    adverbs: tuple[str, ...]


PACE = ("slowly", "quickly")
FLOW = ("smoothly", "jerkily")
COUNT = ("once", "repeatedly")
FORCE = ("gently", "wildly")
HEADING = ("forwards", "backwards")
EXTENT = ("slightly", "completely")
ADVERB_PAIRS = (PACE, FLOW, COUNT, FORCE, HEADING, EXTENT)
ADVERBS = tuple(adverb for pair in ADVERB_PAIRS for adverb in pair)
OPPOSITE = {
    one: other
    for first, second in ADVERB_PAIRS
    for one, other in ((first, second), (second, first))
}
LATE_ADVERBS = frozenset({*COUNT, *HEADING})
"""Adverbs that stand after the verb only ("jumps once", never "once jumps")."""

VERBS = {
    "slides": Verb("slide", "sliding", True, (*PACE, *FLOW, *HEADING)),
    "rolls": Verb("roll", "rolling", True, (*PACE, *FLOW)),
    "hops": Verb("hop", "hopping", True, (*PACE, *FORCE, *HEADING)),
    "zigzags": Verb("zigzag", "zigzagging", True, (*PACE, *FORCE, *HEADING)),
    "jumps": Verb("jump", "jumping", False, (*PACE, *COUNT)),
    "spins": Verb("spin", "spinning", False, (*PACE, *COUNT, *FLOW)),
    "swings": Verb("swing", "swinging", False, (*PACE, *COUNT, *FORCE)),
    "shakes": Verb("shake", "shaking", False, (*PACE, *FORCE)),
    "blinks": Verb("blink", "blinking", False, (*PACE, *COUNT)),
    "grows": Verb("grow", "growing", False, (*PACE, *FLOW)),
    "shrinks": Verb("shrink", "shrinking", False, (*PACE, *FLOW, *EXTENT)),
    "fades": Verb("fade", "fading", False, (*PACE, *EXTENT)),
}
RESIZING = frozenset({"grows", "shrinks"})
"""Verbs that change the size, so that "big" and "small" would not be certain with them."""


@dataclass(frozen=True)
class Preposition:
    """How a preposition is written, what may replace it by one word, and how often it is drawn
    (relative).
    """

    surface: str
    contrasts: tuple[str, ...]
    path: bool
    weight: float


PREPOSITIONS = {
    "above": Preposition("above", ("below", "behind"), False, 1.0),
    "below": Preposition("below", ("above", "behind"), False, 1.0),
    "left of": Preposition("to the left of", ("right of",), False, 1.0),
    "right of": Preposition("to the right of", ("left of",), False, 1.0),
    "behind": Preposition("behind", ("above", "below"), False, 0.8),
    "in front of": Preposition("in front of", (), False, 0.2),
    "toward": Preposition("toward", ("from", "around"), True, 1.0),
    "from": Preposition("from", ("toward", "into"), True, 1.0),
    "around": Preposition("around", ("past", "toward"), True, 1.0),
    "past": Preposition("past", ("around", "into"), True, 1.0),
    "into": Preposition("into", ("past", "from"), True, 1.0),
    "out of": Preposition("out of", (), True, 0.25),
}
"""`contrasts` leaves out what could be true at once: a path into the house is also one toward it.
"""


def seen_colour(noun: str, colour: str) -> bool:
    """Whether (noun, colour) may occur for a main object in training; about one pair in seven is
    held out.

    >>> seen_colour("car", "red"), seen_colour("car", "yellow")
    (False, True)
    """
    return (3 * NOUNS.index(noun) + 2 * COLOURS.index(colour)) % 7 != 0


def seen_verb(noun: str, verb: str) -> bool:
    """Whether (noun, verb) may occur for a main object in training; about one pair in seven is held
    out.

    >>> seen_verb("car", "slides"), seen_verb("car", "hops")
    (True, False)
    """
    return (2 * NOUNS.index(noun) + 3 * list(VERBS).index(verb) + 1) % 7 != 0


def unseen_pairs(noun: str, colour: str, verb: str) -> int:
    """How many of the two pairs of a main object are held out (0, 1 or 2)."""
    return (not seen_colour(noun, colour)) + (not seen_verb(noun, verb))


def verb_fits(noun: str, look: str | None, verb: str, adverb: str | None) -> bool:
    """Whether "a {look} {noun} {verb} {adverb}" is a thing the renderer can show with certainty."""
    if look in SIZES and verb in RESIZING:
        return False
    if adverb in HEADING and noun not in FACING:
        return False
    return adverb is None or adverb in VERBS[verb].adverbs
