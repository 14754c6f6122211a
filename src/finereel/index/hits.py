"""Answer a query of any kind: one text or several, as clips or as the moments within them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from finereel.index.compose import (
    LEAST,
    WITHIN,
    Composition,
    Path,
    Spread,
    best_gathering,
    best_path,
    contrasted,
)
from finereel.index.differing import cannot_tell
from finereel.index.kept import RowIds
from finereel.index.moments import MOST, find_moments
from finereel.index.protocols import SearchModel
from finereel.index.query import Query
from finereel.index.said import with_words
from finereel.index.search import (
    BLOCK,
    ScoredClip,
    Searcher,
    best_frames,
    best_per_video,
    corrected,
    scored_clips,
)
from finereel.index.snapshot import Clips
from finereel.index.timeline import Timeline, near, timelines, whole_files
from finereel.models.features import TextFeatures
from finereel.text.spoken import spoken_words
from finereel.types import Hit

_LOG = logging.getLogger(__name__)

SAMPLE = 500
"""Clips over which scores become standard scores; smaller libraries give all of theirs."""
NEIGHBOURS = 4
"""Where several moments of a video are wanted, so many times as many clips are looked at: clips
side by side often show one moment.
"""
EITHER_NAME = "either"


@dataclass(frozen=True)
class FoundHits:
    """The hits of a query, best first. Of one text also best: the scores by the picture of up to ten
    videos, best first, and searched: the number of clips that pass the filters.
    """

    hits: list[Hit]
    best: tuple[float, ...] = ()
    searched: int = 0


def find_hits(
    searcher: Searcher, model: SearchModel, query: Query, text: TextFeatures | None = None
) -> FoundHits:
    """The hits of a query, best first; those of one text also by what is said, see
    `finereel.index.said`.

    Scores of a query of several texts are those of `finereel.index.compose`, standardised over the
    whole library, also where filters leave only some of it. Those of `versus` are listed text by
    text, in the order of the texts, up to `top` of each, and at last those that fit either.

    Args:
        searcher: One state of a library.
        model: The model of the library.
        query: What is asked.
        text: The features of the texts of the query, where the caller has them.

    Returns:
        Hits; with `query.moments`, at the moments of their videos, each moment once.

    Raises:
        QueryError: If no clip passes the filters.
    """
    for note in cannot_tell(model, query.text, (*query.versus, *query.none_of)):
        _LOG.warning(note)
    wide = query
    if query.moments and not query.sequence and query.per_video != 1:
        most = None if query.per_video is None else NEIGHBOURS * query.per_video
        wide = replace(query, top=NEIGHBOURS * query.top, per_video=most)
    text = model.encode_text(query.texts) if text is None else text
    best, searched = tuple[float, ...](), 0
    if query.composed:
        clips = _Composed(searcher, model, wide, text).ranked()
    else:
        pool = searcher.pool(wide)
        seen = searcher.ranked(model, text, pool)
        best, searched = seen.best, pool.count
        clips = with_words(searcher, model, text, pool, seen.clips)
    hits = searcher.hits(clips)
    if query.moments and not query.sequence:
        hits = _at_moments(searcher, text, query, hits)
    return FoundHits(hits, best, searched)


@dataclass(frozen=True)
class _Composed:
    """A query of several texts and what is needed to score it."""

    searcher: Searcher
    model: SearchModel
    query: Query
    texts: TextFeatures

    def ranked(self) -> list[ScoredClip]:
        """The clips of the answer, best first."""
        query, coarse = self.query, self.model.coarse_query(self.texts)
        pool = self.searcher.pool(query)
        if query.sequence:
            return pool.widened(coarse, _Sequences(self, self._frame_spread()))
        spread = self._clip_spread()
        if query.versus:
            return self._compared(spread, pool.candidates(coarse, pool.wanted))
        # What must not happen chooses no candidates.
        wanted = coarse[: len(coarse) - len(query.none_of)]
        return pool.widened(
            wanted, lambda row_ids: best_per_video(self._together(spread, row_ids), query)
        )

    # The library as a whole, by a sample.
    def _clip_spread(self) -> Spread:
        scores = [self._fused(clips) for clips in self._clips(self._sample())]
        return Spread.of(np.concatenate(scores, axis=1))

    def _frame_spread(self) -> Spread:
        files = timelines(self.searcher.snapshot, self._sample())
        return Spread.of(np.concatenate([file.scores(self.texts) for file in files], axis=1))

    def _sample(self) -> RowIds:
        return self.searcher.snapshot.sample(SAMPLE)

    def _clips(self, row_ids: RowIds) -> list[Clips]:
        blocks = range(0, len(row_ids), BLOCK)
        return [self.searcher.snapshot.take(row_ids[start : start + BLOCK]) for start in blocks]

    def _fused(self, clips: Clips) -> Float64[np.ndarray, "T V"]:
        scores = self.model.score(self.texts, clips.features)
        fused: Float64[np.ndarray, "T V"] = (
            corrected(scores, clips, self.searcher.bank).fused.double().cpu().numpy()
        )
        return fused

    # NOT, OR, AND.
    def _together(self, spread: Spread, row_ids: RowIds) -> list[ScoredClip]:
        query = self.query
        numbers = list(range(len(query.texts)))
        first, second = 1 + len(query.either), 1 + len(query.either) + len(query.all_of)
        composition = Composition(numbers[:first], numbers[first:second], numbers[second:])
        names = [
            " or ".join((query.text, *query.either)),
            *(f"and {text}" for text in query.all_of),
            *(f"not {text}" for text in query.none_of),
        ]
        found: list[tuple[float, ScoredClip]] = []
        for clips in self._clips(row_ids):
            z = spread.standard(self._fused(clips))
            parts = composition.parts(z)
            named = {name: row.tolist() for name, row in zip(names, parts, strict=True)}
            main = z[:first]
            best = self._best_frames(clips, main.argmax(0))
            rows = scored_clips(clips, parts.sum(0).tolist(), named, best)
            found += zip(main.max(0).tolist(), rows, strict=True)
        # Far above the middle all probabilities are 1; there the plain score decides.
        found.sort(key=lambda pair: (-pair[1].score, -pair[0], *pair[1].rank()[1:]))
        return [clip for _, clip in found]

    def _best_frames(self, clips: Clips, of: np.ndarray) -> list[int]:
        """The best frame of every clip for the text whose number it has in `of`."""
        every = {
            text: best_frames(self.texts.rows(slice(text, text + 1)), clips.features)
            for text in set(of.tolist())
        }
        return [every[text][clip] for clip, text in enumerate(of.tolist())]

    # VERSUS.
    def _compared(self, spread: Spread, row_ids: RowIds) -> list[ScoredClip]:
        columns: dict[str, list[ScoredClip]] = {name: [] for name in self.query.texts}
        columns[EITHER_NAME] = []
        for clips in self._clips(row_ids):
            z = spread.standard(self._fused(clips))
            found = contrasted(z)
            parts = np.zeros_like(z)
            here = np.arange(z.shape[1])
            parts[found.best, here], parts[found.second, here] = z.max(0), -z[found.second, here]
            named = dict(zip(self.query.texts, map(np.ndarray.tolist, parts), strict=True))
            rows = scored_clips(
                clips, found.margin.tolist(), named, self._best_frames(clips, found.best)
            )
            for place in np.flatnonzero(z.max(0) >= LEAST).tolist():
                own = self.query.texts[found.best[place]]
                name = EITHER_NAME if found.either[place] else own
                columns[name].append(replace(rows[place], fits=name))
        return [
            clip
            for column in columns.values()
            for clip in best_per_video(sorted(column, key=ScoredClip.rank), self.query)
        ]


# THEN.
@dataclass(frozen=True)
class _Sequences:
    """Finds, in the candidates and what lies around them, videos in which texts come true in turn,
    or in any order.
    """

    asked: _Composed
    spread: Spread

    def __call__(self, row_ids: RowIds) -> list[ScoredClip]:
        snapshot, query = self.asked.searcher.snapshot, self.asked.query
        files = snapshot.take_rows(row_ids, ["file_id"])["file_id"].unique().to_pylist()
        # What follows a good moment, or comes before it, need not be a candidate itself.
        every = near(snapshot, row_ids, files, WITHIN)
        find = best_gathering if query.any_order else best_path
        found = []
        for timeline in timelines(snapshot, every):
            z = self.spread.standard(timeline.scores(self.asked.texts))
            path = find(z, timeline.seconds)
            if path is not None:
                found.append(self._clip(timeline, path, z))
        return best_per_video(sorted(found, key=ScoredClip.rank), replace(query, per_video=1))

    def _clip(self, timeline: Timeline, path: Path, z: Float64[np.ndarray, "T N"]) -> ScoredClip:
        names = [f"{place + 1}. {text}" for place, text in enumerate(self.asked.query.texts)]
        first, last = min(path.frames), max(path.frames)
        clips = [timeline.clips[timeline.clip_of[frame]] for frame in (first, last)]
        start, end = float(timeline.seconds[first]), float(timeline.seconds[last])
        return ScoredClip(
            clips[0].clip_id,
            timeline.video_id,
            timeline.path,
            start,
            end,
            path.score,
            {name: float(z[row, path.frames[row]]) for row, name in enumerate(names)},
            start,
            (clips[0].start, clips[1].end),
        )


# Moments.
def _at_moments(
    searcher: Searcher, texts: TextFeatures, query: Query, hits: Sequence[Hit]
) -> list[Hit]:
    """The hits at the moments of their videos. Clips that show the same moment are one hit, the
    best of them.
    """
    files = {hit.clip_id: hit.clip_id.rsplit("-", 1)[0] for hit in hits}
    names = list(dict.fromkeys(files.values()))
    whole = {file.file_id: file for file in whole_files(searcher.snapshot, names)} if names else {}
    texts = texts.rows(slice(0, 1 + len(query.either) + len(query.versus)))  # what is to be seen
    quoted = bool(spoken_words(query.text).phrases)
    most = MOST if query.per_video is None else min(MOST, query.per_video)
    found: list[Hit] = []
    taken: dict[tuple[str, str], set[tuple[float, float]]] = {}
    for hit in hits:
        file = whole[files[hit.clip_id]]
        scores = file.scores(texts)
        chosen = _row_of(query, hit)
        wanted = scores.max(0) if chosen is None else scores[chosen]
        spans = tuple((m.start, m.end) for m in find_moments(wanted, file.seconds, file.span))
        # The picture does not tell when something is said.
        alone = hit.source == "said" or (hit.source == "both" and quoted)
        span = (hit.start, hit.end) if alone else _moment_of(hit, spans)
        before = taken.setdefault((hit.video, hit.fits), set())
        if span not in before and len(before) < most:
            before.add(span)
            window = (hit.start, hit.end)
            found.append(replace(hit, start=span[0], end=span[1], window=window, moments=spans))
    kept: dict[str, int] = {}
    answer = []
    for hit in found:
        kept[hit.fits] = kept.get(hit.fits, 0) + 1
        if kept[hit.fits] <= query.top:
            answer.append(hit)
    return answer


def _row_of(query: Query, hit: Hit) -> int | None:
    """The number of the text whose moments a hit shows; None for the best of all at every frame."""
    if hit.fits and hit.fits != EITHER_NAME:
        return (query.text, *query.versus).index(hit.fits)
    return None


def _moment_of(hit: Hit, spans: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The moment of a clip: that of its best frame, else the strongest that it shows some of, else
    the clip itself.
    """
    held = [span for span in spans if span[0] <= hit.best_frame < span[1]]
    shown = [span for span in spans if span[0] < hit.end and hit.start < span[1]]
    return next(iter([*held, *shown]), (hit.start, hit.end))
