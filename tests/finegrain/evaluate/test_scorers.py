"""Every kind of scorer: the same scores as the full matrix, exact ties, nothing encoded twice,
clear refusals.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gallery_doubles import DIM, ToyModel, ToySource, make_split, vector

from finereel.config import FineConfig
from finereel.data.reelworld import WorldSource
from finereel.errors import ConfigError, DataError, ModelError
from finereel.evaluation.gallery import encode_texts, encode_videos, score_split
from finereel.finegrain.evaluate.embeddings import CosineScorer, EncodedVectors, StoredVectors
from finereel.finegrain.evaluate.groups import Candidates
from finereel.finegrain.evaluate.scorer import ClipNeeds, Opening, Scorer, distinct_chunks
from finereel.finegrain.evaluate.scorers import SCORERS, open_scorer
from finereel.finegrain.evaluate.towers import TowerScorer
from finereel.models.heads import HEADS
from finereel.models.saving import save
from tiny_models import FRAMES, IMAGE, jitter, tiny_peer

WORLDS = ["val/0", "val/1", "val/2"]
ASKED = [
    Candidates("val/0", ("a red car jumps", "a blue car jumps", "a red fish jumps over the house")),
    Candidates("val/1", ("a small fish", "a red car jumps")),
    Candidates("val/0", ("a man is cooking", "a blue car jumps")),
]


def world_source() -> WorldSource:
    return WorldSource(image_size=IMAGE, num_frames=FRAMES)


def full_matrix(
    model: Any, source: Any, asked: Sequence[Candidates], score: Callable[..., Any] | None = None
) -> dict[str, np.ndarray]:
    """Every text against every clip by one of the model's own scores, then the pairs that were
    asked for.
    """
    texts = [text for candidates in asked for text in candidates.texts]
    videos = sorted({candidates.video_id for candidates in asked})
    column = [videos.index(c.video_id) for c in asked for _ in c.texts]
    with torch.no_grad():
        scores = (score or model.score)(
            encode_texts(model, texts), encode_videos(model, videos, source)
        )
    return {
        name: part.numpy()[np.arange(len(texts)), column] for name, part in scores.parts.items()
    }


@pytest.mark.parametrize("head", HEADS)
def test_pairs_score_as_in_the_full_matrix_for_every_head(head: str) -> None:
    model = tiny_peer(head)
    found = TowerScorer(model, world_source(), fine=False).score(ASKED)
    expected = full_matrix(model, world_source(), ASKED)
    assert set(found.parts) == set(expected)
    for name, part in expected.items():
        np.testing.assert_allclose(found.parts[name], part, rtol=1e-4, atol=1e-4)
    fused = sum(found.weights[name] * part.astype(np.float64) for name, part in expected.items())
    np.testing.assert_allclose(found.fused, fused, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("budget_mib", [0, 256])
def test_a_small_budget_changes_nothing(budget_mib: int) -> None:
    model = tiny_peer("ucofia")
    found = TowerScorer(model, world_source(), budget_mib=budget_mib).score(ASKED)
    whole = TowerScorer(model, world_source()).score(ASKED)
    np.testing.assert_allclose(found.fused, whole.fused, rtol=1e-4, atol=1e-4)
    assert found.as_first.tolist() == whole.as_first.tolist()


def test_texts_that_the_model_cuts_alike_tie_exactly() -> None:
    model = tiny_peer("ucofia")  # six tokens, four of them words
    long = "a red car jumps over the house"
    asked = [
        Candidates(
            "val/0", (long, long.replace("house", "fish"), "a blue car jumps over the house")
        )
    ]
    found = TowerScorer(model, world_source()).score(asked)
    assert found.as_first.tolist() == [True, True, False]
    assert found.fused[0] == found.fused[1] != found.fused[2]


def test_every_text_and_clip_is_encoded_once() -> None:
    model, source = ToyModel(), ToySource()
    asked = [Candidates(f"v{number // 2}", ("shared", f"text {number}")) for number in range(8)]
    TowerScorer(model, source).score(asked)
    assert sorted(model.texts) == sorted({text for c in asked for text in c.texts})
    assert sorted(source.reads) == ["v0", "v1", "v2", "v3"]


def test_clips_stay_between_pieces() -> None:
    model, source = ToyModel(), ToySource()
    scorer = TowerScorer(model, source, budget_mib=0)
    scorer.score([Candidates("v0", (f"text {number}",)) for number in range(5)])
    assert source.reads == ["v0"]


def test_coarse_retrieval_encodes_no_clip_again() -> None:
    split, source = make_split("test", 3), ToySource()
    scorer = TowerScorer(ToyModel(), source)
    scorer.score([Candidates(video, ("a", "b")) for video in split.videos[:2]])
    scored = scorer.score_split(split)
    assert sorted(source.reads) == list(split.videos)
    expected = score_split(ToyModel(), split, ToySource())
    np.testing.assert_array_equal(
        scored.scores["video_sentence"], expected.scores["video_sentence"]
    )


def test_the_fine_head_is_used_where_there_is_one() -> None:
    class Prompted(ToyModel):
        def score_fine(self, text: Any, video: Any) -> Any:
            scores = self.score(text, video)
            return type(scores)(
                {name: -part for name, part in scores.parts.items()}, scores.weights
            )

    asked = [Candidates("v0", ("v0 a", "v1 b"))]
    fine, coarse = (
        TowerScorer(Prompted(), ToySource(), fine=fine).score(asked).fused for fine in (True, False)
    )
    plain = TowerScorer(ToyModel(), ToySource()).score(asked).fused
    np.testing.assert_allclose(coarse, plain, rtol=1e-6)
    np.testing.assert_allclose(fine, -plain, rtol=1e-6)


@pytest.mark.parametrize(
    "fine",
    [FineConfig(visual_prompts=2), FineConfig(text_prompts=2), FineConfig(1, 1, "joint")],
    ids=str,
)
def test_prompts_of_a_model_are_what_scores(fine: FineConfig) -> None:
    model = tiny_peer("xclip", fine=fine)
    jitter(model, seed=5)
    one, other = (
        TowerScorer(model, world_source(), fine=wanted).score(ASKED) for wanted in (True, False)
    )
    for found, score in ((one, model.score_fine), (other, model.score)):
        expected = full_matrix(model, world_source(), ASKED, score)
        for name, part in expected.items():
            np.testing.assert_allclose(found.parts[name], part, rtol=1e-4, atol=1e-4)
    assert not np.allclose(one.fused, other.fused, atol=1e-3)


def test_progress_ends_at_all_texts() -> None:
    told: list[tuple[str, int, int]] = []
    scorer = TowerScorer(ToyModel(), ToySource(), budget_mib=0)
    scorer.score(ASKED, lambda *event: told.append(event))
    texts = [event for event in told if event[0] == "texts"]
    assert [done for _, done, _ in texts] == sorted(done for _, done, _ in texts)
    assert texts[-1][1] == texts[-1][2]
    assert ("clips", 1, 1) in told


def test_chunks_cover_everything_once() -> None:
    pieces = distinct_chunks(ASKED, 3)
    assert [(part.start, part.stop) for part, _ in pieces] == [(0, 1), (1, 2), (2, 3)]
    assert all(set(texts) == {t for c in ASKED[part] for t in c.texts} for part, texts in pieces)


class Encoder:
    """Strings and pictures to vectors: a text of ASKED by its letters, a picture by its mean
    colour.
    """

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def encode(self, inputs: list[Any]) -> Any:
        self.seen += inputs
        if isinstance(inputs[0], str):
            return torch.from_numpy(np.stack([vector(text, 1.0)[:3] for text in inputs]))
        return np.stack([np.asarray(picture).mean((0, 1)) for picture in inputs])


def test_an_object_with_encode_is_scored_by_the_cosine_of_the_mean_of_frames() -> None:
    encoder = Encoder()
    scorer = CosineScorer(EncodedVectors(encoder, world_source(), "mine"))
    found = scorer.score(ASKED)
    clip = world_source().read(["val/1"]).frames[0].mean((1, 2))
    mean = (clip / np.linalg.norm(clip, axis=1, keepdims=True)).mean(0)
    text = vector("a small fish", 1.0)[:3]
    expected = text @ mean / np.linalg.norm(text) / np.linalg.norm(mean)
    assert found.parts["video_sentence"][3] == pytest.approx(expected, abs=1e-5)
    texts = [seen for seen in encoder.seen if isinstance(seen, str)]
    assert sorted(texts) == sorted({text for c in ASKED for text in c.texts})
    assert len(encoder.seen) - len(texts) == 2 * FRAMES


def test_pictures_are_needed_for_encode() -> None:
    scorer = CosineScorer(EncodedVectors(Encoder(), ToySource(), "mine"))
    with pytest.raises(ModelError, match="takes pictures"):
        scorer.score([Candidates("v0", ("a", "b"))])


def write_vectors(path: Path, **changes: Any) -> Path:
    texts = sorted({text for candidates in ASKED for text in candidates.texts})
    arrays = {
        "texts": np.array(texts),
        "text_vectors": np.stack([vector(text, 1.0) for text in texts]),
        "videos": np.array(WORLDS),
        "video_vectors": np.stack([vector(video, 0.0) for video in WORLDS]),
    }
    np.savez(path, **(arrays | changes))
    return path


def test_stored_vectors_are_scored(tmp_path: Path) -> None:
    found = CosineScorer(StoredVectors(write_vectors(tmp_path / "vectors.npz"))).score(ASKED)
    pairs = [(c.video_id, text) for c in ASKED for text in c.texts]
    expected = [float(vector(text, 1.0) @ vector(video, 0.0)) for video, text in pairs]
    np.testing.assert_allclose(found.fused, expected, atol=1e-6)


def test_frames_of_stored_vectors_are_averaged(tmp_path: Path) -> None:
    frames = np.stack([[vector(video, 0.0), 5 * vector(video, 0.0)] for video in WORLDS])
    one, two = (
        CosineScorer(StoredVectors(path)).score(ASKED).fused
        for path in (
            write_vectors(tmp_path / "a.npz"),
            write_vectors(tmp_path / "b.npz", video_vectors=frames),
        )
    )
    np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"videos": np.array(["a", "a", "b"])}, "distinct strings"),
        ({"video_vectors": np.ones((3, 5))}, "different widths"),
        ({"video_vectors": np.ones((2, DIM))}, "for 3 videos"),
        ({"text_vectors": np.full((5, DIM), np.nan)}, "not finite"),
        ({"texts": np.array([{}] * 5, dtype=object)}, "without pickles"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        StoredVectors(write_vectors(tmp_path / "vectors.npz", **changes))


def test_missing_texts_are_named_and_missing_videos_left_out(tmp_path: Path) -> None:
    stored = StoredVectors(write_vectors(tmp_path / "vectors.npz"))
    with pytest.raises(DataError, match="no vector of 'unheard'"):
        CosineScorer(stored).score([Candidates("val/0", ("a small fish", "unheard"))])
    assert set(stored.problems(["val/0", "gone"])) == {"gone"}


class LoadedEncoder(Encoder):
    """The same as MTEB asks it: batches of a loader instead of a list."""

    mteb_model_meta = SimpleNamespace(name="a/b", revision=None, modalities=["text", "image"])

    def encode(self, inputs: Any, **_: Any) -> Any:
        batches = [batch.get("text") or batch["image"] for batch in inputs]
        return super().encode([one for batch in batches for one in batch])


def fake_mteb() -> dict[str, ModuleType]:
    """What the scorer imports of MTEB, which takes seconds to import."""
    names = ("mteb", "mteb.types", "mteb.abstasks", "mteb.abstasks.task_metadata")
    modules = {name: ModuleType(name) for name in names}
    vars(modules["mteb"])["get_model"] = lambda name, device: LoadedEncoder()
    vars(modules["mteb.types"])["PromptType"] = SimpleNamespace(query="query", document="document")
    vars(modules["mteb.abstasks.task_metadata"])["TaskMetadata"] = SimpleNamespace
    return modules


def opened(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scorer:
    """A scorer of every kind on ReelWorld's clips."""
    save(tiny_peer("ucofia"), tmp_path / "model")
    library = ModuleType("sentence_transformers")
    library.SentenceTransformer = lambda name, device: Encoder()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", library)
    for name, module in fake_mteb().items():
        monkeypatch.setitem(sys.modules, name, module)
    model = write_vectors(tmp_path / "vectors.npz") if kind == "embeddings" else tmp_path / "model"

    def clips(needs: ClipNeeds) -> WorldSource:
        return WorldSource(image_size=IMAGE, num_frames=needs.num_frames)

    return open_scorer(kind, str(model), Opening(clips))


