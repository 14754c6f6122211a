"""Drop negatives until a text-only scorer cannot tell captions from negatives.

There are four rules, which only leave rows out:

1. Familiar: the words around the change occur in captions of other videos too. If no other video
   has a word, nothing is known here about its usual neighbours, but a scorer trained on more
   captions may know them.
2. Plausible: the preference for the caption is small either way.
3. Mirrored: for two words a and b, and for equal preference for the sentence with a over that with
   b, a is true as often as b. The preference is that of three text-only models together: trigram
   language models, forward and backward, and the association of the changed word with all other
   words of the sentence (`blind.association`). This refines SugarCrepe's method (Hsieh et al.
   2023) and keeps both directions of every swap, so that a list of words that tend to be false
   gains nothing.
4. Uniform rank: among captions with n negatives, the caption's rank by the preference is 1, 2, ...
   n + 1 equally often. Otherwise a caption could be recognised by its rank alone.

The models are trained on one third of the videos and on the other half of the row's own third.
Models trained on other captions still prefer the true caption a little. So the rows are chosen to
seem worse to these models by a handicap, as large as the difference between two models trained on
different videos.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice

import numpy as np
from jaxtyping import Bool, Float64, Int64

from finereel.data.base import Caption
from finereel.errors import ConfigError, DataError
from finereel.finegrain.blind import NGrams, score_pairs
from finereel.finegrain.blind.association import Association
from finereel.finegrain.blind.ngrams import words
from finereel.finegrain.blind.others import PARTS, REFINED, part_of, refining_part
from finereel.finegrain.types import CHANGES, Negative

_SHARES = {"preposition": (0.35, 0.35, 0.3)}
_OTHER_SHARES = (0.25, 0.25, 0.5)
"""Of the forward model, the backward model and the association; a preposition is decided by its
neighbours.
"""
_MOST = (6.0, 6.0, 8.0)  # nats above which each says no more
_BEYOND = 1.2
_SAMPLED = 4  # one row of so many is read by two readers apart
_CHUNK = 20_000


@dataclass(frozen=True)
class BalanceSettings:
    """size: at most so many negatives for a caption and a part of speech. unfamiliar: the most that
    the other words of a caption may lack of being known, in words that no other video has. limit:
    the largest preference in nats. width: preferences in nats that are this near count as equal.
    handicap: nats by which captions shall seem worse than their negatives, None: as much as readers
    of different videos differ. rounds: how often rules 3 and 4 take turns before 3 has the last
    word. seed: of the draw among equals.
    """

    size: int = 20
    unfamiliar: float = 1.0
    limit: float = 6.0
    width: float = 0.75
    handicap: float | None = None
    rounds: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size < 1 or self.rounds < 1:
            raise ConfigError(
                f"balancing needs size and rounds of at least 1, got {self.size} and {self.rounds}"
            )
        if min(self.limit, self.width, self.unfamiliar) <= 0:
            raise ConfigError(
                "balancing needs a limit, a width and unfamiliar words above 0, got "
                f"{self.limit}, {self.width} and {self.unfamiliar}"
            )


@dataclass(frozen=True)
class Selection:
    """Which of R rows stay, in the order they came, and what the refining readers said of each.

    gap: how much they prefer the caption to the negative, in nats. counts: per part of speech rows
    and captions before and after. handicap: by how many nats the captions had to seem worse.
    """

    keep: Bool[np.ndarray, " R"]
    gap: Float64[np.ndarray, " R"]
    counts: dict[str, dict[str, int]]
    handicap: float

    def kept(self, rows: Iterable[Negative]) -> Iterator[Negative]:
        """The rows that stay, each with its gap among its scores. `rows`: the same as were
        balanced, once more.
        """
        for row, keep, gap in zip(rows, self.keep, self.gap, strict=True):
            if keep:
                yield replace(row, scores={**row.scores, REFINED: round(float(gap), 4)})


@dataclass(frozen=True)
class _Table:
    """What balancing needs of R rows. gap: the preference for the caption. apart: by how much two
    readers differ, NaN where they were not asked. unfamiliar: how much of the other words no other
    video knows. pair: the two words. forward: the truth is the first of them. group: caption and
    part of speech.
    kind: part of speech.
    """

    gap: np.ndarray
    apart: np.ndarray
    unfamiliar: np.ndarray
    pair: np.ndarray
    forward: np.ndarray
    group: np.ndarray
    kind: np.ndarray


def balance(
    rows: Iterable[Negative],
    captions: Sequence[Caption],
    settings: BalanceSettings | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Selection:
    """Choose rows so that no language model of captions tells the caption from its negatives.

    rows: read once, in a stream; give many candidates per caption. captions: of the whole
    collection, at least of three videos, for the language models. on_progress: called with the
    number of rows read. Raises DataError where a third of the collection has no captions.
    """
    chosen = settings or BalanceSettings()
    table = _read(rows, captions, on_progress)
    handicap = _handicap(table) if chosen.handicap is None else chosen.handicap
    random = np.random.default_rng(chosen.seed)
    gap = table.gap + handicap
    keep = (np.abs(table.gap) <= chosen.limit) & (table.unfamiliar <= chosen.unfamiliar)
    for _ in range(chosen.rounds):
        order = _mirrored(table, gap, keep, chosen, random)
        keep = any_rank(table.group, table.kind, gap < 0, order, chosen.size)
    keep = _mirrored(table, gap, keep, chosen, random) >= 0
    counts = _counts(table, keep)
    return Selection(keep, table.gap, counts, handicap)


def require_parts(captions: Sequence[Caption]) -> None:
    """Raise DataError where a third of the videos has no captions, before there is any work."""
    found = {part_of(caption.video_id, PARTS) for caption in captions}
    empty = sorted(set(range(PARTS)) - found)
    if empty:
        raise DataError(
            f"balancing draws {PARTS} parts of the videos and part {empty[0] + 1} of these "
            f"{len(captions)} "
            "captions is empty; give the captions of more videos"
        )


def _handicap(table: _Table) -> float:
    """By how many nats two readers of different videos differ, on average, and a fifth more: those
    that judge may have read many times as much.
    """
    asked = table.apart[~np.isnan(table.apart)]
    return _BEYOND * float(asked.mean()) if len(asked) else 0.0


def _mirrored(
    table: _Table,
    gap: np.ndarray,
    keep: np.ndarray,
    settings: BalanceSettings,
    random: np.random.Generator,
) -> Float64[np.ndarray, " R"]:
    """Rule 3. A row that stays has a random order from 0 to 1, the same as a row that mirrors it;
    others have -1.
    """
    result = np.full(len(gap), -1.0)
    rows = random.permutation(np.flatnonzero(keep))
    if not len(rows):
        return result
    forward = table.forward[rows]
    preference = np.floor(np.where(forward, gap[rows], -gap[rows]) / settings.width).astype(
        np.int64
    )
    cell = table.pair[rows] * (int(np.ptp(preference)) + 1) + preference - preference.min()
    _, cell = np.unique(cell, return_inverse=True)
    place = _place_within(cell * 2 + forward)
    count = (
        np.bincount(cell * 2 + forward, minlength=2 * (int(cell.max()) + 1))
        .reshape(-1, 2)
        .min(axis=1)
    )
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


def _read(
    rows: Iterable[Negative], captions: Sequence[Caption], on_progress: Callable[[int], None]
) -> _Table:
    models, familiar = _Models(captions), _Familiar(captions)
    numbering = _Numbering({}, {})
    stream, done = iter(rows), 0
    pieces: list[_Table] = []
    while chunk := list(islice(stream, _CHUNK)):
        pieces.append(_piece(chunk, models, familiar, numbering))
        done += len(chunk)
        on_progress(done)
    pieces = pieces or [_piece([], models, familiar, numbering)]
    return _Table(
        *(
            np.concatenate([getattr(piece, field.name) for piece in pieces])
            for field in fields(_Table)
        )
    )


@dataclass(frozen=True)
class _Numbering:
    """Numbers of what has been seen: pairs of words, groups of rows."""

    pairs: dict[Hashable, int]
    groups: dict[Hashable, int]


def _piece(
    rows: Sequence[Negative], models: "_Models", familiar: "_Familiar", numbering: _Numbering
) -> _Table:
    """The table of some rows; words and captions that are new get the next number."""
    changed = [_changed(row) for row in rows]
    keys = [(row.pos, *sorted(two)) for row, two in zip(rows, changed, strict=True)]
    pairs, groups = numbering.pairs, numbering.groups
    return _Table(
        gap=models.gaps(rows),
        apart=models.apart(rows),
        unfamiliar=np.array([familiar.lack(row) for row in rows], np.float64),
        pair=np.array([pairs.setdefault(key, len(pairs)) for key in keys], np.int64),
        forward=np.array([source < other for source, other in changed], np.bool_),
        group=np.array(
            [
                groups.setdefault((row.video_id, row.caption_id, row.pos), len(groups))
                for row in rows
            ],
            np.int64,
        ),
        kind=np.array([CHANGES.index(row.pos) for row in rows], np.int64),
    )


def _changed(row: Negative) -> tuple[str, str]:
    """What was replaced for what; of two exchanged words the left one for the right one."""
    if row.pos == "swap":
        return row.lemma, row.replacement_lemma
    return row.source.lower(), row.replacement.lower()


class _Familiar:
    """In how many videos every word stands."""

    def __init__(self, captions: Sequence[Caption]) -> None:
        self._videos: dict[str, set[str]] = {}
        for caption in captions:
            for word in words(caption.text):
                self._videos.setdefault(word, set()).add(caption.video_id)

    def lack(self, row: Negative) -> float:
        """Over the words that caption and negative share: 1 for one that no other video has, 1/2
        where one has it.
        """
        shared = set(words(row.caption)) & set(words(row.negative))
        found = [self._videos.get(word, set()) for word in shared]
        return sum(1 / (1 + len(videos) - (row.video_id in videos)) for videos in found)


class _TextReaders:
    """Three readers of the same captions."""

    def __init__(self, captions: Sequence[str]) -> None:
        self._forward = NGrams(captions)
        self._backward = NGrams(map(_backward, captions))
        self._association = Association(captions)

    def gaps(self, rows: Sequence[Negative]) -> Float64[np.ndarray, " R"]:
        """How much they together prefer the captions."""
        turned = [
            replace(row, caption=_backward(row.caption), negative=_backward(row.negative))
            for row in rows
        ]
        found = (
            score_pairs(self._forward, rows).gap,
            score_pairs(self._backward, turned).gap,
            self._association.gaps([row.caption for row in rows], [row.negative for row in rows]),
        )
        shares = (
            np.array([_SHARES.get(row.pos, _OTHER_SHARES) for row in rows])
            .reshape(-1, len(_MOST))
            .T
        )
        clipped = [np.clip(gap, -most, most) for gap, most in zip(found, _MOST, strict=True)]
        return np.asarray((shares * np.stack(clipped)).sum(axis=0))


class _Models:
    """Six language models, so that no video is scored by a model trained on its own captions.

    A video's place is its third of all videos, and its half of that third. The models of a place
    were trained on another third and on the other half of the same third.
    """

    def __init__(self, captions: Sequence[Caption]) -> None:
        require_parts(captions)
        texts: list[list[str]] = [[] for _ in range(2 * PARTS)]
        for caption in captions:
            texts[_place(caption.video_id)].append(caption.text)
        places = range(2 * PARTS)
        others = [refining_part(place % PARTS) for place in places]
        halves = [texts[(place + PARTS) % (2 * PARTS)] for place in places]
        thirds = [[*texts[part], *texts[part + PARTS]] for part in range(PARTS)]
        self._together = [
            _TextReaders([*thirds[others[place]], *halves[place]]) for place in places
        ]
        readers = [_TextReaders(third) for third in thirds]
        self._first = [readers[other] for other in others]
        self._second = [_TextReaders(half) for half in halves]

    def gaps(self, rows: Sequence[Negative]) -> Float64[np.ndarray, " R"]:
        """How much the readers of a row's place prefer its caption."""
        return _by_place(rows, self._together)

    def apart(self, rows: Sequence[Negative]) -> Float64[np.ndarray, " R"]:
        """By how much the first and the second reader differ on some of the rows, NaN for the
        others.
        """
        found = np.full(len(rows), np.nan)
        asked = rows[::_SAMPLED]
        found[::_SAMPLED] = np.abs(_by_place(asked, self._first) - _by_place(asked, self._second))
        return found


