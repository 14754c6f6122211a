"""WHICH NEGATIVES ARE READ: a sample per part of speech, in an order that leads nobody."""

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from finereel.errors import ConfigError
from finereel.negatives.types import PARTS_OF_SPEECH, Negative


@dataclass(frozen=True)
class Choice:
    """How many negatives of every part of speech are read (0: all of them), drawn and shuffled by `seed`."""

    sample: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sample < 0:
            raise ConfigError(f"sample must be 0 (all) or more, got {self.sample}")


@dataclass(frozen=True, slots=True)
class Item:
    """A negative to be read, under a key that says nothing about it and does not depend on its place in a file."""

    key: str
    row: Negative


def review_items(rows: Iterable[Negative], choice: Choice | None = None) -> tuple[Item, ...]:
    """Draw the items to read, the same for the same (rows, choice) in whatever order the rows come.

    A larger sample holds the smaller one of the same seed, so that a review can be extended. Rows that share an id are
    different items where they differ in anything, and where they do not, too.
    """
    wanted = choice or Choice()
    items = list(_with_keys(rows))
    if wanted.sample:
        drawn: list[Item] = []
        for pos in PARTS_OF_SPEECH:
            of_pos = (item for item in items if item.row.pos == pos)
            drawn += heapq.nsmallest(wanted.sample, of_pos, key=lambda item: _place(item.key, f"draw {wanted.seed}"))
        items = drawn
    return tuple(sorted(items, key=lambda item: _place(item.key, f"show {wanted.seed}")))


def set_name(items: Iterable[Item]) -> str:
    """A name for exactly these items, under which a browser keeps its verdicts; their order does not matter."""
    return _digest("\n".join(sorted(item.key for item in items)))


def _with_keys(rows: Iterable[Negative]) -> Iterator[Item]:
    seen: Counter[str] = Counter()
    for row in rows:
        told = (row.id, row.video_id, row.caption_id, row.caption, row.negative, row.pos, row.start, row.end)
        text = json.dumps(told)
        key = _digest(f"{text} {seen[text]}" if seen[text] else text)
        seen[text] += 1
        yield Item(key, row)


def _place(key: str, purpose: str) -> bytes:
    return blake2b(f"{purpose} {key}".encode(), digest_size=8).digest()


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()
