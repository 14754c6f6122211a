"""The programs of examples/ run as a person runs them, each in a process of its own."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from finereel.reelworld.export import write
from places import ROOT


def run(name: str, *words: object) -> str:
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_program_is_tested() -> None:
    programs = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert all(name in Path(__file__).read_text(encoding="utf-8") for name in programs)


def test_search_your_videos(tmp_path: Path) -> None:
    write(tmp_path / "videos", 3, 0, "test")
    videos, library = tmp_path / "videos", tmp_path / "my.library"
    words = (videos, "a red car", "--library", library)
    first = run("search_your_videos.py", *words, "--model", "reelworld-tiny")
    assert " videos are new, 0 were here, 0 cannot be read" in first
    assert "video_sentence" in first
    assert run("search_your_videos.py", *words).startswith("0 videos are new")


def test_train_on_features(tmp_path: Path) -> None:
    rng, names = np.random.default_rng(0), [f"v{number}" for number in range(60)]
    (tmp_path / "features").mkdir()
    np.savez(
        tmp_path / "features" / "all.npz",
        ids=names,
        tokens=rng.normal(size=(60, 3, 4, 8)).astype(np.float32),
    )
    with (tmp_path / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["video", "caption"])
        rows.writerows(
            [name, f"thing {number % 7} does {number % 5}"] for number, name in enumerate(names)
        )
    said = run(
        "train_on_features.py",
        tmp_path / "features",
        tmp_path / "captions.csv",
        tmp_path / "out",
        "--steps",
        2,
    )
    assert "text-to-video R@1" in said
    assert (tmp_path / "out" / "model" / "config.json").exists()


def test_evaluate_any_model() -> None:
    said = run("evaluate_any_model.py", "--scenes", 6)
    assert "mean colour" in said
    assert "adjective" in said


def test_write_a_head() -> None:
    assert "changes nothing" in run("write_a_head.py")


@pytest.mark.slow
def test_the_installed_wheel_is_typed_and_runs_outside_the_checkout(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "-o", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    site, user = tmp_path / "site", tmp_path / "user.py"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel],
        check=True,
    )
    user.write_text(
        "import finereel\n"
        'hits: list[finereel.Hit] = finereel.Library.open("x").search("a dog")\n'
        'model: finereel.RetrievalModel = finereel.load_model("reelworld-tiny")\n',
        encoding="utf-8",
    )
    environment = {"PYTHONPATH": str(site), "MYPYPATH": str(site), "PATH": "/usr/bin:/bin"}
    mypy = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-incremental",
        "--follow-imports=silent",
        str(user),
    ]
    done = subprocess.run(
        mypy, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stdout
    code = (
        "import finereel, sys; assert 'site' in finereel.__file__; "
        "print(finereel.load_model('reelworld-tiny').dim)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert ran.returncode == 0, ran.stderr
