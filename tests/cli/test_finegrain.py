"""`finereel finegrain evaluate`: released files, captions, twins, records, and what goes wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finereel.data import VIRTUAL
from finereel.data import reelworld as worlds
from finereel.finegrain.evaluate.record_files import load_fine_record
from finereel.finegrain.files import write_negatives
from finereel.finegrain.types import Negative
from finereel.models.saving import save
from finereel.reelworld import sample_scene, twins
from tiny_models import tiny_model

SIZES = {"train": 8, "test": 4}
COMMAND = ("finegrain", "evaluate")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny model, and a ReelWorld of a few scenes."""
    monkeypatch.setitem(VIRTUAL, "reelworld", lambda: worlds.virtual(SIZES))
    save(tiny_model(max_words=24), tmp_path / "model")
    return tmp_path / "model"


def world_negatives() -> list[Negative]:
    """The twins' captions of the test scenes."""
    split, rows = worlds.virtual(SIZES).split("test"), list[Negative]()
    for number, caption in enumerate(split.captions):
        for twin in twins(sample_scene(number, "test")):
            start = caption.text.index(twin.source_word)
            end = start + len(twin.source_word)
            rows.append(
                Negative(
                    f"{caption.id}/{twin.pos}", caption.video_id, caption.id, caption.text, twin.caption,
                    twin.pos, start, end, twin.source_word, twin.replacement, "twin",  # type: ignore[arg-type]
                )
            )  # fmt: skip
    return rows


@pytest.fixture
def negatives(tmp_path: Path) -> Path:
    write_negatives(world_negatives(), tmp_path / "negatives.jsonl")
    return tmp_path / "negatives.jsonl"


