"""Relations between word meanings: synonyms, antonyms, sister terms, and reasons why two words can
both be true.

Built on the shipped WordNet 3.0 (`finereel.finegrain.words.wordnet`). Lemmas are lower case;
underscores join the words of a collocation, as in WordNet. Prepositions have no senses there: they
are a closed list.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from finereel.errors import DataError
from finereel.finegrain.types import PARTS_OF_SPEECH, PartOfSpeech
from finereel.io import ASSETS

# The shipped word net: WordNet 3.0 without glosses, as research/scripts/build_lexicon.py pressed
# it, read entry by entry.
ASSET = ASSETS / "lexicon" / "wordnet30.txt.gz"
HEADER = "finereel-lexicon 1 "
LETTERS: dict[PartOfSpeech, str] = {"noun": "n", "verb": "v", "adjective": "a", "adverb": "r"}
# The lexicographer files of WordNet 3.0, by number (lexnames(5WN)).
_LEXNAMES = (
    "adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute "
    "noun.body noun.cognition "
    "noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive "
    "noun.object noun.person "
    "noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation "
    "noun.shape noun.state "
    "noun.substance noun.time verb.body verb.change verb.cognition verb.communication "
    "verb.competition "
    "verb.consumption verb.contact verb.creation verb.emotion verb.motion verb.perception "
    "verb.possession verb.social "
    "verb.stative verb.weather adj.ppl"
)
LEXNAMES: tuple[str, ...] = tuple(_LEXNAMES.split())


@dataclass(frozen=True, slots=True)
class Synset:
    """One meaning: the words for it, and its relations to other meanings by line number.

    id: as in WordNet, "n02084071" (its letter and byte offset). lexname: "noun.animal". positions:
    the adjectives that stand in one place only, word -> "p" (predicate), "a" (before the noun),
    "ip" (after it).
    relations: symbol of WordNet -> (words, target), where words is "" or the pair of word numbers
    from 1.
    """

    number: int
    id: str
    lexname: str
    lemmas: tuple[str, ...]
    positions: Mapping[str, str]
    relations: Mapping[str, tuple[tuple[str, int], ...]]

    def targets(self, *symbols: str) -> tuple[int, ...]:
        """Line numbers of all synsets related by one of the symbols."""
        return tuple(target for symbol in symbols for _, target in self.relations.get(symbol, ()))


@dataclass(frozen=True, slots=True)
class Sense:
    """One meaning of a word, and how often it was met in SemCor (0 for most)."""

    synset: Synset
    count: int


class WordNet:
    """Synsets by number, and the senses of words; opens the shipped file, or another of its form.

    >>> net = WordNet.open()
    >>> [sense.synset.id for sense in net.senses("goldfish", "noun")][:1]
    ['n01443537']
    """

    def __init__(self, sections: Mapping[str, list[str]]) -> None:
        self._synsets = sections["synsets"]
        self._words = dict(line.split("\t", 1) for line in sections["words"])
        self._exceptions: dict[tuple[str, str], tuple[str, ...]] = {}
        for line in sections["exceptions"]:
            letter, form, *lemmas = line.split()
            self._exceptions[letter, form] = tuple(lemmas)
        self._read: dict[int, Synset] = {}

    @staticmethod
    @lru_cache(maxsize=1)
    def open(path: Path = ASSET) -> "WordNet":
        """The net in a file that research/scripts/build_lexicon.py wrote; the last one stays open.
        DataError for another form.
        """
        text = gzip.decompress(path.read_bytes()).decode()
        if not text.startswith(HEADER):
            raise DataError(
                f"{path}: expected a first line with {HEADER!r}, got {text[:40]!r}: build the "
                "lexicon again"
            )
        lines, sections, at = text.split("\n"), {}, 1
        while at < len(lines) and lines[at]:
            _, name, count = lines[at].split(" ")
            sections[name] = lines[at + 1 : at + 1 + int(count)]
            at += 1 + int(count)
        return WordNet(sections)

    def __contains__(self, lemma: str) -> bool:
        return lemma in self._words

    def __len__(self) -> int:
        return len(self._words)

    def parts_of_speech(self, lemma: str) -> tuple[PartOfSpeech, ...]:
        """What `lemma` (lower case, spaces as underscores) can be; nothing for a word that is not
        in the net.
        """
        letters = {entry[0] for entry in self._words.get(lemma, "").split("\t") if entry}
        return tuple(pos for pos, letter in LETTERS.items() if letter in letters)

    def senses(self, lemma: str, pos: PartOfSpeech) -> tuple[Sense, ...]:
        """Its meanings, the most frequent first; nothing for an unknown word and for
        prepositions.
        """
        letter = LETTERS.get(pos)
        for entry in self._words.get(lemma, "").split("\t"):
            if letter and entry.startswith(letter):
                numbers, _, counted = entry[2:].partition(":")
                counts = [int(count) for count in counted.split(",") if count]
                return tuple(
                    Sense(self.synset(int(number)), counts[index] if index < len(counts) else 0)
                    for index, number in enumerate(numbers.split(","))
                )
        return ()

    def synset(self, number: int) -> Synset:
        """The synset of a line."""
        if number not in self._read:
            self._read[number] = _parse(number, self._synsets[number])
        return self._read[number]

    def exceptions(self, form: str, pos: PartOfSpeech) -> tuple[str, ...]:
        """The lemmas of an irregular form, ("goose",) for "geese"; nothing for a regular one."""
        return self._exceptions.get((LETTERS.get(pos, ""), form), ())


def _parse(number: int, line: str) -> Synset:
    name, words, pointers = line.split("\t")
    letter, offset, lexname = name.split(" ")
    lemmas, positions = [], {}
    for word in words.split(","):
        lemma, _, marker = word.partition("(")
        lemmas.append(lemma.lower())
        if marker:
            positions[lemma.lower()] = marker.rstrip(")")
    relations: dict[str, list[tuple[str, int]]] = {}
    for pointer in pointers.split():
        symbol, target = pointer.split(":")
        bare = symbol.rstrip("0123456789.")
        relations.setdefault(bare, []).append((symbol[len(bare) :], int(target)))
    completed = {symbol: tuple(found) for symbol, found in relations.items()}
    return Synset(
        number, letter + offset, LEXNAMES[int(lexname)], tuple(lemmas), positions, completed
    )


_UP, _DOWN = ("@", "@i"), ("~", "~i")
_PARTS = ("#m", "#s", "#p", "%m", "%s", "%p")
_DETACHED: dict[PartOfSpeech, tuple[tuple[str, str], ...]] = {
    "noun": (
        *(
            ("s", ""),
            ("ses", "s"),
            ("xes", "x"),
            ("zes", "z"),
            ("ches", "ch"),
            ("shes", "sh"),
            ("men", "man"),
        ),
        ("ies", "y"),
    ),
    "verb": (
        ("s", ""),
        ("ies", "y"),
        ("es", "e"),
        ("es", ""),
        ("ed", "e"),
        ("ed", ""),
        ("ing", "e"),
        ("ing", ""),
    ),
    "adjective": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
}
_RELATIONS_TO_NAME: tuple[tuple[tuple[str, ...], str], ...] = (
    (_UP, "hypernym"),
    (_DOWN, "hyponym"),
    (_PARTS, "part"),
    (("*", ">"), "entailment"),
    (("$",), "verb group"),
    (("&",), "similar"),
    (("^",), "see also"),
    (("=",), "attribute"),
)


class Lexicon:
    """Questions about words. Answers are remembered, so one instance serves a whole run.

    >>> words = Lexicon.load()
    >>> sorted(words.antonyms("hot", "adjective"))
    ['cold']
    >>> words.related("dog", "animal", "noun"), words.related("dog", "cat", "noun")
    ('hypernym', None)
    """

    def __init__(self, net: WordNet) -> None:
        self.net = net
        self.related = lru_cache(maxsize=1 << 18)(self._related)
        self.sisters = lru_cache(maxsize=1 << 14)(self._sisters)
        self.has_pos = lru_cache(maxsize=1 << 16)(self._has_pos)
        self._closure = lru_cache(maxsize=1 << 16)(self._climb)

    @staticmethod
    def load() -> "Lexicon":
        """The lexicon of the package; the same instance every time."""
        return _shipped()

    def lemmas_of(self, form: str, pos: PartOfSpeech) -> tuple[str, ...]:
        """Base forms WordNet knows for an inflected form, after morphy(7WN): exceptions, then
        endings.

        >>> Lexicon.load().lemmas_of("geese", "noun"), Lexicon.load().lemmas_of("running", "verb")
        (('goose',), ('run',))
        """
        word = form.lower().replace(" ", "_")
        found = [*self.net.exceptions(word, pos), word]
        found += [
            word[: -len(end)] + base
            for end, base in _DETACHED.get(pos, ())
            if end and word.endswith(end)
        ]
        return tuple(lemma for lemma in dict.fromkeys(found) if self.net.senses(lemma, pos))

    def is_word(self, form: str) -> bool:
        """Whether some base form of it, as any part of speech, is an English word: in WordNet or a
        function word.
        """
        return (
            any(self.has_pos(form, pos) for pos in PARTS_OF_SPEECH)
            or form.lower() in FUNCTION_WORDS
        )

    def _has_pos(self, form: str, pos: PartOfSpeech) -> bool:
        """Whether a form (inflected or not) can be this part of speech."""
        word = form.lower().replace("_", " ")
        return word in PREPOSITIONS if pos == "preposition" else bool(self.lemmas_of(form, pos))

    def senses(self, lemma: str, pos: PartOfSpeech) -> tuple[Sense, ...]:
        """Its meanings, the most frequent first."""
        return self.net.senses(lemma, pos)

    def dominant(self, lemma: str, pos: PartOfSpeech) -> Synset | None:
        """Its most frequent meaning; None for an unknown word."""
        senses = self.senses(lemma, pos)
        return senses[0].synset if senses else None

    def dominance(self, lemma: str, pos: PartOfSpeech) -> float:
        """Share of its first meaning among all that were counted (add-one): 1 for a word of one
        meaning.
        """
        counts = [sense.count + 1 for sense in self.senses(lemma, pos)]
        return counts[0] / sum(counts) if counts else 0.0

    def frequency(self, lemma: str, pos: PartOfSpeech) -> int:
        """How often SemCor has the lemma as this part of speech."""
        return sum(sense.count for sense in self.senses(lemma, pos))

    def lexname(self, lemma: str, pos: PartOfSpeech = "noun") -> str | None:
        """Lexicographer file of its most frequent meaning, such as "noun.animal"."""
        synset = self.dominant(lemma, pos)
        return synset.lexname if synset else None

    def position(self, lemma: str) -> str:
        """Where an adjective must stand: "p" predicate, "a" before the noun, "ip" after it, ""
        anywhere.
        """
        synset = self.dominant(lemma, "adjective")
        return synset.positions.get(lemma, "") if synset else ""

    def synonyms(
        self, lemma: str, pos: PartOfSpeech, dominant_only: bool = False
    ) -> frozenset[str]:
        """Words that share a meaning with it; for adjectives also those WordNet calls similar."""
        senses = self.senses(lemma, pos)[: 1 if dominant_only else None]
        found = {other for sense in senses for other in sense.synset.lemmas}
        if pos == "adjective":
            near = (self.net.synset(n) for sense in senses for n in sense.synset.targets("&"))
            found |= {other for synset in near for other in synset.lemmas}
        return frozenset(found - {lemma})

    def antonyms(
        self, lemma: str, pos: PartOfSpeech, dominant_only: bool = False
    ) -> tuple[str, ...]:
        """Opposites of the word itself, in order of its meanings (antonymy holds between words, not
        meanings).
        """
        found: dict[str, None] = {}
        for sense in self.senses(lemma, pos)[: 1 if dominant_only else None]:
            for words, target in sense.synset.relations.get("!", ()):
                mine, other = (int(number) - 1 for number in words.split("."))
                if sense.synset.lemmas[mine] == lemma:
                    found[self.net.synset(target).lemmas[other]] = None
        return tuple(found)

    def _sisters(
        self, lemma: str, pos: PartOfSpeech, dominant_only: bool = True
    ) -> tuple[str, ...]:
        """Words below the same hypernym as it (its own synset left out), in the order of
        WordNet.
        """
        found: dict[str, None] = {}
        for sense in self.senses(lemma, pos)[: 1 if dominant_only else None]:
            for above in sense.synset.targets(*_UP):
                for number in self.net.synset(above).targets(*_DOWN):
                    if number != sense.synset.number:
                        found |= dict.fromkeys(self.net.synset(number).lemmas)
        return tuple(word for word in found if word != lemma)

    def _climb(self, number: int) -> frozenset[int]:
        """All synsets above one, itself included."""
        seen, waiting = {number}, [number]
        while waiting:
            for above in self.net.synset(waiting.pop()).targets(*_UP):
                if above not in seen:
                    seen.add(above)
                    waiting.append(above)
        return frozenset(seen)

    def hypernyms(
        self, lemma: str, pos: PartOfSpeech, dominant_only: bool = True
    ) -> frozenset[str]:
        """Every word for something more general than it."""
        senses = self.senses(lemma, pos)[: 1 if dominant_only else None]
        numbers = {
            above
            for sense in senses
            for above in self._closure(sense.synset.number) - {sense.synset.number}
        }
        return frozenset(word for number in numbers for word in self.net.synset(number).lemmas)

    def _related(self, first: str, second: str, pos: PartOfSpeech, senses: int = 4) -> str | None:
        """Why two lemmas may both be true of one thing; None where WordNet knows no reason.

        Looks at the first `senses` meanings of each: same, synonym, hypernym (`second` is the more
        general one), hyponym, part, entailment, verb group, similar, see also, attribute.
        """
        if first == second:
            return "same"
        mine = [sense.synset for sense in self.senses(first, pos)[:senses]]
        others = [sense.synset for sense in self.senses(second, pos)[:senses]]
        numbers = {synset.number for synset in others}
        if any(synset.number in numbers for synset in mine):
            return "synonym"
        if any(numbers & self._closure(synset.number) for synset in mine):
            return "hypernym"
        if any(synset.number in self._closure(other.number) for synset in mine for other in others):
            return "hyponym"
        for symbols, name in _RELATIONS_TO_NAME:
            back = any(
                synset.number in other.targets(*symbols) for synset in mine for other in others
            )
            if back or any(numbers & set(synset.targets(*symbols)) for synset in mine):
                return name
        return None


@lru_cache(maxsize=1)
def _shipped() -> Lexicon:
    return Lexicon(WordNet.open())


# Closed classes of English that WordNet leaves out: prepositions (also of several words) and
# function words.
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
