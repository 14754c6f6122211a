"""Answers about one state of a library: its hits, how clearly the best one fits, and what people said
of such hits.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from finereel.errors import ConfigError
from finereel.index.calibration import load_calibration
from finereel.index.confidence import (
    NotInTimeError,
    NullBank,
    assess,
    keep_up,
    p_value,
    reader_limit,
)
from finereel.index.feedback import HitJudgement, load_scaling
from finereel.index.hits import FoundHits, find_hits
from finereel.index.protocols import SearchModel
from finereel.index.query import Answer, Query
from finereel.index.schema import FileRecord
from finereel.index.search import BEST, Searcher
from finereel.io.storage.places import Place
from finereel.types import MatchConfidence, OnProgress, no_progress

_LOG = logging.getLogger(__name__)


@dataclass
class Answering:
    """A searcher and the null bank of its state, which is read once.

    library: the library's folder, where feedback lies.
    """

    library: Place
    searcher: Searcher
    _null: NullBank | None = None

    def answer(self, model: SearchModel, query: Query, on_progress: OnProgress) -> Answer:
        """The hits and the confidence in the best one by the picture; none for a query of several
        texts.
        """
        commit = self.searcher.snapshot.version
        if query.composed:
            return Answer(query, None, find_hits(self.searcher, model, query).hits, commit)
        features = model.encode_text([query.text])
        found = find_hits(self.searcher, model, query, features)
        try:
            null = self._null_bank(model, on_progress)
        except NotInTimeError:
            _LOG.warning(
                "how clearly the hits fit is not known: the library cannot be written here, and "
                "comparing unrelated texts takes too long for one search"
            )
            return Answer(query, None, found.hits, commit)
        coarse = model.coarse_query(features)[0]
        highest = found.best[0] if found.best else None
        sure = assess(highest, query, self.searcher, coarse, null)
        learnt = load_scaling(self.library, model.fingerprint)
        if sure is not None and learnt is not None:
            sure = learnt.applied(sure)
        elif sure is not None:
            sure = self._calibrated(model, sure, found)
        return Answer(query, sure, found.hits, commit)

    def prepare(self, model: SearchModel) -> None:
        """Compare unrelated texts now, so that no answer has to wait for it.

        Raises NotInTimeError where that takes too long for a library that cannot be written.
        """
        self._null_bank(model, no_progress)

    def _calibrated(
        self, model: SearchModel, sure: MatchConfidence, found: FoundHits
    ) -> MatchConfidence:
        """With the probability, where a data set told something about such scores: not those that a
        normalization changed.
        """
        known = load_calibration(getattr(model, "card", {}), model.fingerprint)
        if known is None or self.searcher.bank is not None or len(found.best) < BEST:
            return sure
        by = f"{known.videos} videos of {known.data}"
        return replace(sure, right=known.right(found.best, found.searched), by=by)

    def judge(self, model: SearchModel, query: Query, clip: str, right: bool) -> HitJudgement:
        """What is said of a clip, with the p-value that it has. query: over the clip's video."""
        every = replace(query, top=max(1, self.searcher.snapshot.count))
        hits = self.searcher.search(model, every)
        chosen = next((hit for hit in hits if hit.clip_id == clip), hits[0])
        sure = p_value(chosen.score, self._null_bank(model, no_progress).maxima)
        return HitJudgement(query.text, chosen.clip_id, right, sure.p, model.fingerprint)

    def _null_bank(self, model: SearchModel, on_progress: OnProgress) -> NullBank:
        if self._null is None:
            snapshot = self.searcher.snapshot
            limit = reader_limit(snapshot.folder, on_progress)
            self._null = keep_up(snapshot, model, self.searcher.bank, limit)
        return self._null


def video_of(clip: str, path: str, files: Mapping[str, FileRecord]) -> str:
    """The video that a person names: by a clip id, or by its absolute path.

    Raises ConfigError where the library holds neither.
    """
    if path in files:
        return path
    owner = clip.rpartition("-")[0]
    for file in files.values():
        if file.file_id == owner and not file.missing:
            return file.path
    raise ConfigError(
        "expected the clip_id of a hit (`finereel search --json` prints it) or a video of the "
        f"library, got {clip!r}"
    )
