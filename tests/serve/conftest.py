"""A small library, and a server for it that the tests of this folder share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from finereel.library import Library
from support.media import BLUE, GREEN, RED, Recipe, make_video
from support.serving import BYTES, HOSTILE, ServerProcess, server_process

SUBTITLES = "1\n00:00:00,000 --> 00:00:01,000\n<script>alert(2)</script>fish & chips\n"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos of one colour each, one of them with subtitles, and their library."""
    folder = tmp_path_factory.mktemp("served")
    videos = folder / "videos"
    videos.mkdir()
    for name, colour in (("red.mp4", RED), (BYTES, GREEN), (HOSTILE, BLUE)):
        make_video(videos / name, Recipe(colour=colour, width=96, height=64))
    (videos / "red.srt").write_text(SUBTITLES)
    made = Library.open(folder / "library", model="reelworld-tiny")
    made.add([videos])
    made.close()
    return made.path


@pytest.fixture(scope="session")
def server(library: Path) -> Iterator[ServerProcess]:
    with server_process(library) as running:
        yield running
