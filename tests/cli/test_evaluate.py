"""`finereel evaluate`: from a model and a data set to a table and a record."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from records import make_record
from rich.console import Console

from finereel.cli import progress
from finereel.cli.evaluate import facts
from finereel.data import VIRTUAL
from finereel.data import reelworld as worlds
from finereel.data.moment_files import FoundMoments, MomentQuery
from finereel.evaluation.record_files import load_record
from finereel.index import moment_benchmark
from finereel.index.calibration import load_calibration
from finereel.index.moment_benchmark import MomentResult
from finereel.models.saving import load, save
from finereel.text.query import read_query
from tiny_models import FRAMES, IMAGE, tiny_model

SIZES = {"train": 8, "val": 4, "test": 5}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny model, and a ReelWorld of a few scenes."""
    monkeypatch.setitem(VIRTUAL, "reelworld", lambda: worlds.virtual(SIZES))
    save(tiny_model(), tmp_path / "model")
    return tmp_path / "model"


def test_the_table_has_both_directions_intervals_protocol_and_coverage(
    run: Any, model: Path
) -> None:
    result = run("evaluate", "--model", model, "--data", "reelworld", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    head, *rows = result.stdout.splitlines()
    assert all(
        column in head for column in ("R@1", "95 % interval", "R@5", "R@10", "MdR", "protocol")
    )
    fused = [row for row in rows if " fused " in row]
    assert [row.split()[0] for row in fused] == ["text_to_video", "video_to_text"]
    assert all(" to " in row and "none" in row for row in fused)
    assert "coverage 5/5" in result.stdout
    assert "NOT THE BENCHMARK" not in result.stdout


def test_what_makes_the_numbers_say_less_is_told(
    run: Any, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captions cut at the window, doubled captions, and a split of five videos."""
    whole = worlds.virtual(SIZES)
    test = whole.split("test")
    first = replace(test.captions[1], text=test.captions[0].text)
    long = replace(test.captions[2], text="a red car moves " * 30)
    captions = (test.captions[0], first, long, *test.captions[3:])
    changed = replace(whole, splits={**whole.splits, "test": replace(test, captions=captions)})
    monkeypatch.setitem(VIRTUAL, "reelworld", lambda: changed)
    asked = ("evaluate", "--model", model, "--data", "reelworld")
    result = run(*asked, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    read = load(model)
    cut = [
        caption.id
        for caption in captions
        if read_query(caption.text, read.tokenizer, read.config.max_words).cut
    ]
    assert long.id in cut
    assert f"cut: {len(cut)} of 5 captions ({len(cut) / 5:.1%}) are longer than" in result.stdout
    assert "doubled: 2 captions have the words of another video's caption" in result.stdout
    assert "TOO SMALL TO SAY MUCH: with 5 videos R@1 lies anywhere from" in result.stdout
    kept = load_record(tmp_path / "run")
    assert (kept.dataset.captions_cut, kept.dataset.doubled) == (len(cut), 2)
    counted = run(*asked, "--doubled-right", "--out", tmp_path / "right")
    assert "that video counts as right" in counted.stdout
    fuller = load_record(tmp_path / "right")
    assert fuller.row("text_to_video")["R@1"] >= kept.row("text_to_video")["R@1"]
    assert fuller.scores is not None
    assert sorted(map(tuple, fuller.scores["text_to_video"].also_right.tolist())) == [
        (0, 1),
        (1, 0),
    ]


@pytest.mark.parametrize(("videos", "small"), [(3, True), (12, True), (57, True), (58, False)])
@pytest.mark.parametrize("skill", [0.0, 9.0])
def test_a_small_split_says_so_whatever_came_out(videos: int, small: bool, skill: float) -> None:
    """Also where R@1 is 0 or 100, whose interval is narrow."""
    scores = (np.eye(videos) - 0.5) * skill - 0.1 * np.eye(videos)
    lines = facts(make_record(scores))
    assert any(line.startswith("TOO SMALL TO SAY MUCH") for line in lines) == small, lines


def test_calibration_is_kept_in_the_models_card_and_told(
    run: Any, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("evaluate", "--model", model, "--data", "reelworld", "--calibrate")
    refused = run(*asked)
    assert refused.exit_code != 0
    assert "calibration needs 50 videos or more, got 5" in refused.stderr
    before = load(model).fingerprint
    monkeypatch.setitem(VIRTUAL, "reelworld", lambda: worlds.virtual({**SIZES, "val": 55}))
    result = run(*asked, "--split", "val", "--json")
    assert result.exit_code == 0, result.stderr
    assert "calibration error" in result.stderr
    assert "calibration" not in json.loads(result.stdout)["model"]["card"]
    after = load(model)
    assert after.fingerprint == before
    known = load_calibration(after.card, after.fingerprint)
    assert known is not None
    assert (known.data, known.videos) == ("reelworld/val", 55)
    assert run(*asked, "--normalization", "dsl").exit_code == 2


def test_a_matrix_of_another_program_makes_an_ordinary_record(
    run: Any, model: Path, tmp_path: Path
) -> None:
    own = ("evaluate", "--data", "reelworld", "--out", tmp_path / "own", "--model", model)
    assert run(*own).exit_code == 0
    kept = load_record(tmp_path / "own")
    assert kept.scores is not None
    np.save(tmp_path / "theirs.npy", kept.scores["text_to_video"].matrix)
    asked = ("evaluate", "--data", "reelworld", "--scores", tmp_path / "theirs.npy")
    result = run(*asked, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    found = load_record(tmp_path / "run")
    assert found.name == "theirs"
    for way in ("text_to_video", "video_to_text"):
        assert found.row(way) == kept.row(way)
    assert run("compare", tmp_path / "own", tmp_path / "run").exit_code == 0
    np.save(tmp_path / "small.npy", np.eye(3))
    refused = run(*asked[:-1], tmp_path / "small.npy")
    assert "expected scores of 5 captions (rows) and 5 videos (columns)" in refused.stderr
    assert run(*asked, "--model", model).exit_code == 2
    (tmp_path / "no.npy").write_text("no matrix")
    assert "write it with numpy.save" in run(*asked[:-1], tmp_path / "no.npy").stderr


def test_json_is_the_record_that_is_kept(run: Any, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = run(
        "evaluate",
        "--model",
        model,
        "--data",
        "reelworld",
        "--out",
        out,
        "--name",
        "mine",
        "--json",
    )
    described, kept = json.loads(result.stdout), load_record(out)
    assert described["results"] == json.loads(json.dumps(kept.results))
    assert (kept.name, kept.reload_verified, kept.dataset.coverage) == ("mine", True, "5/5")
    assert (kept.source["image_size"], kept.source["num_frames"]) == (str(IMAGE), str(FRAMES))
    assert kept.scores is not None


def test_a_data_set_with_one_split_is_measured_on_it(
    run: Any, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = worlds.virtual(SIZES)
    alone = replace(whole, splits={"all": replace(whole.split("val"), name="all")}, selection=None)
    monkeypatch.setitem(VIRTUAL, "reelworld", lambda: alone)
    np.save(tmp_path / "scores.npy", np.eye(4))
    result = run("evaluate", "--scores", tmp_path / "scores.npy", "--data", "reelworld")
    assert result.exit_code == 0, result.stderr
    assert "data: reelworld/all" in result.stdout


def test_without_a_terminal_progress_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Console(file=io.StringIO(), force_terminal=False)
    with progress.StageBars(screen) as told:
        told("clips", 1, 4000)
        monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
        told("clips", 2000, 4000)
    assert screen.file.getvalue().splitlines() == ["clips: 2,000 of 4,000"]  # type: ignore[attr-defined]


def test_a_normalisation_is_told(run: Any, model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    options = ("--model", model, "--data", "reelworld", "--normalization", "bank", "--cache", cache)
    result = run("evaluate", *options)
    assert result.exit_code == 0, result.stderr
    assert "normalization bank, text_to_video" in result.stdout
    assert list(cache.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "msrvt"), "unknown data set 'msrvt'"),
        (("--data", "reelworld", "--split", "tset"), "unknown split"),
        (("--data", "reelworld", "--normalization", "sk"), "unknown normalization 'sk'"),
        (("--data", "reelworld", "--device", "tpu"), "unknown device 'tpu'"),
    ],
)
def test_wrong_names_are_explained(
    run: Any, model: Path, options: tuple[str, ...], message: str
) -> None:
    result = run("evaluate", "--model", model, *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr


def test_errors_are_json_where_json_was_asked_for(run: Any, model: Path) -> None:
    result = run("evaluate", "--model", model, "--data", "msrvtt", "--json")
    assert json.loads(result.stderr)["error"]["type"] == "ConfigError"


def test_partial_coverage_is_shouted(capsys: pytest.CaptureFixture[str]) -> None:
    from dataclasses import replace

    from records import make_record, random_scores

    from finereel.cli.evaluate import print_record

    record = make_record(random_scores(6, 6, 0))
    facts = replace(record.dataset, coverage="6/8", missing={"v8": "no file", "v9": "no file"})
    print_record(replace(record, dataset=facts))
    assert (
        "NOT THE BENCHMARK: 2 videos could not be read, first v8: no file"
        in capsys.readouterr().out
    )


def test_moments_are_measured_from_the_sets_own_files(
    run: Any, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def measured(model: object, queries: list[MomentQuery], folder: Path, *more: object) -> Any:
        asked.append((queries, folder))
        found = FoundMoments(queries[0], ((24.0, 30.0),), (1.5,))
        metrics = {"R1@0.5": 50.0, "R1@0.7": 25.0, "mAP": 40.0}
        intervals = dict.fromkeys(metrics, (10.0, 90.0))
        return MomentResult((found,), {"B": "no file"}, metrics, intervals)

    monkeypatch.setattr(moment_benchmark, "measure_moments", measured)
    (tmp_path / "charades_sta_test.txt").write_text("A 24.3 30.4##it lights.\nB 0 1##it waits.\n")
    command = ("evaluate", "--model", model, "--data", "charades", "--annotations", tmp_path)
    result = run(*command, "--videos", tmp_path / "v", "--out", tmp_path / "out", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    assert "R1@0.7   25.0 (10.0 to 90.0)" in result.stdout
    assert "1 of 2 queries of charades, test" in result.stdout
    assert "1 videos could not be read" in result.stderr
    (line,) = (tmp_path / "out" / "moments.jsonl").read_text().splitlines()
    assert json.loads(line)["pred_relevant_windows"] == [[24.0, 30.0, 1.5]]
    assert [query.video_id for query in asked[0][0]] == ["A", "B"]
    told = json.loads(run(*command, "--videos", tmp_path, "--json", "--device", "cpu").stdout)
    assert told["metrics"]["mAP"] == 40.0
    assert told["missing"] == {"B": "no file"}
    assert run(*command).exit_code == 2
    assert run(*command, "--videos", tmp_path, "--normalization", "bank").exit_code == 2


def test_any_scorer_gives_a_record(run: Any, model: Path, tmp_path: Path) -> None:
    split = VIRTUAL["reelworld"]().split("test")
    rng = np.random.default_rng(0)
    texts = sorted({caption.text for caption in split.captions})
    arrays = {
        "texts": np.array(texts),
        "text_vectors": rng.standard_normal((len(texts), 8)).astype(np.float32),
        "videos": np.array(split.videos),
        "video_vectors": rng.standard_normal((len(split.videos), 8)).astype(np.float32),
    }
    np.savez(tmp_path / "mine.npz", **arrays)
    asked = ("evaluate", "--model", tmp_path / "mine.npz", "--scorer", "embeddings")
    done = run(*asked, "--data", "reelworld", "--out", tmp_path / "run")
    assert done.exit_code == 0, done.stderr
    record = load_record(tmp_path / "run")
    units = {
        name: arrays[name] / np.linalg.norm(arrays[name], axis=1, keepdims=True)
        for name in ("text_vectors", "video_vectors")
    }
    rows = [texts.index(caption.text) for caption in split.captions]
    cosines = units["text_vectors"][rows] @ units["video_vectors"].T
    own = cosines[np.arange(len(rows)), split.video_of_caption]
    ranks = 1 + (cosines > own[:, None] + 1e-6).sum(1)
    found = record.queries["text_to_video"].ranks["fused"]
    assert found.optimistic.tolist() == ranks.tolist()
    assert len(set(ranks.tolist())) > 1
    assert (record.model.name, record.model.head) == ("mine", "cosine")
    assert record.dataset.coverage == "5/5"
    assert (
        run("evaluate", "--model", model, "--data", "reelworld", "--out", tmp_path / "o").exit_code
        == 0
    )
    assert run("compare", tmp_path / "run", tmp_path / "o").exit_code == 0
    assert run(*asked, "--data", "reelworld", "--normalization", "dsl").exit_code == 2
    unknown = run("evaluate", "--model", model, "--scorer", "oracle", "--data", "reelworld")
    assert "unknown scorer 'oracle'" in unknown.stderr
