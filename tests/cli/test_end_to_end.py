"""The whole command line on real files, a real decoder, a real index and a miniature model."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from finereel.cli.demo_pictures import OWN_QUERIES, QUERIES
from finereel.errors import ModelNotFoundError
from finereel.models.choice import BUNDLED, EVERYDAY
from finereel.models.saving import save
from support.media import BLUE, GREEN, RED, Recipe, make_video
from tiny_models import tiny_model

COLOURS = {"red": RED, "green": GREEN, "blue": BLUE}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save(tiny_model(), folder)
    return folder


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos [1]"
    folder.mkdir()
    for name, colour in COLOURS.items():
        make_video(folder / f"{name}.mp4", Recipe(colour=colour))
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("not a video")
    return folder


@pytest.fixture
def cli(run: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """`cli("status")` -> the JSON value printed about a library in `tmp_path`."""

    def call(*arguments: object) -> Any:
        result = run(*arguments, "--library", tmp_path / "library", "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return call


def test_from_folder_to_answer(
    cli: Callable[..., Any], run: Any, videos: Path, model: Path, tmp_path: Path
) -> None:
    report = cli("index", videos, "--model", model)
    assert (report["indexed"], report["clips"], report["failed"]) == (3, 3, 2)
    again = cli("index", videos)
    assert (again["indexed"], again["unchanged"], again["known_bad"]) == (0, 3, 2)

    hits = cli("search", "a red car", "--top", "2")
    assert len(hits) == 2
    assert {"video", "start", "end", "score", "parts"} <= set(hits[0])
    assert hits[0]["score"] >= hits[1]["score"]
    assert sum(hits[0]["parts"].values()) == pytest.approx(hits[0]["score"], abs=1e-4)
    assert 0 == hits[0]["start"] < hits[0]["end"] <= 2.1

    status = cli("status")
    assert (status["videos"], status["clips"], status["failed"]) == (3, 3, 2)
    problems = cli("doctor")
    assert {Path(problem["path"]).name for problem in problems} == {"empty.mp4", "text.mp4"}
    assert all(problem["error"] for problem in problems)

    captions = tmp_path / "captions.txt"
    captions.write_text("a red car\na small blue fish\n", encoding="utf-8")
    ranked = cli("describe", videos / "red.mp4", "--captions", captions)
    assert sorted(hit["index"] for hit in ranked) == [0, 1]

    assert cli("normalize", "--captions", captions)["normalization"].startswith("bank:")
    assert cli("status")["normalization"].startswith("bank:")
    assert cli("normalize", "--off") == {"normalization": "none"}

    table = run(
        "search", "a red car", "--library", tmp_path / "library", env={"COLUMNS": "240"}
    ).stdout
    assert str(videos / "red.mp4") in table

    assert cli("remove", videos / "red.mp4") == {"removed": 1}
    assert cli("status")["videos"] == 2


def test_another_model_is_refused_and_rebuild_changes_it(
    cli: Callable[..., Any], run: Any, videos: Path, model: Path, tmp_path: Path
) -> None:
    cli("index", videos, "--model", model)
    other = tmp_path / "other"
    save(tiny_model(seed=5), other)
    refused = run("index", videos, "--library", tmp_path / "library", "--model", other)
    assert refused.exit_code == 1
    assert "error: " in refused.stderr
    assert cli("rebuild", "--model", other)["clips"] == 3
    assert cli("status")["model"] == str(other)


@pytest.mark.parametrize("command", [["search", "x"], ["status"], ["doctor"], ["remove", "x"]])
def test_no_library_there(run: Any, tmp_path: Path, command: list[str]) -> None:
    result = run(*command, "--library", tmp_path / "none")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "finereel index" in result.stderr
    assert not (tmp_path / "none").exists()


def test_nothing_to_index(run: Any, model: Path, tmp_path: Path) -> None:
    result = run("index", tmp_path / "nowhere", "--library", tmp_path / "library", "--model", model)
    assert result.exit_code == 1
    assert "nowhere" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the hub's cache, empty, and no `everyday`."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setitem(BUNDLED, EVERYDAY, tmp_path / "absent")
    return tmp_path / "hub"


def test_without_a_named_model_everyday_answers_and_says_so(
    run: Any, no_hub: Path, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "library"
    refused = run("index", videos, "--library", library)
    assert refused.exit_code == 1
    assert "finereel models get openai/clip-vit-base-patch32" in refused.stderr
    assert "model: " not in refused.stderr
    assert not library.exists()

    monkeypatch.setitem(BUNDLED, EVERYDAY, BUNDLED["reelworld-tiny"])
    done = run("index", videos, "--library", library)
    assert done.exit_code == 0, done.stderr
    assert "model: everyday (bundled" in done.stderr
    assert "real time" in done.stdout
    shown = run("status", "--library", library).stdout
    assert "everyday (bundled" in shown
    assert f"finereel rebuild --model clip --library {library}" in " ".join(shown.split())
    assert json.loads(run("status", "--library", library, "--json").stdout)["model"] == EVERYDAY
    searched = run("search", "a red square", "--library", library, "--json")
    assert len(json.loads(searched.stdout)) == 3
    assert "rebuild" not in searched.stdout + searched.stderr


def test_a_library_keeps_its_model_when_a_better_one_arrives(
    run: Any, no_hub: Path, model: Path, videos: Path, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    assert run("index", videos, "--library", library, "--model", "reelworld-tiny").exit_code == 0
    snapshot = no_hub / "models--openai--clip-vit-base-patch32" / "snapshots" / "1"
    shutil.copytree(model, snapshot)
    (snapshot / "config.json").write_text('{"model_type": "clip"}', encoding="utf-8")
    again = run("index", videos, "--library", library)
    assert again.exit_code == 0, again.stderr
    assert "3 unchanged" in again.stdout
    assert "model: reelworld-tiny" in again.stderr
    assert "better: `finereel rebuild --model clip" in again.stderr


def test_a_model_that_is_gone_is_not_downloaded_by_a_search(
    run: Any, no_hub: Path, model: Path, videos: Path, tmp_path: Path
) -> None:
    library, mine = tmp_path / "library", tmp_path / "mine"
    shutil.copytree(model, mine)
    assert run("index", videos, "--library", library, "--model", mine).exit_code == 0
    shutil.rmtree(mine)
    refused = run("search", "a red square", "--library", library)
    assert refused.exit_code == 1
    assert f"{str(mine)!r} is not here" in refused.stderr


def test_a_download_that_was_asked_for_is_announced(
    run: Any, no_hub: Path, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(name: str) -> Path:
        raise ModelNotFoundError(f"{name}: no network")

    monkeypatch.setattr("finereel.models.hub.download", unreachable)
    options = ("--library", tmp_path / "library", "--model")
    named = run("index", videos, *options, "clip")
    assert named.exit_code == 1
    assert named.stderr.startswith("downloading openai/clip-vit-base-patch32 from the hub\n")
    assert "no network" in named.stderr
    assert "downloading" not in run("index", videos, *options, "reelworld-tiny").stderr
    assert "downloading" in run("rebuild", *options, "clip").stderr


def test_a_rebuild_estimates_its_time(
    run: Any, no_hub: Path, model: Path, videos: Path, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    assert run("index", videos, "--library", library, "--model", model).exit_code == 0
    done = run("rebuild", "--model", "reelworld-tiny", "--library", library)
    assert done.exit_code == 0, done.stderr
    assert "rebuilding 3 clips of 12 frames with reelworld-tiny: about 0:0" in done.stderr


def test_models_measures_and_refuses_other_words(
    run: Any, no_hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (drawn, _) = json.loads(run("models", "--json").stdout)
    assert drawn["milliseconds_per_frame"] is None
    (drawn, clip) = json.loads(run("models", "--measure", "--json").stdout)
    assert 0 < drawn["milliseconds_per_frame"] < 1000
    assert clip["milliseconds_per_frame"] is None
    assert run("models", "get").exit_code == 2
    assert run("models", "fetch", "clip").exit_code == 2
    assert "is here" in run("models", "get", "reelworld-tiny").stdout


def test_models_lists_bundled_and_default(run: Any, no_hub: Path) -> None:
    entries = {entry["name"]: entry for entry in json.loads(run("models", "--json").stdout)}
    assert "reelworld-tiny" in entries
    assert [name for name, entry in entries.items() if entry["default"]] == [
        "openai/clip-vit-base-patch32"
    ]
    assert "(default)" in run("models", env={"COLUMNS": "200"}).stdout
    assert "finereel.models.retrieval" in sys.modules


def test_demo(
    run: Any, no_hub: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An untrained model finds little, and the demo says so; what it renders and draws is
    complete.
    """
    monkeypatch.setattr("finereel.cli.demonstration.MODEL", str(model))
    shown = run("demo", tmp_path / "demo", "--scenes", "3")
    assert shown.exit_code == 0, shown.output
    assert "real pictures  left out: no model is here that knows them" in shown.stdout
    assert shown.stdout.count("“") >= 3
    assert "pairs told apart both ways" in shown.stdout
    with Image.open(tmp_path / "demo" / "searches.png") as picture:
        assert picture.width > 1000
    assert not (tmp_path / "demo" / "real.png").exists()

    monkeypatch.setitem(BUNDLED, EVERYDAY, BUNDLED["reelworld-tiny"])
    again = run("demo", tmp_path / "demo", "--scenes", "3")
    assert again.exit_code == 0, again.output
    assert "with the model everyday" in again.stdout
    assert "holds 12 clips" in again.stdout
    assert all(f"“{query}”" in again.stdout for query in QUERIES)
    assert again.stdout.index("“a cat”") < again.stdout.index("rendered before")
    assert "0 videos" in again.stdout
    with Image.open(tmp_path / "demo" / "real.png") as picture:
        assert picture.height > 1000

    other = run("demo", tmp_path / "demo", "--scenes", "4")
    assert other.exit_code == 1
    assert "holds a demo of 3 scenes" in other.stderr


