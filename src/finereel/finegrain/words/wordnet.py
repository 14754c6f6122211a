"""Read the bundled WordNet 3.0 without glosses, which research/scripts/build_lexicon.py writes.

Loading splits the file into lines (a second at most); a synset or a word is parsed at its first
use.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from finereel.errors import DataError
from finereel.finegrain.types import PartOfSpeech
from finereel.io.assets import ASSETS

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
