"""Search: choose candidates, read their features, score them with the model, add the bias, and rank
them in a stable order.

With `candidates=None` every clip is scored, and the order is that of evaluating the whole library.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from finereel.errors import ConfigError
from finereel.index.bank import Bank
from finereel.index.coarse import Coarse, ExactCoarse, ScanCoarse, first_look
from finereel.index.kept import RowIds
from finereel.index.protocols import SearchModel, TextReader, TokenStorer
from finereel.index.query import Filters, Query
from finereel.index.snapshot import Clips, Snapshot
from finereel.models.features import Scores, TextFeatures, VideoFeatures
from finereel.ranking import top_k
from finereel.text.query import Reading, read_query
from finereel.types import CaptionHit, Hit

_LOG = logging.getLogger(__name__)

BEST = 10
"""Videos whose scores tell how often such an answer is right."""
BLOCK = 1024
"""Clips read at a time when every clip is scored: 60 MB on disk, 240 MB as float32."""


@dataclass(frozen=True)
class Searcher:
    """One committed state of a library, ready for queries. The first look at what passes filters is
    always exact.
    """

    snapshot: Snapshot
    bank: Bank | None
    coarse: Coarse

    @classmethod
    def of(cls, snapshot: Snapshot, bank: Bank | None) -> "Searcher":
        """With the first look that suits the library, see `finereel.index.coarse.first_look`."""
        return cls(snapshot, bank, first_look(snapshot, bank))

    def search(
        self, model: SearchModel, query: Query, text: TextFeatures | None = None
    ) -> list[Hit]:
        """The best clips for one text. text: its features, where the caller has them.

        Raises QueryError where no clip passes the filters.
        """
        text = model.encode_text([query.text]) if text is None else text
        return self.hits(self.ranked(model, text, self.pool(query)).clips)

    def ranked(self, model: SearchModel, text: TextFeatures, pool: "Pool") -> "RankedClips":
        """The same as clips, among those of a pool."""
        ten, best = replace(pool.query, top=BEST, per_video=1), list[float]()

        def chosen(row_ids: RowIds) -> list[ScoredClip]:
            scored = self.score(model, text, row_ids)
            best[:] = [clip.score for clip in best_per_video(scored, ten)]
            return best_per_video(scored, pool.query)

        clips = pool.widened(model.coarse_query(text), chosen)
        return RankedClips(clips, tuple(best))

    def pool(self, query: Query) -> "Pool":
        """The clips that pass the filters. Raises QueryError where there is none."""
        part = self._part(query.filters) if query.filters else None
        coarse = self.coarse if part is None else self.coarse.among(part)
        return Pool(self.snapshot, query, coarse, part)

    def nearest(self, vectors: Float[Tensor, "Q D"], count: int) -> RowIds:
        """Row ids of the `count` clips whose vectors are nearest to each of these unit vectors, in
        the order of the ids.
        """
        coarse = self.coarse.unbiased()
        return np.unique(np.concatenate([coarse.candidates(one, count) for one in vectors]))

    def among(self, filters: Filters) -> ExactCoarse | ScanCoarse:
        """The exact first look at what passes some filters."""
        return self.coarse.among(self.snapshot.passing(filters).row_ids)

    def _part(self, filters: Filters) -> RowIds:
        found = self.snapshot.passing(filters)
        if found.unknown:
            _LOG.warning(
                f"{found.unknown} video{'' if found.unknown == 1 else 's'} left out, of which a "
                "filter's fact is not known; `finereel migrate` reads it"
            )
        return found.row_ids

    def score(self, model: SearchModel, query: TextFeatures, row_ids: RowIds) -> list["ScoredClip"]:
        """These clips scored in full, best first."""
        scored: list[ScoredClip] = []
        half = isinstance(model, TokenStorer)  # its head reads what is stored
        for start in range(0, len(row_ids), BLOCK):
            clips = self.snapshot.take(row_ids[start : start + BLOCK], half)
            scored += score_clips(model, query, clips, self.bank)
        return sorted(scored, key=ScoredClip.rank)

    def hits(self, chosen: Sequence["ScoredClip"]) -> list[Hit]:
        """These clips as the person who asked gets them, in their order."""
        thumbnails = self.snapshot.thumbnails([clip.clip_id for clip in chosen])
        paths = self.snapshot.paths_of([clip.video_id for clip in chosen])
        return [
            clip.hit(thumbnails.get(clip.clip_id, b""), paths.get(clip.video_id, []))
            for clip in chosen
        ]


@dataclass(frozen=True)
class Pool:
    """The clips that a query may find, and how candidates are chosen among them.

    part: the row ids of those that pass its filters; None for all.
    """

    snapshot: Snapshot
    query: Query
    coarse: Coarse
    part: RowIds | None

    @property
    def count(self) -> int:
        """Number of clips."""
        return self.snapshot.count if self.part is None else len(self.part)

    @property
    def wanted(self) -> int:
        """Number of candidates that a query asks for."""
        asked = self.query.candidates
        return self.count if asked is None else min(self.count, max(asked, self.query.top))

    def candidates(self, texts: Float[Tensor, "T D"], wanted: int) -> RowIds:
        """The `wanted` best clips for each of T texts, every clip once."""
        if wanted >= self.count:
            return self.snapshot.row_ids() if self.part is None else self.part
        found = [self.coarse.candidates(text, wanted) for text in texts]
        return found[0] if len(found) == 1 else np.unique(np.concatenate(found))

    def widened(
        self, texts: Float[Tensor, "T D"], choose: Callable[[RowIds], list["ScoredClip"]]
    ) -> list["ScoredClip"]:
        """What `choose` finds among the candidates; where many clips of few videos leave the list
        too short, among more and more of them.
        """
        wanted = self.wanted
        while True:
            chosen = choose(self.candidates(texts, wanted))
            if len(chosen) >= self.query.top or wanted >= self.count:
                return chosen
            wanted = min(self.count, wanted * 4)


def reading_of(model: SearchModel, text: str) -> Reading:
    """What a model does not take in of a text; nothing is known of a model without a tokenizer."""
    if not isinstance(model, TextReader) or model.tokenizer is None:
        return Reading()
    reading = read_query(text, model.tokenizer, model.config.max_words)
    languages = getattr(model, "card", {}).get("languages")
    english = not isinstance(languages, list) or "English" in languages
    return reading if english else replace(reading, language="")


@dataclass(frozen=True)
class ScoredClip:
    """A clip and its score for a query; parts are contributions (for one text, weight and bias
    applied). window, fits, source, said: as of a `Hit`.
    """

    clip_id: str
    video_id: str
    path: str
    start: float
    end: float
    score: float
    parts: dict[str, float]
    best_frame: float
    window: tuple[float, float] | None = None
    fits: str = ""
    source: str = "seen"
    said: str = ""

    def rank(self) -> tuple[float, str, float]:
        """Best score first; equal scores by path and time, so that the order survives any rewrite
        of the table.
        """
        return (-self.score, self.path, self.start)

    def hit(self, thumbnail: bytes, paths: list[str]) -> Hit:
        """As the person who asked gets it; paths: every file with this content."""
        copies = tuple(path for path in paths if path != self.path)
        place = (self.path, self.start, self.end)
        hit = Hit(*place, self.score, self.parts, self.best_frame, self.clip_id, thumbnail, copies)
        return replace(hit, window=self.window, fits=self.fits, source=self.source, said=self.said)


@dataclass(frozen=True)
class RankedClips:
    """The clips of an answer, best first. best: the scores of up to ten videos, however many clips
    were asked for.
    """

    clips: list[ScoredClip]
    best: tuple[float, ...]


def score_clips(
    model: SearchModel, query: TextFeatures, clips: Clips, bank: Bank | None
) -> list[ScoredClip]:
    """One text (T = 1) against clips, in the order of the clips."""
    if not len(clips):
        return []
    scores = corrected(model.score(query, clips.features), clips, bank)
    parts = {name: (part[0] * scores.weights[name]).tolist() for name, part in scores.parts.items()}
    return scored_clips(clips, scores.fused[0].tolist(), parts, best_frames(query, clips.features))


def scored_clips(
    clips: Clips, scores: Sequence[float], parts: dict[str, list[float]], best: Sequence[int]
) -> list[ScoredClip]:
    """Clips with their scores, what these add up from, and the number of the best frame."""
    names = ("clip_id", "video_id", "start", "end", "seconds")
    rows = zip(*(clips.rows[name].to_pylist() for name in names), strict=True)
    return [
        ScoredClip(
            clip_id,
            video_id,
            clips.paths[index],
            start,
            end,
            scores[index],
            {name: values[index] for name, values in parts.items()},
            seconds[best[index]],
        )
        for index, (clip_id, video_id, start, end, seconds) in enumerate(rows)
    ]


def corrected(scores: Scores, clips: Clips, bank: Bank | None) -> Scores:
    """Scores (T, V) with the bank's bias of every clip added per granularity; unchanged without a
    bank.
    """
    if bank is None:
        return scores
    biases = torch.from_numpy(bank.biases_of(clips.rows))
    columns = {name: biases[:, index] for index, name in enumerate(bank.granularities)}
    return Scores(
        {name: part + columns[name] for name, part in scores.parts.items()}, scores.weights
    )


def best_frames(query: TextFeatures, video: VideoFeatures) -> list[int]:
    """Per clip, the frame whose cosine with the sentence is largest."""
    frames = video.frames
    # Divided afterwards, as normalised frames would be written to memory first.
    cosines = frames @ normalize(query.sentence[0], dim=0) / frames.norm(dim=-1).clamp_min(1e-12)
    best: list[int] = cosines.masked_fill(~video.frame_mask, -torch.inf).argmax(1).tolist()
    return best


def best_per_video(ranked: list[ScoredClip], query: Query) -> list[ScoredClip]:
    """The first `top` clips, at most `per_video` of each video; a clip of several copies of a file
    counts once.
    """
    clips: set[tuple[str, float, float]] = set()
    videos: Counter[str] = Counter()
    chosen = []
    for clip in ranked:
        same = (clip.video_id, clip.start, clip.end)
        if same in clips or (
            query.per_video is not None and videos[clip.video_id] >= query.per_video
        ):
            continue
        clips.add(same)
        videos[clip.video_id] += 1
        chosen.append(clip)
    return chosen[: query.top]


# VIDEO -> CAPTIONS: the captions of a list, ranked for one video by the same score as search.
def rank_captions(
    model: SearchModel, video: VideoFeatures, captions: Sequence[str]
) -> list[CaptionHit]:
    """Captions, best first; equal scores keep their order in the list.

    A video of several clips fits a caption as well as its best clip does. No bank is applied: it
    corrects videos, and within one clip that changes no order of texts.
    """
    if not captions:
        raise ConfigError("describe needs at least one caption, got an empty list")
    scores = model.score(model.encode_text(list(captions)), video)
    best, clips = scores.fused.max(dim=1)
    hits = []
    for index in top_k(best, len(captions)).tolist():
        clip = int(clips[index])
        parts = {
            name: float(part[index, clip]) * scores.weights[name]
            for name, part in scores.parts.items()
        }
        hits.append(CaptionHit(captions[index], index, float(best[index]), parts))
    return hits


# Fitting a normalisation bank on the clips of a library.
def fit_bank(
    snapshot: Snapshot, model: SearchModel, captions: list[str], temperature: float, strength: float
) -> Bank:
    """Score the bank's captions against every clip, also hidden ones, and fit a Sinkhorn bias per
    granularity.

    Memory: captions x clips x 8 bytes per granularity. Raises ConfigError without captions or
    clips.
    """
    row_ids = snapshot.row_ids(with_missing=True)
    if not captions or not len(row_ids):
        raise ConfigError(
            f"a normalisation needs captions and clips, got {len(captions)} captions and "
            f"{len(row_ids)} clips"
        )
    text = model.encode_text(captions)
    clip_ids: list[str] = []
    blocks: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(row_ids), BLOCK):
        clips = snapshot.take(row_ids[start : start + BLOCK])
        clip_ids += clips.rows["clip_id"].to_pylist()
        for name, part in model.score(text, clips.features).parts.items():
            blocks.setdefault(name, []).append(part.double().cpu().numpy())
    scores = {name: np.concatenate(parts, axis=1) for name, parts in blocks.items()}
    return Bank.fit(captions, scores, clip_ids, temperature=temperature, strength=strength)


def refit(old: Bank | None, snapshot: Snapshot, model: SearchModel) -> Bank | None:
    """The same captions and settings with another model's features; None where there was no bank or
    is no clip.
    """
    if old is None or not snapshot.count:
        return None
    settings = next(iter(old.normalizers.to_dict().values()))["settings"]
    return fit_bank(
        snapshot, model, list(old.captions), settings["temperature"], settings["strength"]
    )
