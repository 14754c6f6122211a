"""Score candidates with a model of this project (any head), on videos or precomputed tokens.

Every text is encoded once within a piece of the work that fits the memory budget, every clip once
as long as its candidates stand together. Texts that the model cannot tell apart (the same tokens
after its cut) are scored once, so that they tie exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64

from finereel.data.base import ClipSource, Split
from finereel.evaluation.evaluate import BenchmarkModel, model_facts
from finereel.evaluation.gallery import (
    EncodedSplit,
    ScoredSplit,
    covered,
    cut_captions,
    encode_texts,
    encode_videos,
    score_encoded,
)
from finereel.evaluation.record import ModelFacts
from finereel.finegrain.evaluate.groups import Candidates
from finereel.finegrain.evaluate.scorer import ClipNeeds, Opening, PairScores, distinct_chunks
from finereel.models.features import Scores, TextFeatures, VideoFeatures, concatenate
from finereel.types import OnProgress, no_progress

BUDGET_MIB = 256
"""Of text features that are held at a time."""
_CLIPS_KEPT = 2000
"""150 kB each at CLIP's sizes."""


class TowerScorer:
    """A `Scorer` of a model that encodes texts and clips apart and scores features.

    fine: score by the model's `score_fine` where it has one (plug-in training), else by its
    `score`.
    """

    def __init__(
        self,
        model: BenchmarkModel,
        source: ClipSource,
        fine: bool = True,
        budget_mib: int = BUDGET_MIB,
    ) -> None:
        self.model = model
        self.source = source
        self._score: Any = getattr(model, "score_fine", model.score) if fine else model.score
        self._weights: dict[str, float] = {}
        self._clips: dict[str, VideoFeatures] = {}
        words, dim = model.encode_text([]).words.shape[1:]
        self._most_texts = max(1, (budget_mib << 20) // (4 * dim * (words + 1)))

    @property
    def facts(self) -> ModelFacts:
        """Describe the model. The weights are those of the last scores."""
        return model_facts(self.model, self._weights)

    @property
    def description(self) -> Mapping[str, str]:
        return self.source.description

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        return self.source.problems(videos)

    @torch.no_grad()
    def score(
        self, asked: Sequence[Candidates], on_progress: OnProgress = no_progress
    ) -> PairScores:
        """See `Scorer`; progress counts distinct texts."""
        pieces = distinct_chunks(asked, self._most_texts)
        total, done, found = sum(len(texts) for _, texts in pieces), 0, list[PairScores]()
        for part, texts in pieces:

            def advance(_: str, count: int, __: int, before: int = done) -> None:
                on_progress("texts", before + count, total)

            found.append(self._score_piece(asked[part], texts, advance, on_progress))
            done += len(texts)
            on_progress("texts", done, total)
        return _joined(found)

    def score_split(self, split: Split, on_progress: OnProgress = no_progress) -> ScoredSplit:
        """By the coarse head. Clips that were scored before are not encoded again."""
        part, coverage = covered(split, self.source)
        text = encode_texts(self.model, [caption.text for caption in part.captions], on_progress)
        self._read(list(part.videos), on_progress)
        video = concatenate([self._clips[name] for name in part.videos])
        coverage = replace(coverage, captions_cut=cut_captions(self.model, part))
        return score_encoded(self.model, EncodedSplit(part, text, video, coverage), on_progress)

    def _score_piece(
        self,
        asked: Sequence[Candidates],
        texts: list[str],
        on_texts: OnProgress,
        on_clips: OnProgress,
    ) -> PairScores:
        number, first, lengths = self._inputs(texts)
        order = np.argsort(lengths, kind="stable")  # short texts together cost less
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        features = encode_texts(self.model, [texts[first[unit]] for unit in order], on_texts)
        row = {text: int(place[unit]) for text, unit in zip(texts, number, strict=True)}
        units = [
            np.array([row[text] for text in candidates.texts], dtype=np.int64)
            for candidates in asked
        ]
        self._read(list(dict.fromkeys(candidates.video_id for candidates in asked)), on_clips)
        parts = self._score_units(asked, units, features)
        as_first = np.concatenate([unit == unit[0] for unit in units])
        return PairScores(
            {name: np.concatenate(rows) for name, rows in parts.items()},
            dict(self._weights),
            as_first,
        )

    def _inputs(self, texts: list[str]) -> tuple[list[int], list[int], Int64[np.ndarray, " U"]]:
        """What the model reads: the input of every text, a text of every input, and how long each
        input is.
        """
        tokenizer = getattr(self.model, "tokenizer", None)
        if tokenizer is None:
            return (
                list(range(len(texts))),
                list(range(len(texts))),
                np.array([len(t) for t in texts], dtype=np.int64),
            )
        tokens = tokenizer.encode(texts, self.model.config.max_words)
        rows = np.where(tokens.mask, tokens.ids, -1)
        _, first, number = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        return (
            number.reshape(-1).tolist(),
            first.tolist(),
            tokens.mask.sum(1)[first].astype(np.int64),
        )

    def _score_units(
        self, asked: Sequence[Candidates], units: list[np.ndarray], features: TextFeatures
    ) -> dict[str, list[np.ndarray]]:
        """Scores of every candidates' rows of `features`; a clip's rows are scored together, each
        once.
        """
        members: dict[str, list[int]] = {}
        for index, candidates in enumerate(asked):
            members.setdefault(candidates.video_id, []).append(index)
        found: dict[str, list[np.ndarray]] = {}
        device = features.sentence.device
        for video, indices in members.items():
            rows = np.unique(np.concatenate([units[index] for index in indices]))
            scores: Scores = self._score(
                features.rows(torch.from_numpy(rows).to(device)), self._clips[video]
            )
            self._weights = dict(scores.weights)
            for name, part in scores.parts.items():
                column = part[:, 0].float().cpu().numpy()
                kept = found.setdefault(name, [np.empty(0, np.float32)] * len(asked))
                for index in indices:
                    kept[index] = column[np.searchsorted(rows, units[index])]
        return found

    def _read(self, videos: list[str], on_progress: OnProgress) -> None:
        """Encode the clips that are not there yet; forget others when there are many."""
        if len(self._clips) > _CLIPS_KEPT:
            self._clips = {
                video: clip for video, clip in self._clips.items() if video in set(videos)
            }
        new = [video for video in videos if video not in self._clips]
        if new:
            clips = encode_videos(self.model, new, self.source, on_progress)
            self._clips |= {video: clips.rows(slice(row, row + 1)) for row, video in enumerate(new)}


def _joined(found: list[PairScores]) -> PairScores:
    parts = {
        name: np.concatenate([scores.parts[name] for scores in found]) for name in found[0].parts
    }
    return PairScores(
        parts, found[-1].weights, np.concatenate([scores.as_first for scores in found])
    )


def open_towers(model: str, opening: Opening) -> TowerScorer:
    """The model directory, bundled name or CLIP directory called `model`; see
    `finereel.models.saving.load`.
    """
    from finereel.models.saving import load

    loaded = load(model).to(opening.device)
    if not loaded.encoder.takes_pixels:
        needs = ClipNeeds(loaded.num_frames, tokens_only=True)
    else:
        shown = loaded.encoder.preprocessing
        needs = ClipNeeds(loaded.num_frames, loaded.encoder.image_size, preprocessing=shown)
    return TowerScorer(loaded, opening.clips(needs), opening.fine)