@pytest.mark.parametrize("kind", SCORERS)
def test_the_contract_of_every_kind(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = opened(kind, tmp_path, monkeypatch)
    found = scorer.score(ASKED)
    assert set(found.parts) == set(found.weights) == set(scorer.facts.weights)
    assert all(part.shape == (7,) and part.dtype == np.float32 for part in found.parts.values())
    assert found.as_first[[0, 3, 5]].all()
    assert set(scorer.problems(["val/0", "nowhere/x"])) == {"nowhere/x"}
    backwards = scorer.score(ASKED[::-1])
    np.testing.assert_allclose(backwards.fused[:2], found.fused[5:], rtol=1e-4, atol=1e-4)
    assert scorer.description
    again = scorer.score(ASKED)
    assert again.fused.tolist() == found.fused.tolist()


def test_unknown_kinds_are_listed() -> None:
    with pytest.raises(ConfigError, match="embeddings"):
        open_scorer("clip", "here", Opening(lambda needs: world_source()))


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ConfigError, match=r"pip install 'finereel\[sentence-transformers\]'"):
        open_scorer("sentence-transformers", "here", Opening(lambda needs: world_source()))
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(ConfigError, match=r"pip install 'finereel\[mteb\]'"):
        open_scorer("mteb", "here", Opening(lambda needs: world_source()))


def test_coarse_scores_are_the_same_cosines(tmp_path: Path) -> None:
    split = make_split("test", 3)
    texts = [caption.text for caption in split.captions]
    path = write_vectors(
        tmp_path / "vectors.npz",
        texts=np.array(texts),
        text_vectors=np.stack([vector(text, 1.0) for text in texts]),
        videos=np.array(split.videos[:2]),
        video_vectors=np.stack([vector(video, 0.0) for video in split.videos[:2]]),
    )
    scored = CosineScorer(StoredVectors(path)).score_split(split)
    assert str(scored.coverage) == "2/3"
    expected = np.array(
        [[vector(t, 1.0) @ vector(v, 0.0) for v in split.videos[:2]] for t in texts[:2]]
    )
    np.testing.assert_allclose(scored.scores["video_sentence"], expected, atol=1e-6)