def test_one_command_gives_the_record_and_keeps_it(
    run: Any, model: Path, negatives: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    options = (
        "--model",
        model,
        "--negatives",
        negatives,
        "--data",
        "reelworld",
        "--out",
        out,
        "--device",
        "cpu",
    )
    result = run(*COMMAND, *options, "--name", "mine", "--json")
    assert result.exit_code == 0, result.stderr
    described, kept = json.loads(result.stdout), load_fine_record(out)
    assert described["results"] == json.loads(json.dumps(kept.results))
    assert set(kept.results) == {"noun", "verb", "adjective", "adverb", "preposition", "all"}
    row = kept.results["all"]
    assert set(row["baselines"]) == {"trigram", "wrong_video"}
    assert (row["chance"]["pair_accuracy"], row["candidates"]) == (50.0, 2.0)
    assert kept.coarse is not None
    assert (kept.name, kept.negatives.name, kept.negatives.coverage) == (
        "mine",
        "negatives.jsonl",
        "4/4",
    )


def test_the_table_says_what_a_reader_must_know(run: Any, model: Path, negatives: Path) -> None:
    options = (
        "--model",
        model,
        "--negatives",
        negatives,
        "--data",
        "reelworld",
        "--blind",
        "trigram,unigram",
    )
    result = run(*COMMAND, *options, "--split", "none")
    assert result.exit_code == 0, result.stderr
    for word in (
        "MRR",
        "95 %",
        "chance",
        "trigram",
        "unigram",
        "wrong_video",
        "gain",
        "videos 4/4",
    ):
        assert word in result.stdout, word
    assert "coarse" not in result.stdout


def test_released_files_find_their_captions_in_the_data_set(
    run: Any, model: Path, tmp_path: Path
) -> None:
    captions = worlds.virtual(SIZES).split("test").captions
    listed = {
        caption.id: {str(k): caption.text.replace("a ", f"b{k} ", 1) for k in range(20)}
        for caption in captions
    }
    (tmp_path / "world_adverb_RE20.json").write_text(json.dumps(listed))
    options = (
        "--negatives",
        tmp_path / "world_adverb_RE20.json",
        "--data",
        "reelworld",
        "--no-wrong-video",
    )
    result = run(*COMMAND, "--model", model, *options, "--json")
    assert result.exit_code == 0, result.stderr
    row = json.loads(result.stdout)["results"]["adverb"]
    assert (row["captions"], row["candidates"], set(row["baselines"])) == (4, 21.0, {"trigram"})
    assert row["chance"]["MRR"] == pytest.approx(0.1736, abs=1e-4)


def test_twins_are_scored_without_a_file(run: Any, model: Path) -> None:
    result = run(*COMMAND, "--model", model, "--data", "reelworld", "--json")
    assert result.exit_code == 0, result.stderr
    described = json.loads(result.stdout)
    assert set(described["twins"]["rows"]["all"]["fused"]) == {"text", "video", "group"}
    text = described["twins"]["rows"]["noun"]["fused"]["text"]["percent"]
    row = described["results"]["noun"]
    assert row["granularities"]["fused"]["pair_accuracy"] == pytest.approx((text * 1.0), abs=1e-9)


def test_own_videos_have_no_test_split_and_need_none(
    run: Any, tmp_path: Path, negatives: Path
) -> None:
    split = worlds.virtual(SIZES).split("test")
    captions, vectors = tmp_path / "captions.csv", tmp_path / "vectors.npz"
    lines = [f"{caption.video_id},{caption.text},{caption.id}\n" for caption in split.captions]
    captions.write_text("video,caption,id\n" + "".join(lines))
    texts = sorted({text for row in world_negatives() for text in (row.caption, row.negative)})
    rng = np.random.default_rng(0)
    np.savez(
        vectors,
        texts=np.array(texts),
        text_vectors=rng.standard_normal((len(texts), 4)),
        videos=np.array(split.videos),
        video_vectors=rng.standard_normal((len(split.videos), 4)),
    )
    options = ("--scorer", "embeddings", "--model", vectors, "--negatives", negatives)
    result = run(*COMMAND, *options, "--data", "folder", "--annotations", captions, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["coarse"]["split"] == "all"


def test_without_clips_it_asks_for_them(run: Any, tmp_path: Path, negatives: Path) -> None:
    save(tiny_model(), tmp_path / "model")
    result = run(*COMMAND, "--model", tmp_path / "model", "--negatives", negatives)
    assert result.exit_code == 1
    assert "--videos DIR" in result.stderr
    assert "--features DIR" in result.stderr


def test_hard_positives_give_brittleness(
    run: Any, model: Path, negatives: Path, tmp_path: Path
) -> None:
    row = world_negatives()[0]
    line = json.dumps(
        {"caption_id": row.caption_id, "positive": f"see: {row.caption}", "source": "not read"}
    )
    (tmp_path / "positives.jsonl").write_text(line + "\n")
    options = (
        "--negatives",
        negatives,
        "--data",
        "reelworld",
        "--positives",
        tmp_path / "positives.jsonl",
    )
    result = run(
        *COMMAND, "--model", model, *options, "--split", "none", "--blind", "none", "--json"
    )
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["results"]["all"]["brittleness"]["captions"] >= 1


def test_a_file_without_positives_is_named(run: Any, model: Path, negatives: Path) -> None:
    options = ("--negatives", negatives, "--data", "reelworld", "--positives", negatives)
    result = run(*COMMAND, "--model", model, *options)
    assert result.exit_code == 1
    assert "negatives.jsonl" in result.stderr
    assert "positive" in result.stderr


def test_embeddings_need_no_clips(run: Any, negatives: Path, tmp_path: Path) -> None:
    rows = world_negatives()
    texts = sorted({text for row in rows for text in (row.caption, row.negative)})
    videos = sorted({row.video_id for row in rows})
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "vectors.npz",
        texts=np.array(texts),
        text_vectors=rng.standard_normal((len(texts), 4)),
        videos=np.array(videos),
        video_vectors=rng.standard_normal((len(videos), 4)),
    )
    options = (
        "--scorer",
        "embeddings",
        "--model",
        tmp_path / "vectors.npz",
        "--negatives",
        negatives,
    )
    result = run(*COMMAND, *options, "--json")
    assert result.exit_code == 0, result.stderr
    described = json.loads(result.stdout)
    assert described["source"]["source"] == "embeddings"
    assert described["coarse"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "msrvt"), "unknown data set 'msrvt'"),
        (("--data", "reelworld", "--split", "tset"), "unknown split"),
        (("--data", "reelworld", "--split", "none"), "give --negatives FILE"),
        ((), "give --negatives FILE"),
        (("--negatives", "nowhere.jsonl"), "nowhere.jsonl"),
        (("--data", "reelworld", "--scorer", "clip"), "unknown scorer 'clip'"),
        (("--data", "reelworld", "--device", "tpu"), "unknown device 'tpu'"),
    ],
)
def test_wrong_requests_are_explained(
    run: Any, model: Path, options: tuple[str, ...], message: str
) -> None:
    result = run(*COMMAND, "--model", model, *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr


def test_a_record_that_cannot_be_kept_is_said_first(run: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run(
        *COMMAND, "--model", "none", "--negatives", "none.jsonl", "--out", tmp_path / "file"
    )
    assert result.exit_code == 1
    assert "record.json cannot be written" in result.stderr


def test_an_unknown_baseline_is_explained_as_json(run: Any, model: Path, negatives: Path) -> None:
    options = ("--negatives", negatives, "--data", "reelworld", "--blind", "bigram")
    result = run(*COMMAND, "--model", model, *options, "--json")
    assert result.exit_code == 1
    assert "bigram" in json.loads(result.stderr)["error"]["message"]
