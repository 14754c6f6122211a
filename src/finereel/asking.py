"""What a library answers: search, explain, ask, describe, similar and feedback, on one committed
state.

`finereel.library.Library` adds what changes a library.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from finereel.errors import (
    ConfigError,
    LibraryError,
    QueryError,
)
from finereel.index.answering import Answering, video_of
from finereel.index.bank import NAME as BANK
from finereel.index.bank import Bank
from finereel.index.compression import FormatOverlap, compare_stored
from finereel.index.confidence import null_texts
from finereel.index.duplicates import DuplicateVideo, find_duplicates
from finereel.index.facts import FileFacts
from finereel.index.faults import typed_storage
from finereel.index.feedback import Calibration, learn, record
from finereel.index.hits import find_hits
from finereel.index.lookup import clips_by_id, facts_by_path
from finereel.index.opening import (
    absolute,
    meanwhile,
    newest_commit,
    open_store,
    require_same_model,
)
from finereel.index.presence import not_found
from finereel.index.protocols import CueSource, SearchModel, VideoSource
from finereel.index.query import Answer, Filters, Query
from finereel.index.question import PossibleAnswers, QuestionAnswer, answer_question
from finereel.index.search import (
    Searcher,
    rank_captions,
    reading_of,
)
from finereel.index.settings import LibrarySettings
from finereel.index.similar import (
    PICTURE_SUFFIXES,
    Look,
    SimilarHit,
    find_similar,
    look_at_clips,
    look_at_picture,
    look_at_stored,
)
from finereel.index.store import ClipStore
from finereel.io.storage.places import Place, stamp
from finereel.models.choice import ENCODED, require_here
from finereel.text.query import Reading, checked_query
from finereel.types import CaptionHit, Hit, OnProgress, no_progress
from finereel.video.plan import ClipPlan
from finereel.video.subtitles import FileCues

if TYPE_CHECKING:
    from finereel.index.evidence import WordEvidence
    from finereel.index.explain import Evidence

_LOG = logging.getLogger(__name__)
Asked = TypeVar("Asked")


@dataclass(frozen=True)
class StateKey:
    """What makes a committed state another one: the index folder, the number of its commit, and when
    its normalization was made (0 for none).
    """

    folder: str
    commit: int
    normalized_ns: int

    @classmethod
    def of(cls, folder: Place, commit: int) -> "StateKey":
        """The key of a commit of an index folder."""
        return cls(folder.name, commit, stamp(folder / BANK))


@dataclass(frozen=True)
class OpenedState:
    """What answers about a committed state, and which one that is."""

    key: StateKey
    answering: Answering

    @classmethod
    def of(cls, store: ClipStore, library: Place) -> "OpenedState":
        """The newest state of a store."""
        key = StateKey.of(store.folder, store.version())
        searcher = Searcher.of(store.snapshot(), Bank.load(store.folder))
        return cls(key, Answering(library, searcher))


class AskedLibrary:
    """The part of `finereel.library.Library` that answers."""

    def __init__(
        self, path: Place, model: str | Path | SearchModel | None, source: VideoSource
    ) -> None:
        self.path = path
        self._wanted = model
        self._model: SearchModel | None = None
        self._source = source
        self._cached: OpenedState | None = None

    @typed_storage("read")
    def search(
        self,
        text: str | Query,
        top: int = 10,
        *,
        candidates: int | None = 200,
        per_video: int | None = 1,
        within: Iterable[str | Path] = (),
    ) -> list[Hit]:
        """Find the clips that match a text, best first.

        What `reading` reports about the text is logged as a warning.

        Args:
            text: The query, in English; or a `Query`, which holds everything else too.
            top: Maximum number of hits.
            candidates: Number of clips that get the full score after a coarse search over all
                clips; None scores every clip.
            per_video: Maximum number of hits per video; None means no limit. Files with the same
                content count as one video: the hit names the first and lists the others as
                `copies`.
            within: Only these files and what lies in these folders; empty for the whole library.

        Returns:
            Hits, best first: in the order of their scores, or where words of the query are said in
            clips, merged with these by rank.

        Raises:
            QueryError: The text is empty, far too long or not valid text, or no clip passes the
                filters.
            ConfigError: A number is out of its range, or given beside a `Query`.
            LibraryNotFoundError: There is no library in the folder.
            ModelMismatchError: The library was indexed with another model.
        """
        folders = tuple(str(absolute(path)) for path in within)
        if isinstance(text, Query):
            if (top, candidates, per_video, folders) != (10, 200, 1, ()):
                raise ConfigError("everything about a search stands in its Query, got more beside")
            query = text
        else:
            query = Query(text, Filters(folders=folders), top, per_video, candidates)
        return self._ask(query, lambda searcher, model: find_hits(searcher, model, query).hits)

    @typed_storage("read")
    def answer(self, text: str | Query, *, on_progress: OnProgress = no_progress) -> Answer:
        """Search, and tell how clearly the best hit fits.

        The hits are those of `search`. Confidence compares the query with a few hundred unrelated
        texts, whose scores are kept in the library. `add` keeps them up to date; what it did not do,
        such as in a library of a former version, the first answer does.

        Args:
            text: The query, in English; or a `Query`, which holds everything else too.
            on_progress: Told how much of that is done.

        Returns:
            The hits, and the confidence in the best one: None where there is no hit, or where the
            unrelated texts would have to be compared in a library that can only be read and that
            takes more than a few seconds.

        Raises:
            QueryError: The text is empty, far too long or not valid text, or no clip passes the
                filters.
            LibraryNotFoundError: There is no library in the folder.
            ModelMismatchError: The library was indexed with another model.
        """
        query = text if isinstance(text, Query) else Query(text)

        return self._ask(
            query,
            lambda searcher, model: self._answering(searcher).answer(model, query, on_progress),
        )

    @typed_storage("written")
    def feedback(self, text: str, clip: str | Path, right: bool) -> Calibration:
        """Tell whether a clip is what a query asked for.

        It is kept in the library's folder and goes nowhere else. From 50 judgements of 25 queries
        on, with 10 of each kind, `answer` also tells how often such an answer is right, where that
        predicts better than the p-value alone.

        Args:
            text: The query.
            clip: The `clip_id` of a hit, or a video, of which the best clip is meant.
            right: Whether the clip shows what was asked.

        Returns:
            What all judgements so far tell.

        Raises:
            ConfigError: The library holds no such clip.
            QueryError: The text is empty, far too long or not valid text.
            LibraryNotFoundError: There is no library in the folder.
        """
        checked_query(text)
        video = video_of(str(clip), str(absolute(clip)), self._existing().files())
        query = Query(text, Filters(folders=(video,)), 1, None, None)
        judgement = self._ask(
            query,
            lambda searcher, model: self._answering(searcher).judge(model, query, str(clip), right),
        )
        record(self.path, judgement)
        return learn(self.path, judgement.model)

    @typed_storage("read")
    def explain(
        self, text: str, video: str | Path | int, seconds: float | None = None
    ) -> "Evidence":
        """Tell why a clip fits a query: its score, every word, and where it shows them.

        Args:
            text: The query.
            video: A file of the library, or the rank of a hit of `search`, from 1.
            seconds: A time in the clip; None means the clip of the file that fits best.

        Returns:
            The evidence. What cannot be told stands in its `notes`.

        Raises:
            QueryError: The text is empty, far too long or not valid text, or there is no such hit.
            ConfigError: The words cannot be tagged, because `finereel[negatives]` is missing.
            LibraryNotFoundError: There is no library in the folder.
        """
        from finereel.index.explain import HitAddress, explain_hit, with_places

        query = Query(checked_query(text), top=video if isinstance(video, int) else 10)

        def explained(searcher: Searcher, model: SearchModel) -> "Evidence":
            if isinstance(video, int):
                hits = find_hits(searcher, model, query).hits
                if len(hits) < video:
                    raise QueryError(f"expected a rank from 1 to {len(hits)}, got {video}")
                address = HitAddress(hits[video - 1].video, hits[video - 1].start)
            else:
                address = HitAddress(str(absolute(video)), seconds)
            found = explain_hit(searcher.snapshot, searcher.bank, model, query.text, address)
            return with_places(found, model, self._source)

        return self._ask(query, explained)

    @typed_storage("read")
    def explain_clip(self, text: str, clip_id: str, *, places: bool = True) -> "Evidence":
        """Tell why a clip fits a query, as `explain` does.

        Args:
            text: The query.
            clip_id: The `clip_id` of a hit.
            places: Whether to decode the clip again and find where it shows the words.

        Returns:
            The evidence. What cannot be told stands in its `notes`.

        Raises:
            QueryError: The text is empty, far too long or not valid text, or there is no such clip.
            ConfigError: The words cannot be tagged, because `finereel[negatives]` is missing.
            LibraryNotFoundError: There is no library in the folder.
        """
        from finereel.index.explain import HitAddress, explain_hit, with_places
        from finereel.index.lookup import stored_clip

        query = Query(checked_query(text))

        def explained(searcher: Searcher, model: SearchModel) -> "Evidence":
            clip = stored_clip(searcher.snapshot, clip_id)
            if clip is None:
                raise QueryError(f"expected the clip_id of a hit, got {clip_id!r}")
            address = HitAddress(clip.path, clip_id=clip_id)
            found = explain_hit(searcher.snapshot, searcher.bank, model, query.text, address)
            return with_places(found, model, self._source) if places else found

        return self._ask(query, explained)

    @typed_storage("read")
    def words(self, text: str, hits: Sequence[Hit]) -> list[tuple["WordEvidence", ...]]:
        """Judge the words of a query for every hit; the query is encoded once.

        Args:
            text: The query.
            hits: Hits of this library.

        Returns:
            The words of every hit; no words for a clip that has left the library since.

        Raises:
            ConfigError: The words cannot be tagged, because `finereel[negatives]` is missing.
        """
        from finereel.index.explain import words_of_hits

        query = Query(checked_query(text))
        return self._ask(
            query,
            lambda searcher, model: words_of_hits(searcher.snapshot, model, query.text, hits),
        )

    @typed_storage("read")
    def reading(self, text: str) -> Reading:
        """Tell which parts of a query the model cannot use.

        Args:
            text: The query.

        Returns:
            Words that are cut off, words the model does not know, and a suspected other language.

        Raises:
            QueryError: The text is empty, far too long or not valid text.
            LibraryNotFoundError: There is no library in the folder.
        """
        checked_query(text)
        self._existing()
        return reading_of(self._load_model(), text)

    @typed_storage("read")
    def describe(self, video: str | Path, captions: Sequence[str]) -> list[CaptionHit]:
        """Rank captions by how well they describe a video, best first.

        Args:
            video: A file of the library, or any other video, which is encoded but not stored.
            captions: The captions to rank.

        Returns:
            One entry per caption in the order of their scores.

        Raises:
            QueryError: A caption is empty, far too long or not valid text.
            NotAVideoError: No picture of the video can be decoded.
            LibraryNotFoundError: There is no library in the folder.
        """
        captions = [checked_query(caption) for caption in captions]
        return rank_captions(self._load_model(), self._look_at(absolute(video)).features, captions)

    @typed_storage("read")
    def ask(self, video: str | Path, question: str, options: Sequence[str] = ()) -> QuestionAnswer:
        """Answer a question about a video with one of several possible answers.

        Each answer is turned into a statement ("is the man running or walking?" into "the man is
        running"), and the statements are ranked as `describe` ranks captions. What should be known
        of the statements, such as that one is longer than the model reads, is logged as a warning.

        Args:
            video: A file of the library, or any other video, which is encoded but not stored.
            question: The question, in English.
            options: The possible answers: words that fit into the question, or whole statements.
                Where there are none, those that the question names ("A or B"), or yes and no.

        Returns:
            The answers, best first, and how clearly the first one leads.

        Raises:
            QueryError: There are fewer than two answers, two of them are the same, or a text is
                empty, far too long or not valid text.
            NotAVideoError: No picture of the video can be decoded.
            LibraryNotFoundError: There is no library in the folder.
        """
        asked, path = PossibleAnswers.of(question, options), absolute(video)
        look = self._look_at(path)
        for note in asked.notes(self._load_model()):
            _LOG.warning(note)
        return self._of_one_state(
            lambda searcher, model: answer_question(
                searcher.snapshot, model, look, str(path), asked
            )
        )

    @typed_storage("read")
    def similar(
        self,
        file: str | Path,
        top: int = 10,
        *,
        at: float | None = None,
        per_video: int | None = 1,
    ) -> list[SimilarHit]:
        """Find the clips that look most like a video, a clip of it, or a picture.

        Args:
            file: A video of the library, any other video, or a picture (.jpg, .png, .webp).
            top: Maximum number of hits.
            at: Take only the clip of the video at this time in seconds; None takes all its clips.
            per_video: Maximum number of hits per video; None means no limit.

        Returns:
            Hits, the most similar first, with near-duplicates marked. A video of the library is
            not found itself.

        Raises:
            QueryError: The video has no clip at that time.
            DataError: The picture cannot be read.
            NotAVideoError: No picture of the video can be decoded.
            LibraryNotFoundError: There is no library in the folder.
            ModelMismatchError: The library was indexed with another model.
        """
        look = self._look_at(absolute(file), at)
        return self._of_one_state(
            lambda searcher, model: find_similar(
                searcher, model, look.features, top, per_video, look.contents
            )
        )

    @typed_storage("read")
    def similar_to_clip(
        self, clip_id: str, top: int = 10, *, per_video: int | None = 1
    ) -> list[SimilarHit]:
        """Find the clips that look most like a clip of the library, as `similar` does.

        Args:
            clip_id: The `clip_id` of a hit.
            top: Maximum number of hits.
            per_video: Maximum number of hits per video; None means no limit.

        Returns:
            Hits, the most similar first; the video of the clip is not found itself.

        Raises:
            QueryError: There is no such clip.
            LibraryNotFoundError: There is no library in the folder.
        """
        from finereel.index.lookup import stored_clip

        def alike(searcher: Searcher, model: SearchModel) -> list[SimilarHit]:
            clip = stored_clip(searcher.snapshot, clip_id)
            if clip is None:
                raise QueryError(f"expected the clip_id of a hit, got {clip_id!r}")
            look = look_at_stored(searcher.snapshot.of_file(clip.file_id), clip.start)
            return find_similar(searcher, model, look.features, top, per_video, look.contents)

        return self._of_one_state(alike)

    @typed_storage("read")
    def commit(self) -> int:
        """Tell the number of the newest commit, by any process.

        Returns:
            The same as `LibraryStatus.version`, without counting anything.

        Raises:
            LibraryNotFoundError: There is no library in the folder.
        """
        found = newest_commit(self.path)
        if found is None:
            raise not_found(self.path)
        return found[1]

    @typed_storage("read")
    def subtitles(self, video: str | Path) -> FileCues:
        """Read the subtitles beside a video and within it.

        Args:
            video: Any video.

        Returns:
            The cues, and what could not be read.

        Raises:
            VideoError: The video cannot be read this time, or not at all.
        """
        source = self._source
        return source.cues(absolute(video)) if isinstance(source, CueSource) else FileCues()

    @typed_storage("read")
    def read(self, how: Callable[[Searcher, SearchModel], Asked]) -> Asked:
        """Read one committed state of the library, for what no other method tells.

        Args:
            how: Given what searches that state, and the model. It may be called twice, where a
                writer replaced the index meanwhile.

        Returns:
            What `how` returns.

        Raises:
            LibraryNotFoundError: There is no library in the folder.
            ModelMismatchError: The library was indexed with another model.
        """
        return self._of_one_state(how)

    @typed_storage("read")
    def duplicates(
        self, *, on_progress: OnProgress = no_progress
    ) -> list[tuple[DuplicateVideo, ...]]:
        """Find the videos that show the same shots: copies, also re-encoded or cut ones.

        Args:
            on_progress: Told how many clips are compared.

        Returns:
            Groups of videos, those with the most similar clips first.

        Raises:
            LibraryNotFoundError: There is no library in the folder.
            ModelMismatchError: The library was indexed with another model.
        """
        return self._of_one_state(
            lambda searcher, model: find_duplicates(searcher, model, on_progress)
        )

    @typed_storage("read")
    def clips(self, clip_ids: Sequence[str]) -> list[Hit]:
        """Look up clips by their ids.

        Args:
            clip_ids: The `clip_id` of hits.

        Returns:
            The clips in this order, each with a score of 0.

        Raises:
            QueryError: The library has no such clip.
            LibraryNotFoundError: There is no library in the folder.
        """
        return clips_by_id(self._existing().snapshot(), clip_ids)

    @typed_storage("read")
    def facts(self, paths: Sequence[str]) -> dict[str, FileFacts]:
        """Tell what video files are: length, frame rate, size, codecs.

        Args:
            paths: Absolute paths, of the library or not.

        Returns:
            The facts by path; nothing is known of a file that is neither indexed nor readable.

        Raises:
            LibraryNotFoundError: There is no library in the folder.
        """
        return facts_by_path(self._existing().snapshot(), paths, self._source)

    @typed_storage("read")
    def compare_formats(
        self, texts: Sequence[str] | None = None, on_progress: OnProgress = no_progress
    ) -> list[FormatOverlap]:
        """Compare the answers to some texts with those that tokens in fewer bytes would give.

        Args:
            texts: Queries; None for the shipped captions.
            on_progress: Told how many clips are scored.

        Returns:
            The library's own format of tokens and every smaller one.

        Raises:
            LibraryNotFoundError: There is no library in the folder.
            ConfigError: There is nothing to compare.
        """
        self._require()
        chosen = null_texts(None) if texts is None else list(texts)
        return self._of_one_state(
            lambda searcher, model: compare_stored(searcher, model, chosen, on_progress)
        )

    def _look_at(self, path: Path, at: float | None = None) -> Look:
        """The features of a file of the library, or of any other video or picture."""
        store, model = self._existing(), self._load_model()
        record = store.files().get(str(path))
        if record is not None:
            return look_at_stored(store.snapshot().of_file(record.file_id), at)
        if path.suffix.lower() in PICTURE_SUFFIXES:
            return look_at_picture(path, model)
        length = LibrarySettings.load(self.path).cut(None, store.snapshot(), self.path).clip_seconds
        plan = ClipPlan(length=length, num_frames=model.num_frames, size=model.picture_size)
        return look_at_clips(self._source.clips(path, plan), path, model, at)

    def _load_model(self) -> SearchModel:
        if self._model is None:
            store = open_store(self.path)
            wanted = self._wanted
            if wanted is None and store is not None:
                wanted = require_here(store.manifest.model.name)
            self._model = _load(wanted)
        return self._model

    def _existing(self) -> ClipStore:
        store = open_store(self.path)
        if store is None:
            raise not_found(self.path)
        return store

    def _require(self) -> None:
        """Raise where there is no library that could be asked."""
        self._existing()

    def _ask(self, query: Query, how: Callable[[Searcher, SearchModel], Asked]) -> Asked:
        """Ask one committed state of the library, after the notes on how the texts are read."""
        self._require()
        model = self._load_model()
        notes = [
            note for text in query.texts for note in reading_of(model, checked_query(text)).notes()
        ]
        for note in dict.fromkeys(notes):
            _LOG.warning(note)
        return self._of_one_state(how)

    def _of_one_state(self, how: Callable[[Searcher, SearchModel], Asked]) -> Asked:
        """Ask one committed state of the library.

        Where a writer replaced the bank or the whole index between two reads, ask the new one.
        """
        model = self._load_model()
        try:
            return self._ask_once(model, how)
        except LibraryError:
            self._cached = None
            return self._ask_once(model, how)

    def _ask_once(self, model: SearchModel, how: Callable[[Searcher, SearchModel], Asked]) -> Asked:
        store = self._existing()
        with meanwhile(lambda: require_same_model(store, model, self.path)):
            return how(self._searcher(store), model)

    def _answering(self, searcher: Searcher) -> Answering:
        """What answers with confidence; the one kept where the searcher is."""
        cached = self._cached
        kept = cached is not None and cached.answering.searcher is searcher
        return cached.answering if cached and kept else Answering(self.path, searcher)

    def _searcher(self, store: ClipStore) -> Searcher:
        cached = self._cached  # another thread may replace it meanwhile
        if cached is None or cached.key != StateKey.of(store.folder, store.version()):
            self._cached = cached = OpenedState.of(store, self.path)
        return cached.answering.searcher


def _load(wanted: str | Path | SearchModel | None) -> SearchModel:
    if wanted is not None and not isinstance(wanted, str | Path):
        return wanted
    if str(wanted).startswith(ENCODED):
        from finereel.models.encoders.sentence_transformers import open_named

        return open_named(str(wanted))
    from finereel.models.saving import load

    return load(wanted)
