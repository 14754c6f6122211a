"""MTEB's own evaluator on a made task of videos, offline: its numbers are those of `finereel
evaluate`. Importing MTEB takes seconds, so everything about it stands in this file.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finereel.bridges.mteb import FinereelSearch, retrieval_task
from finereel.bridges.mteb_results import (
    MtebRun,
    load_mteb_record,
    read_result,
    write_result,
)
from finereel.data import load as load_dataset
from finereel.data.base import Split
from finereel.data.videos import find_videos
from finereel.errors import BrokenVideoError, ConfigError, DataError, ModelError
from finereel.evaluation.record import RunRecord
from finereel.evaluation.record_files import load_record, save_record
from finereel.finegrain.evaluate.mteb_models import MtebEncoder
from finereel.normalization import DIRECTIONS
from finereel.reelworld.export import VideoFormat, write
from support.processes import finereel

CLIPS = 16  # recalls in sixteenths, which the five digits of MTEB hold
MODEL = "reelworld-tiny"
NUMBERS = {"R@1": "recall_at_1", "R@5": "recall_at_5", "R@10": "recall_at_10"}


@dataclass(frozen=True)
class Measured:
    """Clips on disk, their captions, and what `finereel evaluate` says of them."""

    folder: Path
    split: Split
    files: dict[str, Path]
    record: RunRecord


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """Drawn scenes with the first words of their captions, which differ."""
    folder = tmp_path_factory.mktemp("scenes")
    write(folder / "clips", CLIPS, 4, "test", VideoFormat(64, 8))
    rows = []
    for line in (folder / "clips" / "captions.jsonl").read_text("utf-8").splitlines():
        scene = json.loads(line)
        words = scene["caption"].split()
        rows.append(f"{scene['video']},{' '.join(words[:3])}\n")
    (folder / "captions.csv").write_text("video,caption\n" + "".join(rows), "utf-8")
    where = ("--annotations", "captions.csv", "--videos", "clips", "--split", "all")
    finereel(
        *(folder, "evaluate", "--model", MODEL, "--data", "folder", *where),
        *("--device", "cpu", "--out", "run"),
    )
    split = load_dataset("folder", folder / "captions.csv").split("all")
    files = dict(find_videos(folder / "clips", split.videos))
    return Measured(folder, split, files, load_record(folder / "run"))


@pytest.fixture(scope="module")
def engine() -> FinereelSearch:
    return FinereelSearch(MODEL)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def run(engine: Any, task: Any, predictions: Path | None = None) -> Any:
    """MTEB's result of a task."""
    import mteb

    settings = {"cache": None, "show_progress_bar": False, "co2_tracker": False}
    (result,) = mteb.evaluate(engine, task, prediction_folder=predictions, **settings).task_results
    return result


@pytest.fixture(scope="module")
def ran(measured: Measured, engine: FinereelSearch) -> dict[str, Any]:
    """MTEB's results in both directions, with their files in the folder `mteb`."""
    folder, results = measured.folder / "mteb", {}
    for way in DIRECTIONS:
        task = retrieval_task(measured.split, measured.files, way, "Drawn")
        results[way] = run(engine, task, folder)
        results[way].to_disk(folder / f"{task.metadata.name}.json")
    return results


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_recalls_are_those_of_finereel_evaluate(
    measured: Measured,
    engine: FinereelSearch,
    ran: dict[str, Any],
    direction: str,
    tmp_path: Path,
) -> None:
    result = ran[direction]
    (scores,) = result.scores["test"]
    own = measured.record.row(direction)
    assert own["tie_share"] == 0
    assert 0 < own["R@1"] < 100  # else any order of the clips would pass
    for ours, theirs in NUMBERS.items():
        assert scores[theirs] == pytest.approx(own[ours] / 100, abs=1e-6)
    assert result.dataset_revision == measured.split.hash
    assert engine.mteb_model_meta.revision == measured.record.model.fingerprint

    result.to_disk(tmp_path / "theirs.json")
    write_result(measured.record, tmp_path / "ours.json", result.task_name, direction)
    (theirs,), (ours_row,) = (read_result(tmp_path / f"{name}.json") for name in ("theirs", "ours"))
    assert (theirs.task, theirs.revision) == (result.task_name, measured.split.hash)
    assert theirs.version == result.mteb_version
    assert ours_row.version == ""
    assert ours_row.revision == theirs.revision
    assert theirs.metrics == pytest.approx({name: own[name] for name in NUMBERS})
    differing = {
        name: (value, theirs.scores[name])
        for name, value in ours_row.scores.items()
        if abs(value - theirs.scores[name]) > 1.1e-5
    }
    assert not differing


