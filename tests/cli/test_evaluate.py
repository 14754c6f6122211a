"""`finereel evaluate`: from a model and a data set to a table and a record."""

import json
from pathlib import Path
from typing import Any

import pytest

from finereel.data import VIRTUAL
from finereel.data import reelworld as worlds
from finereel.data.moment_files import FoundMoments, MomentQuery
from finereel.evaluation.record_files import load_record
from finereel.index import moment_benchmark
from finereel.index.moment_benchmark import MomentResult
from finereel.models.saving import save
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
