"""Fewer negatives, of which a reader without eyes can say nothing: what is true and what is false change places.

Three rules, all of them only leave rows out.
1. Plausible: the language model's preference for the caption (the gap, in nats) is small either way.
2. Mirrored: for two words a and b, and for equal preference of the model for the sentence with a over that with b, a is
   the truth as often as b. This refines by the gap as SugarCrepe does (Hsieh et al. 2023) and keeps both directions of
   every swap, so that neither the model nor a list of words that tend to be false gains anything.
3. Any rank: among captions with n negatives, the caption's rank by the model is 1, 2, ... n + 1 equally often. Without
   it a caption could be told by standing always in the middle, or always at one of the ends.

The model that refines has read one third of the videos, which is neither that of the row nor the one that judges it.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from jaxtyping import Bool, Float64, Int64

from finereel.errors import ConfigError, DataError
from finereel.negatives.blind import NGrams, score_pairs
from finereel.negatives.blind.others import PARTS, REFINED, part_of, refining_part
from finereel.negatives.ranks import any_rank
from finereel.negatives.types import CHANGES, CaptionRow, Negative

_CHUNK = 20_000


@dataclass(frozen=True)
class BalanceSettings:
    """size: at most so many negatives for a caption and a part of speech. limit: the largest gap in nats. width: gaps
    this near count as equal. handicap: nats taken from the gap of every caption beforehand, because a model that has
    read other videos prefers the caption a little more than the refining one shows. rounds: how often rules 2 and 3
    take turns before 2 has the last word. seed: of the draw among equals."""

    size: int = 20
    limit: float = 7.0
    width: float = 0.5
    handicap: float = 0.0
    rounds: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size < 1 or self.rounds < 1:
            raise ConfigError(f"balancing needs size and rounds of at least 1, got {self.size} and {self.rounds}")
        if not (self.limit > 0 and self.width > 0):
            raise ConfigError(f"balancing needs a limit and a width above 0, got {self.limit} and {self.width}")


@dataclass(frozen=True)
class Selection:
    """Which of R rows stay, in the order they came, and what the refining model said of each.

    gap: how much it prefers the caption to the negative, in nats. counts: per part of speech rows and captions before
    and after.
    """

    keep: Bool[np.ndarray, " R"]
    gap: Float64[np.ndarray, " R"]
    counts: dict[str, dict[str, int]]

    def kept(self, rows: Iterable[Negative]) -> Iterator[Negative]:
        """The rows that stay, each with its gap among its scores. `rows`: the same as were balanced, once more."""
        for row, keep, gap in zip(rows, self.keep, self.gap, strict=True):
            if keep:
                yield replace(row, scores={**row.scores, REFINED: round(float(gap), 4)})


@dataclass(frozen=True)
class _Table:
    """What balancing needs of R rows. pair: the two words. forward: the truth is the first of them. group: caption
    and part of speech. kind: part of speech."""

    gap: np.ndarray
    pair: np.ndarray
    forward: np.ndarray
    group: np.ndarray
    kind: np.ndarray


def balance(
    rows: Iterable[Negative],
    captions: Sequence[CaptionRow],
    settings: BalanceSettings | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Selection:
    """Choose rows so that no language model of captions tells the caption from its negatives.

    rows: read once, in a stream; give many candidates per caption. captions: of the whole collection, at least of
    three videos, for the language models. on_progress: called with the number of rows read.
    Raises DataError where a third of the collection has no captions.
    """
    chosen = settings or BalanceSettings()
    table = _read(rows, captions, on_progress)
    keep = np.abs(table.gap) <= chosen.limit
    random = np.random.default_rng(chosen.seed)
    gap = table.gap - chosen.handicap
    for _ in range(chosen.rounds):
        order = _mirrored(table, gap, keep, chosen.width, random)
        keep = order >= 0
        keep = any_rank(table.group, table.kind, gap < 0, np.where(keep, order, -1.0), chosen.size)
    keep = _mirrored(table, gap, keep, chosen.width, random) >= 0
    return Selection(keep, table.gap, _counts(table, keep))


def _mirrored(
    table: _Table, gap: np.ndarray, keep: np.ndarray, width: float, random: np.random.Generator
) -> Float64[np.ndarray, " R"]:
    """Rule 2. A row that stays has a random order from 0 to 1, the same as a row that mirrors it; others have -1."""
    result = np.full(len(gap), -1.0)
    rows = random.permutation(np.flatnonzero(keep))
    if not len(rows):
        return result
    forward = table.forward[rows]
    preference = np.floor(np.where(forward, gap[rows], -gap[rows]) / width).astype(np.int64)
    spread = int(np.ptp(preference)) + 1
    cell = table.pair[rows] * spread + preference - preference.min()
    _, cell = np.unique(cell, return_inverse=True)
    place = _place_within(cell * 2 + forward)
    count = np.bincount(cell * 2 + forward, minlength=2 * (int(cell.max()) + 1)).reshape(-1, 2).min(axis=1)
    stays = place < count[cell]
    first = np.concatenate([[0], np.cumsum(count)])
    couple = first[cell] + place
    result[rows[stays]] = random.random(int(first[-1]))[couple[stays]]
    return result


def _place_within(keys: Int64[np.ndarray, " N"]) -> Int64[np.ndarray, " N"]:
    """How many equal keys stand before each."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    lengths = np.diff(np.append(starts, len(keys)))
    places = np.empty(len(keys), np.int64)
    places[order] = np.arange(len(keys)) - np.repeat(starts, lengths)
    return places


