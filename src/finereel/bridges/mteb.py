"""MTEB: our fused score in its own evaluator, data sets of ours as its tasks, and its result files.

    import mteb
    from finereel.bridges.mteb import FinereelSearch

    mteb.evaluate(FinereelSearch("everyday"), mteb.get_tasks(tasks=["VATEXT2VRetrieval"]))

MTEB asks a whole search engine (`SearchProtocol`: `index`, then `search`), so every granularity of
a model counts. Videos are decoded by `finereel.video` as `finereel evaluate` decodes them; torchcodec
is not needed. With one caption per video MTEB's `recall_at_k` is R@k / 100 of `finereel evaluate`;
with several, `hit_rate_at_1` of video to text is its R@1. Ties differ: MTEB orders them by id, we
take the expected rank.
"""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from finereel.data.base import Split
from finereel.data.frames import WHOLE_VIDEO, FrameSettings, read_squares
from finereel.errors import ConfigError, DataError, VideoError, missing_extra
from finereel.evaluation.gallery import encode_texts, score_pairs
from finereel.models.features import TextFeatures, VideoFeatures, concatenate
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.normalization import DIRECTIONS
from finereel.ranking import fuse
from finereel.video import VideoReader

_ENGLISH = "eng-Latn"


@dataclass(frozen=True)
class _EncodedRows:
    """Rows of an MTEB table: their ids, and features of texts or of videos."""

    ids: tuple[str, ...]
    features: TextFeatures | VideoFeatures


class FinereelSearch:
    """A model as a search engine of MTEB, with its fused score.

    Text to video, video to text, and reranking (`top_ranked`). A query or a document that has a
    video and more, such as sound, counts by its video.

    Args:
        model: A model, or what `finereel.load_model` takes.

    Raises:
        ModelNotFoundError: If there is no such model.

    Example:
        >>> FinereelSearch("reelworld-tiny").model.num_frames
        12
    """

    def __init__(self, model: RetrievalModel | str | Path) -> None:
        self.model = model if isinstance(model, RetrievalModel) else load(model)
        self._indexed: _EncodedRows | None = None
        self._meta: Any = None

    @property
    def mteb_model_meta(self) -> Any:
        """MTEB's `ModelMeta`; its revision is the fingerprint of the weights."""
        if self._meta is None:
            self._meta = _model_meta(self.model)
        return self._meta

    def index(self, corpus: Any, *, task_metadata: Any, **_: Any) -> None:
        """Encode the documents: texts (`title` and `text`), or videos.

        Names of splits, settings of encoders and numbers of processes, which MTEB gives besides,
        change nothing.

        Args:
            corpus: A `datasets.Dataset` with `id` and `text` or `video`; videos are paths or bytes.
            task_metadata: MTEB's description of the task, which says what documents are.

        Raises:
            VideoError: A video that cannot be read; its id is named.
        """
        self._indexed = _encoded(self.model, corpus, _shown(task_metadata, "document"))

    def search(
        self,
        queries: Any,
        *,
        task_metadata: Any,
        top_k: int,
        top_ranked: Mapping[str, Sequence[str]] | None = None,
        **_: Any,
    ) -> dict[str, dict[str, float]]:
        """Find the best documents of every query.

        Args:
            queries: As `corpus` of `index`.
            task_metadata: MTEB's description of the task, which says what queries are.
            top_k: The most documents of a query.
            top_ranked: By query, the documents to rank; None ranks all of them.

        Returns:
            By query, the documents with their fused scores, best first.

        Raises:
            ConfigError: Nothing was indexed, or queries and documents are both texts or both videos.
            DataError: `top_ranked` names a document that was not indexed.
        """
        if self._indexed is None:
            raise ConfigError("nothing to search: call index(corpus, ...) first")
        asked = _encoded(self.model, queries, _shown(task_metadata, "query"))
        scores = _fused(self.model, asked.features, self._indexed.features)
        number = {name: column for column, name in enumerate(self._indexed.ids)}
        found = {}
        for row, query in enumerate(asked.ids):
            columns = (
                np.arange(len(number))
                if top_ranked is None
                else _columns(query, top_ranked.get(query, ()), number)
            )
            best = columns[np.argsort(-scores[row, columns], kind="stable")][:top_k]
            found[query] = {self._indexed.ids[one]: float(scores[row, one]) for one in best}
        return found