def test_results_with_predictions_are_a_record(
    measured: Measured, ran: dict[str, Any], tmp_path: Path
) -> None:
    folder = measured.folder / "mteb"
    runs = {
        way: MtebRun(folder / f"{name}.json", folder / f"{name}_predictions.json")
        for way, name in (("text_to_video", "DrawnT2V"), ("video_to_text", "DrawnV2T"))
    }
    dataset = load_dataset("folder", measured.folder / "captions.csv")
    found = load_mteb_record(dataset, "all", runs)
    save_record(found, tmp_path / "run")
    found = load_record(tmp_path / "run")
    for way in DIRECTIONS:
        assert found.row(way) == measured.record.row(way)
        assert found.source[way] == f"{ran[way].task_name}@{measured.split.hash}"
    assert found.source["mteb_version"] == ran["text_to_video"].mteb_version
    assert found.model.fingerprint == measured.record.model.fingerprint
    ours, theirs = (one.queries["text_to_video"] for one in (measured.record, found))
    assert theirs.ids == ours.ids
    assert (theirs.ranks["fused"].expected == ours.ranks["fused"].expected).all()

    swapped = {way: MtebRun(runs[way].result, run.predictions) for way, run in runs.items()}
    described = json.loads(runs["text_to_video"].predictions.read_text("utf-8"))
    few = described["default"]["test"]
    few[measured.split.captions[0].id].popitem()
    (tmp_path / "few.json").write_text(json.dumps(described), "utf-8")
    swapped["text_to_video"] = MtebRun(runs["text_to_video"].result, tmp_path / "few.json")
    with pytest.raises(DataError, match="every document must be scored"):
        load_mteb_record(dataset, "all", swapped)
    described = json.loads(runs["text_to_video"].predictions.read_text("utf-8"))
    for scores in described["default"]["test"].values():
        scores |= {name: -score for name, score in scores.items()}
    (tmp_path / "few.json").write_text(json.dumps(described), "utf-8")
    with pytest.raises(DataError, match="give files of one run"):
        load_mteb_record(dataset, "all", swapped)
    swapped["text_to_video"] = MtebRun(*[runs["text_to_video"].result] * 2)
    with pytest.raises(DataError, match="expected the predictions of MTEB"):
        load_mteb_record(dataset, "all", swapped)


def test_mteb_reads_what_is_written(measured: Measured, tmp_path: Path) -> None:
    from mteb.results import TaskResult

    write_result(measured.record, tmp_path / "ours.json", "OwnT2V", revision="abc")
    read = TaskResult.from_disk(tmp_path / "ours.json")
    assert (read.task_name, read.dataset_revision, read.mteb_version) == ("OwnT2V", "abc", None)
    assert read.scores["all"][0]["recall_at_1"] == measured.record.row("text_to_video")["R@1"] / 100


