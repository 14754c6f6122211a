"""Words that may replace one another without changing the truth, from synonyms.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from finereel.errors import DataError
from finereel.finegrain.types import PARTS_OF_SPEECH, PartOfSpeech
from finereel.finegrain.words.sets.frames import Frame

FILE = Path(__file__).with_name("synonyms.toml")
_KEYS = ("pos", "groups", "frame", "compounds")


@dataclass(frozen=True, slots=True)
class Synonyms:
    """What a word may become, and where. name: of the set. compounds: also beside another noun."""

    name: str
    offered: tuple[str, ...]
    frame: Frame
    compounds: bool


@cache
def synonyms_of(pos: PartOfSpeech) -> Mapping[str, tuple[Synonyms, ...]]:
    """Lemma -> what may stand for it, of the shipped sets.

    >>> [found.offered for found in synonyms_of("noun")["sofa"]]
    [('couch',)]
    """
    return read_synonyms(FILE)[pos]


def read_synonyms(path: Path) -> dict[PartOfSpeech, dict[str, tuple[Synonyms, ...]]]:
    """The sets of a TOML file of the form the shipped one explains, by part of speech and lemma.
    DataError, naming file and set, for what does not parse and for a group that offers nothing.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: expected synonyms in TOML ({error})") from error
    found: dict[PartOfSpeech, dict[str, tuple[Synonyms, ...]]] = {
        pos: {} for pos in PARTS_OF_SPEECH
    }
    for name, table in tables.items():
        try:
            words = found[table["pos"]]
            for word, synonyms in _entries(name, table):
                words[word] = (*words.get(word, ()), synonyms)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataError(
                f"{path}, set {name!r}: expected {', '.join(_KEYS)} ({error})"
            ) from error
    return found


def _entries(name: str, table: Mapping[str, Any]) -> list[tuple[str, Synonyms]]:
    stray = sorted(set(table) - set(_KEYS))
    if stray:
        raise ValueError(f"unknown key {stray[0]!r}")
    frame, entries = Frame.of(table.get("frame", {})), []
    for line in table["groups"]:
        words = [word.replace("_", " ") for word in line.split()]
        offered = [word for word in words if not word.endswith("*")]
        if not offered or len(words) < 2:
            raise ValueError(f"group {line!r}: two words or more, one of them without *")
        for word in words:
            others = tuple(other for other in offered if other != word)
            if others:
                entries.append(
                    (word.rstrip("*"), Synonyms(name, others, frame, table.get("compounds", False)))
                )
    return entries