def test_demo_of_own_videos(
    run: Any, no_hub: Path, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = tmp_path / "demo"
    assert "not here" in run("demo", demo, "--videos", videos).stderr
    monkeypatch.setitem(BUNDLED, EVERYDAY, BUNDLED["reelworld-tiny"])
    done = run("demo", demo, "--videos", videos, "--query", "a red ball", "--query", "a fish")
    assert done.exit_code == 0, done.output
    assert [line for line in done.stdout.splitlines() if "“" in line] == [
        "  “a red ball”",
        "  “a fish”",
    ]
    assert "1. " in done.stdout
    assert "missed" not in done.stdout
    assert (demo / "real.png").exists()
    assert {path.name for path in videos.iterdir()} == {
        "red.mp4",
        "green.mp4",
        "blue.mp4",
        "empty.mp4",
        "text.mp4",
    }
    assert run("demo", demo, "--query", "a fish").exit_code == 2
    plain = run("demo", demo, "--videos", videos)
    assert plain.stdout.count("“") == len(OWN_QUERIES)


def test_reelworld_writes_clips_with_twins(run: Any, tmp_path: Path) -> None:
    assert (
        run(
            "reelworld", tmp_path / "out", "--clips", "1", "--seed", "7", "--split", "test"
        ).exit_code
        == 0
    )
    lines = (tmp_path / "out" / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    assert len(records) == 1
    for record in records:
        assert record["split"] == "test"
        assert (tmp_path / "out" / record["video"]).stat().st_size > 1000
        assert all({"pos", "caption", "video"} <= set(twin) for twin in record["twins"])
    refused = run("reelworld", tmp_path / "out", "--clips", "2")
    assert refused.exit_code == 1
    assert "empty" in refused.stderr
    assert run("reelworld", tmp_path / "new", "--split", "nonsense").exit_code == 1
