"""Fewer negatives, of which a reader without eyes can say nothing: what is true and what is false change places.

Three rules, all of them only leave rows out.
1. Plausible: the language model's preference for the caption (the gap, in nats) is small either way.
2. Mirrored: for two words a and b, and for equal preference for the sentence with a over that with b, a is the truth as
   often as b. Preferred by two readers at once: the language model, which sees three words, and a classifier that has
   learned from candidates of other videos which words go with the rest of the sentence (`blind.context`). This refines
   by the gap as SugarCrepe does (Hsieh et al. 2023) and keeps both directions of every swap, so that neither reader
   nor a list of words that tend to be false gains anything.
3. Any rank: among captions with n negatives, the caption's rank by the model is 1, 2, ... n + 1 equally often. Without
   it a caption could be told by standing always in the middle, or always at one of the ends.

The readers that refine have read one third of the videos, which is neither that of the row nor the one that judges it.
A model of other videos still prefers the caption a little more than the refining one shows: its errors are its own. So
the rows are chosen to seem worse to it by a handicap, found per part of speech with a model of the rest of the row's
own third.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice

import numpy as np
from jaxtyping import Bool, Float64, Int64

from finereel.errors import ConfigError, DataError
from finereel.negatives.blind import NGrams, score_pairs
from finereel.negatives.blind.context import Numbers, context_differences, joined, margins
from finereel.negatives.blind.learned import Differences
from finereel.negatives.blind.others import PARTS, REFINED, part_of, parts_of, refining_part
from finereel.negatives.ranks import any_rank
from finereel.negatives.types import CHANGES, CaptionRow, Negative

HANDICAPS = tuple(step / 4 for step in range(17))
# Between a model that read none of what refined and one that read all of it, to which kept captions seem worse.
PREFERRED = 0.525
_CHUNK = 20_000


@dataclass(frozen=True)
class BalanceSettings:
    """size: at most so many negatives for a caption and a part of speech. limit: the largest gap in nats. width,
    margin_width: gaps in nats, and the margins in logits, that are this near count as equal. handicap: nats by which
    captions shall seem worse than their negatives, None: found for each part of speech. margin_handicap: the same in
    logits, for the classifier. rounds: how often rules 2 and 3 take turns before 2 has the last word. seed: of the draw
    among equals."""

    size: int = 20
    limit: float = 7.0
    width: float = 1.0
    margin_width: float = 1.0
    margin_handicap: float = 0.25
    handicap: float | None = None
    rounds: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size < 1 or self.rounds < 1:
            raise ConfigError(f"balancing needs size and rounds of at least 1, got {self.size} and {self.rounds}")
        if min(self.limit, self.width, self.margin_width) <= 0:
            raise ConfigError(
                f"balancing needs a limit and widths above 0, got {self.limit}, {self.width} and {self.margin_width}"
            )


@dataclass(frozen=True)
class Selection:
    """Which of R rows stay, in the order they came, and what the refining model said of each.

    gap: how much it prefers the caption to the negative, in nats. counts: per part of speech rows and captions before
    and after. handicap: by how many nats the captions of a part of speech had to seem worse.
    """

    keep: Bool[np.ndarray, " R"]
    gap: Float64[np.ndarray, " R"]
    counts: dict[str, dict[str, int]]
    handicap: dict[str, float]

    def kept(self, rows: Iterable[Negative]) -> Iterator[Negative]:
        """The rows that stay, each with its gap among its scores. `rows`: the same as were balanced, once more."""
        for row, keep, gap in zip(rows, self.keep, self.gap, strict=True):
            if keep:
                yield replace(row, scores={**row.scores, REFINED: round(float(gap), 4)})


@dataclass(frozen=True)
class _Table:
    """What balancing needs of R rows. pair: the two words. forward: the truth is the first of them. group: caption
    and part of speech. kind: part of speech. part: of the video. check: the gap by the model that finds the handicap.
    margin: how much the classifier prefers the caption, in logits."""

    gap: np.ndarray
    check: np.ndarray
    margin: np.ndarray
    pair: np.ndarray
    forward: np.ndarray
    group: np.ndarray
    kind: np.ndarray
    part: np.ndarray


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
    handicap = _handicaps(table, chosen)
    random = np.random.default_rng(chosen.seed)
    gap = table.gap + handicap[table.kind]
    keep = np.abs(table.gap) <= chosen.limit
    for _ in range(chosen.rounds):
        order = _mirrored(table, gap, keep, chosen, random)
        keep = any_rank(table.group, table.kind, gap < 0, order, chosen.size)
    keep = _mirrored(table, gap, keep, chosen, random) >= 0
    counts = _counts(table, keep)
    return Selection(keep, table.gap, counts, {name: float(handicap[CHANGES.index(name)]) for name in counts})


def require_parts(captions: Sequence[CaptionRow]) -> None:
    """Raise DataError where a third of the videos has no captions, before there is any work."""
    found = {part_of(caption.video_id, PARTS) for caption in captions}
    empty = sorted(set(range(PARTS)) - found)
    if empty:
        raise DataError(
            f"balancing draws {PARTS} parts of the videos and part {empty[0] + 1} of these {len(captions)} "
            "captions is empty; give the captions of more videos"
        )


def _handicaps(table: _Table, settings: BalanceSettings) -> Float64[np.ndarray, " K"]:
    """For every part of speech, the least handicap that leaves the checking model with hardly a preference."""
    if settings.handicap is not None:
        return np.full(len(CHANGES), settings.handicap)
    found = np.full(len(CHANGES), HANDICAPS[-1])
    open_kinds = set(np.unique(table.kind).tolist())
    for handicap in HANDICAPS:
        random = np.random.default_rng(settings.seed)
        plausible = np.abs(table.gap) <= settings.limit
        keep = _mirrored(table, table.gap + handicap, plausible, settings, random) >= 0
        for kind in sorted(open_kinds):
            check = table.check[keep & (table.kind == kind)]
            if not len(check) or (check > 0).mean() + (check == 0).mean() / 2 <= PREFERRED:
                found[kind] = handicap
                open_kinds.discard(kind)
        if not open_kinds:
            break
    return found


def _mirrored(
    table: _Table, gap: np.ndarray, keep: np.ndarray, settings: BalanceSettings, random: np.random.Generator
) -> Float64[np.ndarray, " R"]:
    """Rule 2. A row that stays has a random order from 0 to 1, the same as a row that mirrors it; others have -1."""
    result = np.full(len(gap), -1.0)
    rows = random.permutation(np.flatnonzero(keep))
    if not len(rows):
        return result
    forward = table.forward[rows]
    cell = table.pair[rows]
    margin = table.margin + settings.margin_handicap
    for opinion, width in ((gap, settings.width), (margin, settings.margin_width)):
        preference = np.floor(np.where(forward, opinion[rows], -opinion[rows]) / width).astype(np.int64)
        cell = cell * (int(np.ptp(preference)) + 1) + preference - preference.min()
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
    models = _Models(captions)
    numbering = _Numbering({}, {}, {})
    stream, done = iter(rows), 0
    pieces: list[_Table] = []
    contexts: list[Differences] = []
    while chunk := list(islice(stream, _CHUNK)):
        pieces.append(_piece(chunk, models, numbering))
        texts = [row.caption for row in chunk], [row.negative for row in chunk]
        contexts.append(context_differences(*texts, numbering.features))
        done += len(chunk)
        on_progress(done)
    pieces = pieces or [_piece([], models, numbering)]
    table = _Table(*(np.concatenate([getattr(piece, field.name) for piece in pieces]) for field in fields(_Table)))
    return replace(table, margin=_margins(table, joined(contexts)))


@dataclass(frozen=True)
class _Numbering:
    """Numbers of what has been seen: pairs of words, groups of rows, features of the classifier."""

    pairs: dict[Hashable, int]
    groups: dict[Hashable, int]
    features: Numbers


def _piece(rows: Sequence[Negative], models: "_Models", numbering: _Numbering) -> _Table:
    """The table of some rows, yet without margins; words and captions that are new get the next number."""
    words = [(row.source.lower(), row.replacement.lower()) for row in rows]
    keys = [(row.pos, *sorted(two)) for row, two in zip(rows, words, strict=True)]
    pairs, groups = numbering.pairs, numbering.groups
    return _Table(
        gap=models.gaps(rows, models.refining),
        check=models.gaps(rows, models.checking),
        margin=np.zeros(len(rows)),
        pair=np.array([pairs.setdefault(key, len(pairs)) for key in keys], np.int64),
        forward=np.array([source < other for source, other in words], np.bool_),
        group=np.array(
            [groups.setdefault((row.video_id, row.caption_id, row.pos), len(groups)) for row in rows], np.int64
        ),
        kind=np.array([CHANGES.index(row.pos) for row in rows], np.int64),
        part=parts_of([row.video_id for row in rows], PARTS),
    )


def _margins(table: _Table, contexts: Differences) -> Float64[np.ndarray, " R"]:
    """What classifiers of candidates of the refining part say, one for each part of speech."""
    found = np.zeros(len(table.gap))
    teachers = [refining_part(part) for part in range(PARTS)]
    for kind in np.unique(table.kind):
        here = table.kind == kind
        found[here] = margins(contexts.of(here), table.gap[here], table.part[here], teachers)
    return found


class _Models:
    """Language models by the place of a video: a third and a half of it. refining: have read another third.
    checking: the other half of the video's own third."""

    def __init__(self, captions: Sequence[CaptionRow]) -> None:
        require_parts(captions)
        texts: list[list[str]] = [[] for _ in range(2 * PARTS)]
        for caption in captions:
            texts[_place(caption.video_id)].append(caption.caption)
        thirds = [[*texts[part], *texts[part + PARTS]] for part in range(PARTS)]
        models = [NGrams(found) for found in thirds]
        halves = [NGrams(found) for found in texts]
        self.refining = [models[refining_part(place % PARTS)] for place in range(2 * PARTS)]
        self.checking = [halves[(place + PARTS) % (2 * PARTS)] for place in range(2 * PARTS)]

    def gaps(self, rows: Sequence[Negative], models: Sequence[NGrams]) -> Float64[np.ndarray, " R"]:
        """How much the model of a row's place prefers its caption."""
        gaps = np.zeros(len(rows))
        places = np.array([_place(row.video_id) for row in rows], np.int64)
        for place in np.unique(places):
            chosen = np.flatnonzero(places == place)
            gaps[chosen] = score_pairs(models[place], [rows[int(index)] for index in chosen]).gap
        return gaps


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
