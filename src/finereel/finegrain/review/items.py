"""Sample the negatives to review, per part of speech and in random order."""

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from finereel.errors import ConfigError
from finereel.finegrain.types import Change, Negative


@dataclass(frozen=True)
class Sampling:
    """How many negatives of every part of speech are read (0: all of them), drawn and shuffled by
    `seed`.
    """

    sample: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sample < 0:
            raise ConfigError(f"sample must be 0 (all) or more, got {self.sample}")


@dataclass(frozen=True, slots=True)
class Item:
    """A negative to be read, under a key that says nothing about it and does not depend on its
    place in a file.
    """

    key: str
    row: Negative


def review_items(rows: Iterable[Negative], choice: Sampling | None = None) -> tuple[Item, ...]:
    """Draw the items to read, the same for the same (rows, choice) in whatever order the rows come.

    A larger sample holds the smaller one of the same seed, so that a review can be extended. Rows
    that share an id are different items where they differ in anything, and where they do not, too.
    """
    wanted = choice or Sampling()
    drawn = _drawn(_with_keys(rows), wanted) if wanted.sample else list(_with_keys(rows))
    return tuple(sorted(drawn, key=lambda item: _place(item.key, f"show {wanted.seed}")))


def _drawn(items: Iterable[Item], choice: Sampling) -> list[Item]:
    """The `choice.sample` items of every part of speech with the smallest drawn numbers, holding no
    more at a time.
    """
    kept: dict[Change, list[tuple[int, str, Item]]] = {}
    for item in items:
        heap = kept.setdefault(item.row.pos, [])
        entry = (-_place(item.key, f"draw {choice.seed}"), item.key, item)
        if len(heap) < choice.sample:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)
    return [item for heap in kept.values() for _, _, item in heap]


def set_name(items: Iterable[Item]) -> str:
    """A name for exactly these items, under which a browser keeps its verdicts; their order does
    not matter.
    """
    return _digest("\n".join(sorted(item.key for item in items)))


def _with_keys(rows: Iterable[Negative]) -> Iterator[Item]:
    seen: Counter[str] = Counter()
    for row in rows:
        told = (
            row.id,
            row.video_id,
            row.caption_id,
            row.caption,
            row.negative,
            row.pos,
            row.start,
            row.end,
        )
        key = _digest(json.dumps(told))
        seen[key] += 1
        yield Item(key if seen[key] == 1 else f"{key}-{seen[key]}", row)


def _place(key: str, purpose: str) -> int:
    return int(_digest(f"{purpose} {key}"), 16)


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()
