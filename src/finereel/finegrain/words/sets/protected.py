"""Lists of words that are never changed, from protected.toml."""

import tomllib
from functools import cache
from pathlib import Path
from types import MappingProxyType

FILE = Path(__file__).with_name("protected.toml")


def _spellings() -> dict[str, str]:
    lines = tomllib.loads(FILE.read_text(encoding="utf-8"))["spellings"].split("\n")
    return {word: line.split()[0] for line in lines for word in line.split()}


@cache
def word_list(name: str) -> frozenset[str]:
    """The words and phrases of one list.

    >>> "make" in word_list("light_verbs"), "up and down" in word_list("fixed")
    (True, True)
    """
    words = tomllib.loads(FILE.read_text(encoding="utf-8"))[name].split()
    return frozenset(word.replace("_", " ") for word in words)


# Word -> the first spelling of it.
SPELLINGS = MappingProxyType(_spellings())