def _by_place(
    rows: Sequence[Negative], readers: Sequence[_TextReaders]
) -> Float64[np.ndarray, " R"]:
    gaps = np.zeros(len(rows))
    places = np.array([_place(row.video_id) for row in rows], np.int64)
    for place in np.unique(places):
        chosen = np.flatnonzero(places == place)
        gaps[chosen] = readers[place].gaps([rows[int(index)] for index in chosen])
    return gaps


def _backward(text: str) -> str:
    return " ".join(reversed(words(text)))


def _place(video_id: str) -> int:
    """The third a video belongs to, and which half of it: third + PARTS * half."""
    return part_of(video_id, PARTS) + PARTS * part_of(f"half {video_id}", 2)


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


# Leave negatives out so that a caption's rank among its negatives is any rank, equally often.
def any_rank(
    groups: Int64[np.ndarray, " R"],
    kinds: Int64[np.ndarray, " R"],
    above: Bool[np.ndarray, " R"],
    order: Float64[np.ndarray, " R"],
    size: int,
) -> Bool[np.ndarray, " R"]:
    """Which of R rows stay: at most `size` of a group and, for every n, as many groups of one kind
    with a of n rows above as with any other number from 0 to n.

    groups: the caption a row belongs to. kinds: what is counted apart. above: the negative is
    preferred to the caption.
    order: rows below 0 are gone already; of the others those with the higher order stay longer. A
    group that is one too many with n rows has one row fewer from then on, on the side that has more
    of them.

    >>> rows = np.arange(3)
    >>> any_rank(np.array([0, 1, 1]), rows * 0, np.array([True, False, False]), rows + 0.5, size=20).tolist()
    [True, False, True]
    """
    present = order >= 0
    count = int(groups.max(initial=-1)) + 1
    kind_of = np.zeros(count, np.int64)
    kind_of[groups] = kinds
    have = np.stack(
        [np.bincount(groups[present & side], minlength=count) for side in (above, ~above)],
    )
    wanted = np.zeros_like(have)
    strength = np.zeros(count)
    np.maximum.at(strength, groups[present], order[present])
    for kind in np.unique(kind_of):
        members = np.flatnonzero(kind_of == kind)
        wanted[:, members] = _cascade(have[:, members], strength[members], size)
    return _first_of_each_side(groups, above, order, present, wanted)