def _columns(query: str, names: Iterable[str], number: Mapping[str, int]) -> np.ndarray:
    lacking = [name for name in names if name not in number]
    if lacking:
        raise DataError(
            f"query {query!r} is to be ranked against {lacking[0]!r}, which is no document of the "
            "corpus; its top_ranked belongs to another corpus"
        )
    return np.array([number[name] for name in names], dtype=np.int64)


def _fused(
    model: RetrievalModel,
    queries: TextFeatures | VideoFeatures,
    documents: TextFeatures | VideoFeatures,
) -> Float32[np.ndarray, "Q G"]:
    """The scores that `finereel evaluate` ranks; ConfigError for two texts or two videos."""
    if isinstance(queries, TextFeatures) and isinstance(documents, VideoFeatures):
        parts, weights = score_pairs(model, queries, documents)
        return fuse(parts, weights)
    if isinstance(queries, VideoFeatures) and isinstance(documents, TextFeatures):
        parts, weights = score_pairs(model, documents, queries)
        return fuse(parts, weights).T
    kind = "texts" if isinstance(queries, TextFeatures) else "videos"
    raise ConfigError(
        f"queries and documents of this task are both {kind}: Finereel scores a text against a video"
    )


def _shown(task_metadata: Any, role: str) -> frozenset[str]:
    """The modalities of queries or of documents, as the task's category says."""
    from mteb.types import PromptType

    return frozenset(task_metadata.get_modalities(PromptType(role)))


def _encoded(model: RetrievalModel, table: Any, modalities: frozenset[str]) -> _EncodedRows:
    ids = tuple(map(str, table["id"]))
    if "video" in modalities:
        return _EncodedRows(ids, _videos(model, table, ids))
    if "text" in modalities:
        return _EncodedRows(ids, encode_texts(model, _texts(table)))
    raise ConfigError(
        f"Finereel searches texts and videos, this task has {', '.join(sorted(modalities))}"
    )


def _texts(table: Any) -> list[str]:
    """A title and its text in one line, as MTEB's encoders read them."""
    texts = list(table["text"])
    titles = list(table["title"]) if "title" in table.column_names else [""] * len(texts)
    return [f"{title or ''} {text}".strip() for title, text in zip(titles, texts, strict=True)]


def _videos(model: RetrievalModel, table: Any, ids: Sequence[str]) -> VideoFeatures:
    """Features of whole videos, as `finereel evaluate` makes them; one is in memory at a time."""
    from datasets import Video

    column = table.select_columns(["video"])
    if isinstance(column.features["video"], Video):
        column = column.cast_column("video", Video(decode=False))
    shaped = model.encoder.preprocessing
    settings = FrameSettings(model.num_frames, model.encoder.image_size, preprocessing=shaped)
    features = []
    with VideoReader(WHOLE_VIDEO) as reader, tempfile.TemporaryDirectory() as folder:
        for name, row in zip(ids, column, strict=True):
            try:
                file = _file(row["video"], Path(folder))
                frames = read_squares(reader, file, settings)[None]
            except VideoError as error:
                raise type(error)(f"video {name!r}: {error}") from error
            features.append(model.encode_clips(frames, np.ones(frames.shape[:2], dtype=bool)))
    return concatenate(features)


def _file(value: Any, folder: Path) -> Path:
    """The file of a value of MTEB's column `video`: its path, or its bytes written to `folder`."""
    if isinstance(value, str | Path):
        return Path(value)
    if not isinstance(value, Mapping):
        raise DataError(
            f"expected the path or the bytes of a video file, got {type(value).__name__}: the task "
            "must not decode its videos"
        )
    if value.get("bytes") is None:
        return Path(str(value["path"]))
    file = folder / f"video{Path(value.get('path') or '').suffix}"
    file.write_bytes(value["bytes"])
    return file


