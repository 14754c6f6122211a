"""Penn Treebank tags: the part of speech of each, and the conversion from other tag sets."""

from types import MappingProxyType

from finereel.finegrain.words.inflection import words
from finereel.finegrain.words.tagging.words import WordClass

_FORMS = (("D", "VBD"), ("G", "VBG"), ("I", "VB"), ("N", "VBN"), ("Z", "VBZ"))
PENN_OF_CLAWS5 = MappingProxyType(
    {
        **{"AJ0": "JJ", "AJC": "JJR", "AJS": "JJS", "ORD": "JJ"},
        **{"AT0": "DT", "DT0": "DT", "DTQ": "WDT", "DPS": "PRP$", "EX0": "EX", "CRD": "CD"},
        **{"AV0": "RB", "AVP": "RP", "AVQ": "WRB", "XX0": "RB"},
        **{"CJC": "CC", "CJS": "IN", "CJT": "IN", "PRP": "IN", "PRF": "IN", "TO0": "TO"},
        **{"NN0": "NN", "NN1": "NN", "NN2": "NNS", "NP0": "NNP"},
        **{"PNI": "PRP", "PNP": "PRP", "PNQ": "WP", "PNX": "PRP", "POS": "POS", "VM0": "MD"},
        **{"VBB": "VBP", "VDB": "VBP", "VHB": "VBP", "VVB": "VBP"},
        **{f"V{verb}{form}": tag for verb in "BDHV" for form, tag in _FORMS},
        **{
            "ITJ": "UH",
            "PUL": "(",
            "PUR": ")",
            "PUN": ".",
            "PUQ": "''",
            "UNC": "NN",
            "ZZ0": "SYM",
            "!!!": "SYM",
        },
    }
)

_CLASS_OF_PREFIX: MappingProxyType[str, WordClass] = MappingProxyType(
    {
        "NN": "noun",
        "VB": "verb",
        "JJ": "adjective",
        "RB": "adverb",
        "RP": "adverb",
        "IN": "preposition",
    }
)

# Tagged like the words of a class, but no negative can be made of them there: subordinators,
# negation, comparison, words for how many.
_NEVER = words(
    """
    while because if when although though whereas since that than as until unless whether once lest
    so not n't no never very too also just only even still yet maybe perhaps more most less least
    quite almost rather many much few several some any other others another such same own own each
    every both all half lot lots thing things something anything nothing everything someone anyone
    everyone somebody nobody one ones be am is are was were been being 's 're 'm
    """
)


def class_of(word: str, tag: str) -> WordClass:
    """The word class of a lower-cased word with a Penn tag.

    >>> class_of("dogs", "NNS"), class_of("while", "IN"), class_of("up", "RP")
    ('noun', 'other', 'adverb')
    """
    return "other" if word in _NEVER else _CLASS_OF_PREFIX.get(tag[:2], "other")
