"""Search: choose candidates, read their features, score them with the model, add the bias, and rank
them in a stable order.

With `candidates=None` every clip is scored, and the order is that of evaluating the whole library.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import normalize

from finereel.errors import ConfigError, QueryError
from finereel.index.bank import Bank
from finereel.index.coarse import AnnCoarse, Coarse, ExactCoarse
from finereel.index.protocols import SearchModel, TextReader
from finereel.index.snapshot import Clips, RowIds, Snapshot, VectorTable
from finereel.models.features import Scores, TextFeatures, VideoFeatures
from finereel.text.query import Reading, read_query
from finereel.types import Hit
from finereel.video.files import shown

BLOCK = 1024
"""Clips read at a time when every clip is scored: 60 MB on disk, 240 MB as float32."""


@dataclass(frozen=True)
class SearchSettings:
    """top: hits to return. candidates: clips that are scored in full, None for all. per_video: hits
    of one video at most, None for no limit. within: files and folders, absolute, that hold all that
    may be found; none for everything.
    """

    top: int = 10
    candidates: int | None = 200
    per_video: int | None = 1
    within: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("top", "candidates", "per_video"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")


@dataclass(frozen=True)
class Searcher:
    """One committed state of a library, ready for queries. The first look at a part of it is always
    exact.
    """

    snapshot: Snapshot
    bank: Bank | None
    coarse: Coarse

    @classmethod
    def of(cls, snapshot: Snapshot, bank: Bank | None) -> "Searcher":
        """Exact up to the size where the writer made an approximate index, approximate from there.

        A damaged approximate index is not used: the exact way gives the right answer, only later.
        """
        if snapshot.has_whole_index():
            return cls(snapshot, bank, AnnCoarse(snapshot, bank is not None))
        return cls(snapshot, bank, _exact(snapshot.vectors(), bank))

    def search(self, model: SearchModel, text: str, settings: SearchSettings) -> list[Hit]:
        """The best clips for a text. Raises QueryError where no clip lies `within`."""
        query = model.encode_text([text])
        part = self._part(settings.within) if settings.within else None
        coarse = self.coarse if part is None else _exact(self.snapshot.vectors(part), self.bank)
        count = self.snapshot.count if part is None else len(part)
        wanted = (
            count
            if settings.candidates is None
            else min(count, max(settings.candidates, settings.top))
        )
        while True:
            if wanted < count:
                row_ids = coarse.candidates(model.coarse_query(query)[0], wanted)
            else:
                row_ids = self.snapshot.row_ids() if part is None else part
            chosen = best_per_video(self._score(model, query, row_ids), settings)
            # Many clips of few videos: look further until the list is full.
            if len(chosen) >= settings.top or wanted >= count:
                return self._hits(chosen)
            wanted = min(count, wanted * 4)

    def _part(self, within: tuple[str, ...]) -> RowIds:
        row_ids = self.snapshot.row_ids_below(within)
        if not len(row_ids):
            places = ", ".join(map(shown, within))
            raise QueryError(
                f"no video of the library lies in {places}: index it first, or name another place"
            )
        return row_ids

    def _score(
        self, model: SearchModel, query: TextFeatures, row_ids: RowIds
    ) -> list["ScoredClip"]:
        """These clips scored in full, best first."""
        scored: list[ScoredClip] = []
        for start in range(0, len(row_ids), BLOCK):
            scored += score_clips(
                model, query, self.snapshot.take(row_ids[start : start + BLOCK]), self.bank
            )
        return sorted(scored, key=ScoredClip.rank)

    def _hits(self, chosen: list["ScoredClip"]) -> list[Hit]:
        thumbnails = self.snapshot.thumbnails([clip.clip_id for clip in chosen])
        paths = self.snapshot.paths_of([clip.video_id for clip in chosen])
        return [
            clip.hit(thumbnails.get(clip.clip_id, b""), paths.get(clip.video_id, []))
            for clip in chosen
        ]


def _exact(table: VectorTable, bank: Bank | None) -> ExactCoarse:
    bias = None
    if bank is not None and "video_sentence" in bank.granularities:
        bias = bank.biases_of(table.rows)[:, bank.granularities.index("video_sentence")].copy()
    return ExactCoarse(table, bias)


def reading_of(model: SearchModel, text: str) -> Reading:
    """What a model does not take in of a text; nothing is known of a model without a tokenizer."""
    if not isinstance(model, TextReader) or model.tokenizer is None:
        return Reading()
    return read_query(text, model.tokenizer, model.config.max_words)


@dataclass(frozen=True)
class ScoredClip:
    """A clip and its score for one text; parts are contributions (weight and bias applied)."""

    clip_id: str
    video_id: str
    path: str
    start: float
    end: float
    score: float
    parts: dict[str, float]
    best_frame: float

    def rank(self) -> tuple[float, str, float]:
        """Best score first; equal scores by path and time, so that the order survives any rewrite
        of the table.
        """
        return (-self.score, self.path, self.start)

    def hit(self, thumbnail: bytes, paths: list[str]) -> Hit:
        """As the person who asked gets it; paths: every file with this content."""
        copies = tuple(path for path in paths if path != self.path)
        place = (self.path, self.start, self.end)
        return Hit(*place, self.score, self.parts, self.best_frame, self.clip_id, thumbnail, copies)


def score_clips(
    model: SearchModel, query: TextFeatures, clips: Clips, bank: Bank | None
) -> list[ScoredClip]:
    """One text (T = 1) against clips, in the order of the clips."""
    if not len(clips):
        return []
    scores = corrected(model.score(query, clips.features), clips, bank)
    fused = scores.fused[0].tolist()
    parts = {name: (part[0] * scores.weights[name]).tolist() for name, part in scores.parts.items()}
    best = best_frames(query, clips.features)
    rows: list[dict[str, Any]] = clips.rows.select(
        ["clip_id", "video_id", "start", "end", "seconds"]
    ).to_pylist()
    return [
        ScoredClip(
            row["clip_id"],
            row["video_id"],
            clips.paths[index],
            row["start"],
            row["end"],
            fused[index],
            {name: values[index] for name, values in parts.items()},
            row["seconds"][best[index]],
        )
        for index, row in enumerate(rows)
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
    cosines = torch.einsum(
        "vfd,d->vf", normalize(video.frames, dim=-1), normalize(query.sentence[0], dim=0)
    )
    best: list[int] = cosines.masked_fill(~video.frame_mask, -torch.inf).argmax(1).tolist()
    return best


def best_per_video(ranked: list[ScoredClip], settings: SearchSettings) -> list[ScoredClip]:
    """The first `top` clips, at most `per_video` of each video; a clip of several copies of a file
    counts once.
    """
    clips: set[tuple[str, float, float]] = set()
    videos: Counter[str] = Counter()
    chosen = []
    for clip in ranked:
        same = (clip.video_id, clip.start, clip.end)
        if same in clips or (
            settings.per_video is not None and videos[clip.video_id] >= settings.per_video
        ):
            continue
        clips.add(same)
        videos[clip.video_id] += 1
        chosen.append(clip)
    return chosen[: settings.top]
