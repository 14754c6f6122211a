"""Search by what is said: rank clips by words, and merge them with those that the picture finds.

The two rankings are merged by reciprocal rank (Cormack, Clarke and Büttcher, SIGIR 2009): their
scores do not compare, their ranks do.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from finereel.index.protocols import SearchModel
from finereel.index.schema import decode_path
from finereel.index.search import Pool, ScoredClip, Searcher, best_per_video
from finereel.models.features import TextFeatures
from finereel.text.spoken import SpokenWords, excerpt, spoken_words

_LOG = logging.getLogger(__name__)

RANKS = 60
"""Added to every rank, so that the first ones do not decide alone; the constant of the paper."""

LEAST = 200
"""Clips that are ranked by words at least."""


@dataclass(frozen=True)
class SaidClip:
    """A clip in which the words are said, and its rank by them, from 1. clip: not scored."""

    clip: ScoredClip
    row_id: int
    rank: int
    excerpt: str


ClipKey = tuple[str, float, float]


def with_words(
    searcher: Searcher,
    model: SearchModel,
    text: TextFeatures,
    pool: Pool,
    seen: Sequence[ScoredClip],
) -> list[ScoredClip]:
    """The clips that the picture finds, merged with those in which the words of the query are said.

    With words in quotation marks, the clips that say them come first. A library in which nothing is
    said, or a query whose words nobody says, leaves all as it is.

    Args:
        searcher: One state of a library.
        model: The model of the library, which also scores the clips that only words find.
        text: The features of the query's text.
        pool: The clips that the query may find.
        seen: The answer by the picture, best first.
    """
    query, asked = pool.query, spoken_words(pool.query.text)
    said = rank_said(pool, asked) if asked and pool.snapshot.speaks else {}
    if not said:
        if asked.phrases:
            quoted = " and ".join(f'"{phrase}"' for phrase in asked.phrases)
            _LOG.warning(
                f"no subtitles here say {quoted}; these clips are found by their picture alone"
            )
        return list(seen)
    chosen = best_per_video([found.clip for found in said.values()], query)
    known = {_key(clip): clip for clip in seen}
    lacking = [said[_key(clip)].row_id for clip in chosen if _key(clip) not in known]
    for clip in searcher.score(model, text, np.array(sorted(lacking), dtype=np.int64)):
        known.setdefault(_key(clip), clip)
    places = {_key(clip): place for place, clip in enumerate(seen, 1)}
    return best_per_video(_merged(known, places, said, bool(asked.phrases)), query)


def rank_said(pool: Pool, asked: SpokenWords) -> dict[ClipKey, SaidClip]:
    """The clips of a pool that say what is asked, best first; clips of the same content once."""
    wanted, limit = max(LEAST, pool.wanted), max(LEAST, pool.wanted)
    while True:
        rows = pool.snapshot.saying(asked.phrases, asked.words, limit)
        found = _allowed(rows, pool)
        if len(found) >= wanted or len(rows) < limit:
            return _ranked(found, asked)
        limit *= 4


def _allowed(rows: pa.Table, pool: Pool) -> pa.Table:
    """The rows that may be found."""
    here = ~rows["missing"].to_numpy(zero_copy_only=False)
    if pool.part is not None:
        here &= np.isin(rows["_rowid"].to_numpy(), pool.part)
    return rows.filter(pa.array(here))


def _ranked(rows: pa.Table, asked: SpokenWords) -> dict[ClipKey, SaidClip]:
    order = [("_score", "descending"), ("path", "ascending"), ("start", "ascending")]
    found: dict[ClipKey, SaidClip] = {}
    for row in rows.sort_by(order).to_pylist():
        place = (decode_path(row["path"]), row["start"], row["end"])
        clip = ScoredClip(row["clip_id"], row["video_id"], *place, 0.0, {}, row["start"])
        if _key(clip) not in found:
            line = excerpt(row["said"], asked)
            found[_key(clip)] = SaidClip(clip, row["_rowid"], len(found) + 1, line)
    return found


def _merged(
    known: dict[ClipKey, ScoredClip],
    places: dict[ClipKey, int],
    said: dict[ClipKey, SaidClip],
    said_first: bool,
) -> list[ScoredClip]:
    """All clips by the sum of their reciprocal ranks; among equal ones, those that are seen first."""

    def order(key: ClipKey) -> tuple[bool, float, int]:
        ranks = [place for place in (places.get(key), _rank(said, key)) if place is not None]
        last = len(places) + 1
        late = said_first and key not in said
        return late, -sum(1 / (RANKS + rank) for rank in ranks), places.get(key, last)

    merged = []
    for key in sorted(known, key=order):
        spoken = said.get(key)
        if spoken is None:
            merged.append(known[key])
        else:
            source = "both" if key in places else "said"
            merged.append(replace(known[key], source=source, said=spoken.excerpt))
    return merged


def _rank(said: dict[ClipKey, SaidClip], key: ClipKey) -> int | None:
    return said[key].rank if key in said else None


def _key(clip: ScoredClip) -> ClipKey:
    return (clip.video_id, clip.start, clip.end)
