"""Function words and prepositions (including multi-word ones), which WordNet does not contain.

The prepositions are those of Huddleston and Pullum's central list and of "The Preposition Project",
without the rare.
"""

_SINGLE = """
aboard about above across after against along alongside amid amidst among amongst around as astride
at atop before behind below beneath beside besides between beyond by despite down during except for
from in inside into like near of off on onto opposite out outside over past per round since than
through throughout till to toward towards under underneath until unto up upon via with within
without
"""
PREPOSITIONS: frozenset[str] = frozenset(_SINGLE.split()) | {
    "in front of", "next to", "on top of", "out of", "away from", "close to", "far from", "in back of", "inside of",
    "outside of", "instead of", "because of", "along with", "together with", "up to", "due to", "by means of",
    "in the middle of", "to the left of", "to the right of", "at the back of", "at the front of", "ahead of",
    "on to", "in to", "off of", "apart from", "according to", "in between", "across from", "such as",
}  # fmt: skip

_FUNCTION = """
a an the this that these those and or but nor so yet if because while when where whereas although
though unless whether as than i you he she it we they me him her us them my your his its our their
mine yours hers ours theirs myself yourself himself herself itself ourselves yourselves themselves
who whom whose which what whatever whoever whichever someone somebody something anyone anybody
anything everyone everybody everything nobody nothing none each every either neither both all any
some such no not can could shall should will would may might must am is are was were be been being
do does did done have has had having to there here how why other another others one ones 's 're 've
'll 'd n't 'm isn't aren't don't doesn't didn't can't won't
"""
FUNCTION_WORDS: frozenset[str] = frozenset(_FUNCTION.split())