def _model_meta(model: RetrievalModel) -> Any:
    try:
        from mteb.models.model_meta import ModelMeta
    except ImportError as error:
        raise missing_extra("the bridge to MTEB", "mteb") from error
    parameters = sum(parameter.numel() for parameter in model.parameters())
    pooled = set(model.config.weights) <= {"video_sentence"}
    return ModelMeta(
        loader=None,
        name=f"finereel/{Path(model.name).name}",
        revision=model.fingerprint,
        release_date=None,
        languages=[_ENGLISH],
        n_parameters=parameters,
        memory_usage_mb=round(4 * parameters / 2**20, 1),
        max_tokens=model.config.max_words,
        embed_dim=model.dim,
        license=None,
        open_weights=None,
        public_training_code=None,
        public_training_data=None,
        framework=["PyTorch"],
        similarity_fn_name=None,
        use_instructions=False,
        training_datasets=None,
        modalities=["text", "video"],
        model_type=["dense" if pooled else "late-interaction"],
    )


def retrieval_task(
    split: Split, files: Mapping[str, Path], direction: str = "text_to_video", name: str = "Own"
) -> Any:
    """Make a split of a data set a task of MTEB, whose evaluator then measures any of its models.

    Args:
        split: Videos and captions.
        files: The file of each video, by id.
        direction: `text_to_video` or `video_to_text`.
        name: Name of the data in the result; the task adds `T2V` or `V2T`.

    Returns:
        A task whose data are loaded; its revision is the hash of the split.

    Raises:
        ConfigError: An unknown direction, or MTEB is not installed.
        DataError: A video has no file.
    """
    if direction not in DIRECTIONS:
        raise ConfigError(f"expected a direction of {', '.join(DIRECTIONS)}, got {direction!r}")
    lacking = [video for video in split.videos if video not in files]
    if lacking:
        raise DataError(f"no file for {lacking[0]!r} and {len(lacking) - 1} more videos")
    try:
        from mteb.abstasks.retrieval import AbsTaskRetrieval
        from mteb.abstasks.task_metadata import TaskMetadata
    except ImportError as error:
        raise missing_extra("the bridge to MTEB", "mteb") from error
    to_video = direction == "text_to_video"
    described = TaskMetadata(
        dataset={"path": name, "revision": split.hash},
        name=f"{name}{'T2V' if to_video else 'V2T'}",
        description=f"{len(split.captions)} captions of {len(split.videos)} videos.",
        type="Any2AnyRetrieval",
        category="t2v" if to_video else "v2t",
        modalities=["text", "video"],
        eval_splits=["test"],
        eval_langs=[_ENGLISH],
        main_score="ndcg_at_10",
    )
    task = type("OwnVideos", (AbsTaskRetrieval,), {"metadata": described})()
    task.dataset = {"default": {"test": _tables(split, files, to_video)}}
    task.data_loaded = True
    return task


def _tables(split: Split, files: Mapping[str, Path], to_video: bool) -> dict[str, Any]:
    """Corpus, queries and relevant documents as MTEB has them."""
    from datasets import Dataset, Features, Value, Video

    shown = Dataset.from_dict(
        {"id": list(split.videos), "video": [str(files[video]) for video in split.videos]},
        Features({"id": Value("string"), "video": Video()}),
    )
    said = Dataset.from_dict(
        {
            "id": [caption.id for caption in split.captions],
            "text": [caption.text for caption in split.captions],
        }
    )
    relevant: dict[str, dict[str, int]] = {}
    for caption in split.captions:
        ends = (caption.id, caption.video_id)
        query, document = ends if to_video else reversed(ends)
        relevant.setdefault(query, {})[document] = 1
    corpus, queries = (shown, said) if to_video else (said, shown)
    return {
        "corpus": corpus,
        "queries": queries,
        "relevant_docs": relevant,
        "top_ranked": None,
    }
