"""Convert between lemmas and inflected forms with lemminflect (MIT), with corrections for captions."""

from functools import lru_cache
from types import MappingProxyType

from finereel.finegrain.types import PartOfSpeech


# Word lists as people read them: words with spaces between.
def words(text: str) -> frozenset[str]:
    """The words of a text as a set.

    >>> sorted(words("red green"))
    ['green', 'red']
    """
    return frozenset(text.split())


_UPOS = MappingProxyType({"noun": "NOUN", "verb": "VERB", "adjective": "ADJ", "adverb": "ADV"})

# Worn or used in pairs: no singular, whatever a morphology says ("pant", "short").
PLURAL_ONLY = words(
    """
    pants shorts jeans trousers leggings tights overalls pajamas pyjamas boxers briefs panties
    goggles sunglasses eyeglasses spectacles binoculars headphones earphones scissors pliers
    tweezers tongs clothes thanks outdoors surroundings belongings cattle
    """
)
_FORMS = MappingProxyType(
    {
        **{
            ("person", "NNS"): "people",
            ("fish", "NNS"): "fish",
            ("water", "NNS"): None,
            ("tv", "NNS"): "tvs",
        },
        **{
            ("leap", "VBD"): "leaped",
            ("leap", "VBN"): "leaped",
            ("hang", "VBD"): "hung",
            ("hang", "VBN"): "hung",
        },
        **{
            ("dive", "VBD"): "dived",
            ("be", "VBP"): "are",
            ("be", "VBD"): "was",
            ("have", "VBZ"): "has",
        },
        **{
            ("lie", "VBD"): "lay",
            ("lie", "VBN"): "lain",
            ("bus", "NNS"): "buses",
            ("mango", "NNS"): "mangoes",
        },
        **{("good", "RB"): "well", ("policeman", "NNS"): "policemen", ("lady", "NNS"): "ladies"},
    }
)
_LEMMAS = MappingProxyType(
    {
        **{("people", "noun"): "person", ("persons", "noun"): "person", ("dice", "noun"): "dice"},
        **{
            ("leaves", "noun"): "leaf",
            ("found", "verb"): "find",
            ("saw", "verb"): "see",
            ("felt", "verb"): "feel",
        },
        **{
            ("better", "adverb"): "well",
            ("bikers", "noun"): "biker",
            ("lay", "verb"): "lie",
            ("laid", "verb"): "lay",
        },
        **{
            ("axes", "noun"): "axe",
            ("does", "verb"): "do",
            ("wound", "verb"): "wind",
            ("ground", "verb"): "grind",
        },
        **{
            ("'s", "verb"): "be",
            ("'re", "verb"): "be",
            ("'m", "verb"): "be",
            ("'ve", "verb"): "have",
        },
    }
)


@lru_cache(1 << 16)
def lemma_of(word: str, pos: str) -> str:
    """The dictionary form of a word as that part of speech, lower case; of prepositions and "other"
    the word itself.

    >>> lemma_of("People", "noun"), lemma_of("lying", "verb"), lemma_of("shorts", "noun")
    ('person', 'lie', 'shorts')
    """
    lower = word.lower()
    known = _LEMMAS.get((lower, pos))
    if known is not None:
        return known
    if (
        pos not in _UPOS
        or (pos == "noun" and lower in PLURAL_ONLY)
        or not lower.isascii()
        or len(lower) > 40
    ):
        return lower
    from lemminflect import getLemma

    found = getLemma(lower, _UPOS[pos])
    return str(found[0]) if found else lower


@lru_cache(1 << 16)
def can_be(word: str, pos: PartOfSpeech) -> bool:
    """Whether the dictionary knows the (lower-cased) word as that part of speech.

    >>> can_be("plays", "verb"), can_be("guitar", "verb")
    (True, False)
    """
    from lemminflect import getAllLemmas

    return pos in _UPOS and _UPOS[pos] in getAllLemmas(word)


@lru_cache(1 << 16)
def inflect(lemma: str, tag: str) -> str | None:
    """The form of a lemma a Penn tag asks for; None where there is none ("more wooden", one
    "pants").

    Of several words the first is inflected for verbs ("pick up"), the last for nouns and adjectives
    ("fire truck").

    >>> inflect("person", "NNS"), inflect("run", "VBG"), inflect("pants", "NN"), inflect("pick up", "VBZ")
    ('people', 'running', None, 'picks up')
    """
    if " " in lemma:
        return _inflect_phrase(lemma, tag)
    if lemma in PLURAL_ONLY:
        return lemma if tag == "NNS" else None
    if (lemma, tag) in _FORMS:
        return _FORMS[lemma, tag]
    if tag in ("NN", "VB", "VBP", "JJ", "RB", "RP", "IN", "NNP"):
        return lemma
    from lemminflect import getInflection

    forms = getInflection(lemma, tag, inflect_oov=False)
    if not forms and tag[:2] in ("NN", "VB") and lemma.isascii():
        forms = getInflection(lemma, tag, inflect_oov=True)
    return str(forms[0]) if forms else None


def _inflect_phrase(lemma: str, tag: str) -> str | None:
    if tag.startswith("VB"):
        head, _, rest = lemma.partition(" ")
        form = inflect(head, tag)
        return form and f"{form} {rest}"
    rest, _, head = lemma.rpartition(" ")
    form = inflect(head, tag)
    return form and f"{rest} {form}"