def _read(rows: Iterable[Negative], captions: Sequence[CaptionRow], on_progress: Callable[[int], None]) -> _Table:
    models = _refiners(captions)
    pairs: dict[Hashable, int] = {}
    groups: dict[Hashable, int] = {}
    pieces: list[_Table] = []
    stream, done = iter(rows), 0
    while chunk := list(islice(stream, _CHUNK)):
        words = [(row.source.lower(), row.replacement.lower()) for row in chunk]
        pieces.append(
            _Table(
                gap=_gaps(chunk, models),
                pair=np.array(
                    [
                        pairs.setdefault((row.pos, *sorted(two)), len(pairs))
                        for row, two in zip(chunk, words, strict=True)
                    ]
                ),
                forward=np.array([source < other for source, other in words]),
                group=np.array(
                    [groups.setdefault((row.video_id, row.caption_id, row.pos), len(groups)) for row in chunk]
                ),
                kind=np.array([CHANGES.index(row.pos) for row in chunk]),
            )
        )
        done += len(chunk)
        on_progress(done)
    if not pieces:
        return _Table(np.zeros(0), *(np.zeros(0, kind) for kind in (np.int64, np.bool_, np.int64, np.int64)))
    names = ("gap", "pair", "forward", "group", "kind")
    return _Table(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in names))


def _refiners(captions: Sequence[CaptionRow]) -> list[NGrams]:
    """A language model per part of the rows, which has read the part that refines it."""
    texts: list[list[str]] = [[] for _ in range(PARTS)]
    for caption in captions:
        texts[part_of(caption.video_id, PARTS)].append(caption.caption)
    for part, found in enumerate(texts):
        if not found:
            raise DataError(
                f"balancing draws {PARTS} parts of the videos and part {part + 1} of these {len(captions)} captions is "
                "empty; give the captions of more videos"
            )
    models = [NGrams(found) for found in texts]
    return [models[refining_part(part)] for part in range(PARTS)]


def _gaps(rows: Sequence[Negative], models: Sequence[NGrams]) -> Float64[np.ndarray, " R"]:
    gaps = np.zeros(len(rows))
    parts = np.array([part_of(row.video_id, PARTS) for row in rows])
    for part in np.unique(parts):
        chosen = np.flatnonzero(parts == part)
        gaps[chosen] = score_pairs(models[part], [rows[int(index)] for index in chosen]).gap
    return gaps


def _counts(table: _Table, keep: np.ndarray) -> dict[str, dict[str, int]]:
    """Per part of speech: rows and captions before and after."""
    found: dict[str, dict[str, int]] = {}
    for number, name in enumerate(CHANGES):
        here = table.kind == number
        if here.any():
            found[name] = {
                "rows": int(here.sum()),
                "rows_kept": int((here & keep).sum()),
                "captions": len(np.unique(table.group[here])),
                "captions_kept": len(np.unique(table.group[here & keep])),
            }
    return found