def test_reranking_scores_the_named_documents_alone(
    measured: Measured, engine: FinereelSearch
) -> None:
    task = retrieval_task(measured.split, measured.files, "text_to_video", "Drawn")
    tables = task.dataset["default"]["test"]
    named = {
        caption.id: [caption.video_id, measured.split.videos[(row + 1) % CLIPS]]
        for row, caption in enumerate(measured.split.captions)
    }
    tables["top_ranked"] = named
    (scores,) = run(engine, task).scores["test"]
    matrix, right = _matrix(measured)
    others = (np.arange(CLIPS) + 1) % CLIPS
    rows = np.arange(CLIPS)
    assert scores["recall_at_1"] == np.mean(matrix[rows, right] > matrix[rows, others])
    wrong = {**named, measured.split.captions[0].id: ["nowhere.mp4"]}
    asked = {"task_metadata": task.metadata, "top_k": 5, "top_ranked": wrong}
    with pytest.raises(DataError, match=r"'nowhere\.mp4', which is no document"):
        engine.search(tables["queries"], **asked)


def _matrix(measured: Measured) -> tuple[np.ndarray, np.ndarray]:
    assert measured.record.scores is not None
    found = measured.record.scores["text_to_video"]
    return found.matrix, found.right


def test_videos_as_bytes_score_as_files_do(measured: Measured, engine: FinereelSearch) -> None:
    from datasets import Dataset, Features, Value, Video

    task = retrieval_task(measured.split, measured.files, "text_to_video", "Drawn")
    few = measured.split.videos[:2]
    content = [{"bytes": measured.files[name].read_bytes(), "path": name} for name in few]
    corpus = Dataset.from_dict(
        {"id": list(few), "video": content}, Features({"id": Value("string"), "video": Video()})
    )
    settings = {
        "task_metadata": task.metadata,
        "hf_split": "test",
        "hf_subset": "default",
        "encode_kwargs": {},
    }
    engine.index(corpus, **settings)
    queries = task.dataset["default"]["test"]["queries"]
    found = engine.search(queries, top_k=10, **settings)
    matrix, _ = _matrix(measured)
    for row, caption in enumerate(measured.split.captions):
        assert found[caption.id] == pytest.approx(
            dict(zip(few, matrix[row, :2].tolist(), strict=True)), abs=1e-5
        )
    one = engine.search(queries, top_k=1, **settings)
    assert {len(hits) for hits in one.values()} == {1}

    content[1] = {"bytes": b"no video at all", "path": "broken.mp4"}
    broken = Dataset.from_dict(
        {"id": list(few), "video": content}, Features({"id": Value("string"), "video": Video()})
    )
    with pytest.raises(ValueError, match=few[1]):
        engine.index(broken, **settings)


def test_what_cannot_be_scored_is_refused(measured: Measured, engine: FinereelSearch) -> None:
    task = retrieval_task(measured.split, measured.files, "text_to_video", "Drawn")
    tables = task.dataset["default"]["test"]
    settings = {"hf_split": "test", "hf_subset": "default", "encode_kwargs": {}}
    asked = {**settings, "task_metadata": task.metadata, "top_k": 5}
    with pytest.raises(ConfigError, match="call index"):
        FinereelSearch(engine.model).search(tables["queries"], **asked)
    texts = task.metadata.model_copy(update={"category": "t2t", "modalities": ["text"]})
    engine.index(tables["queries"], task_metadata=texts, **settings)
    with pytest.raises(ConfigError, match="both texts"):
        engine.search(tables["queries"], **asked)
    sounds = task.metadata.model_copy(update={"category": "t2a", "modalities": ["text", "audio"]})
    with pytest.raises(ConfigError, match="this task has audio"):
        engine.index(tables["corpus"], task_metadata=sounds, **settings)
    with pytest.raises(DataError, match="no file for"):
        retrieval_task(measured.split, {}, "text_to_video")


def test_msrvtt_of_mteb_is_never_called_1k_a(measured: Measured, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="879 videos"):
        write_result(measured.record, tmp_path / "a.json", "MSRVTTT2V")
    write_result(measured.record, tmp_path / "a.json", "OwnT2V")
    written = json.loads((tmp_path / "a.json").read_text("utf-8"))
    (tmp_path / "b.json").write_text(json.dumps({**written, "task_name": "MSRVTTT2V"}), "utf-8")
    (row,) = read_result(tmp_path / "b.json")
    assert "not 1k-A" in row.label
    assert "879" in row.label