def _cascade(
    have: Int64[np.ndarray, "2 G"], strength: np.ndarray, size: int
) -> Int64[np.ndarray, "2 G"]:
    """How many rows above and below each group keeps."""
    left = _shrunk_to(have, size)
    wanted = np.zeros_like(left)
    free = left.sum(axis=0) > 0
    for total in range(size, 0, -1):
        here = np.flatnonzero(free & (left.sum(axis=0) == total))
        here = here[np.argsort(-strength[here], kind="stable")]
        above = left[0, here]
        quota = np.bincount(above, minlength=total + 1).min()
        taken = np.zeros(len(here), np.bool_)
        for number in range(total + 1):
            taken[np.flatnonzero(above == number)[:quota]] = True
        wanted[:, here[taken]] = left[:, here[taken]]
        free[here[taken]] = False
        rest = here[~taken]
        larger = (left[1, rest] > left[0, rest]).astype(np.int64)
        left[larger, rest] -= 1
    return wanted


def _shrunk_to(have: Int64[np.ndarray, "2 G"], size: int) -> Int64[np.ndarray, "2 G"]:
    """Keep at most `size` rows, in about the same proportions as before."""
    total = np.maximum(have.sum(axis=0), 1)
    above = np.minimum(have[0], np.rint(have[0] * np.minimum(size / total, 1.0)).astype(np.int64))
    return np.stack([above, np.minimum(have[1], size - above)])


def _first_of_each_side(
    groups: np.ndarray,
    above: np.ndarray,
    order: np.ndarray,
    present: np.ndarray,
    wanted: np.ndarray,
) -> Bool[np.ndarray, " R"]:
    """The rows with the highest order, as many as wanted on each side of each group."""
    keep = np.zeros(len(groups), np.bool_)
    for side, which in enumerate((above, ~above)):
        rows = np.flatnonzero(present & which)
        rows = rows[np.lexsort((-order[rows], groups[rows]))]
        here = groups[rows]
        starts = np.searchsorted(here, here, side="left")
        keep[rows[np.arange(len(rows)) - starts < wanted[side, here]]] = True
    return keep
