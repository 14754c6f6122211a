"""Negatives, groups and scorers that are small enough to check by hand."""

from collections.abc import Mapping, Sequence

import numpy as np

from finereel.data.base import Split
from finereel.evaluation.gallery import ScoredSplit
from finereel.evaluation.record import ModelFacts
from finereel.finegrain.evaluate.groups import Candidates, Group
from finereel.finegrain.evaluate.scorer import PairScores
from finereel.finegrain.types import Change, Negative
from finereel.types import OnProgress, no_progress


def negative(
    caption_id: str, text: str, pos: Change = "noun", number: int = 0, caption: str = ""
) -> Negative:
    """A row of `caption_id` ("v1#0" is of video v1) whose caption is "<id> true"; offsets are of
    the whole text.
    """
    true = caption or f"{caption_id} true"
    video = caption_id.split("#")[0]
    return Negative(
        f"{caption_id}/{pos}/{number}",
        video,
        caption_id,
        true,
        text,
        pos,
        0,
        len(true),
        true,
        text,
        "made",
    )


def toy_rows(
    videos: int = 6, negatives: int = 4, poses: Sequence[Change] = ("noun", "adverb")
) -> list[Negative]:
    """Every video has one caption, every caption `negatives` rows of each part of speech."""
    return [
        negative(f"v{video}#0", f"v{video} {pos} {number}", pos, number)
        for video in range(videos)
        for pos in poses
        for number in range(negatives)
    ]


class TableScorer:
    """Scores looked up by (video, text); 0 where nothing is said. Keeps what it was asked."""

    def __init__(self, table: Mapping[tuple[str, str], float], missing: Sequence[str] = ()) -> None:
        self.table, self.missing = dict(table), set(missing)
        self.asked: list[Candidates] = []
        self.facts = ModelFacts("table", "0" * 16, "none", 0, 0, {"video_sentence": 1.0}, {})
        self.description: Mapping[str, str] = {"source": "table"}

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        return {video: "not there" for video in videos if video in self.missing}

    def score(
        self, asked: Sequence[Candidates], on_progress: OnProgress = no_progress
    ) -> PairScores:
        self.asked += asked
        pairs = [(c.video_id, text) for c in asked for text in c.texts]
        scores = np.array([self.table.get(pair, 0.0) for pair in pairs], dtype=np.float32)
        same = np.array([text == c.texts[0] for c in asked for text in c.texts], dtype=bool)
        return PairScores({"video_sentence": scores}, {"video_sentence": 1.0}, same)

    def score_split(self, split: Split, on_progress: OnProgress = no_progress) -> ScoredSplit:
        raise NotImplementedError


def group(caption_id: str, *negatives: str, pos: str = "noun") -> Group:
    return Group(caption_id, caption_id.split("#")[0], pos, f"{caption_id} true", negatives)