@pytest.mark.parametrize(
    "content", ["[]", "{}", "{", '{"task_name": "a", "scores": 3}', "[" * 9999]
)
def test_other_files_are_no_results(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content, "utf-8")
    with pytest.raises(DataError, match="expected a result file of MTEB"):
        read_result(tmp_path / "a.json")


def test_several_captions_of_a_video_are_counted_otherwise(
    measured: Measured, tmp_path: Path
) -> None:
    facts = replace(measured.record.dataset, captions=2 * CLIPS)
    with pytest.raises(ConfigError, match="one item of the gallery"):
        write_result(
            replace(measured.record, dataset=facts), tmp_path / "a.json", "OwnV2T", "video_to_text"
        )


class BrightnessModel:
    """A model of MTEB: texts by their length, pictures by their mean colour."""

    def __init__(self, modalities: list[str]) -> None:
        from mteb.models.model_meta import ModelMeta

        self.mteb_model_meta = ModelMeta.create_empty().model_copy(
            update={"name": "toys/brightness", "revision": "r1", "modalities": modalities}
        )
        self.prompts: list[str] = []

    def encode(self, inputs: Any, *, task_metadata: Any, prompt_type: Any, **_: Any) -> Any:
        self.prompts.append(f"{prompt_type.value} of {task_metadata.category}")
        assert set(inputs.dataset.features) <= {"text", "image"}
        vectors = []
        for batch in inputs:
            for text in batch.get("text", ()):
                vectors.append([len(text), 1.0, 0.0])
            for picture in batch.get("image", ()):
                vectors.append(np.asarray(picture).reshape(-1, 3).mean(0))
        return np.array(vectors)


def test_a_model_of_mteb_scores_here(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    import mteb

    from finereel.data.frames import FrameSettings, FrameStore
    from finereel.finegrain.evaluate.scorer import Opening
    from finereel.finegrain.evaluate.scorers import open_scorer

    toy = BrightnessModel(["text", "image"])
    monkeypatch.setattr(mteb, "get_model", lambda name, device: toy)
    clips = FrameStore(
        measured.folder / "clips", measured.folder / "cache", FrameSettings(12, image_size=32)
    )
    scorer = open_scorer("mteb", "toys/brightness", Opening(lambda needs: clips))
    part = measured.split.only(measured.split.videos[:3])
    scored = scorer.score_split(part)
    assert scorer.facts.name == "toys/brightness@r1"
    assert toy.prompts == ["document of t2i", "query of t2i"]
    read = clips.read(part.videos)
    expected = []
    for frames, mask in zip(read.frames, read.frame_mask, strict=True):
        means = frames[mask].reshape(int(mask.sum()), -1, 3).mean(1)
        units = means / np.linalg.norm(means, axis=1, keepdims=True)
        video = units.mean(0) / np.linalg.norm(units.mean(0))
        texts = np.array([[len(caption.text), 1.0, 0.0] for caption in part.captions])
        expected.append((texts / np.linalg.norm(texts, axis=1, keepdims=True)) @ video)
    assert np.allclose(scored.scores["video_sentence"], np.array(expected).T, atol=1e-5)
    with pytest.raises(ModelError, match="takes text, video"):
        MtebEncoder(BrightnessModel(["text", "video"]))


def test_a_broken_video_is_named(engine: FinereelSearch, tmp_path: Path) -> None:
    from finereel.data.base import Caption

    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"\0" * 64)
    split = Split("all", ("a",), (Caption("c", "a", "a dog"),))
    with pytest.raises(BrokenVideoError, match="video 'a'"):
        run(engine, retrieval_task(split, {"a": tmp_path / "a.mp4"}))
