"""Other backbones end to end: directories that `transformers` made, indexed and searched, every
command in a process of its own.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.media import BLUE, RED, Recipe, make_video
from tiny_directories import chinese_clip, siglip, siglip2

MAKERS = {"siglip": siglip, "siglip2": siglip2, "chinese_clip": chinese_clip}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name, colour in (("red", RED), ("blue", BLUE)):
        make_video(folder / f"{name}.mp4", Recipe(colour=colour))
    return folder


def finereel(folder: Path, *arguments: str) -> Any:
    """The JSON value that a command prints."""
    command = [sys.executable, "-m", "finereel", *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{arguments}: {done.stderr[-2000:]}"
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_directory_of_transformers_is_indexed_and_searched(
    tmp_path: Path, videos: Path, kind: str
) -> None:
    make: Callable[[Path], Any] = MAKERS[kind]
    make(tmp_path / "model")
    library = ("--library", "library")
    indexed = finereel(tmp_path, "index", str(videos), "--model", "model", *library)
    assert indexed["indexed"] == 2
    hits = finereel(tmp_path, "search", "a red car", *library)
    assert {Path(hit["video"]).stem for hit in hits} == {"red", "blue"}
    assert set(hits[0]["parts"]) == {"video_sentence", "frame_sentence"}
    assert finereel(tmp_path, "search", "a red car", *library) == hits
