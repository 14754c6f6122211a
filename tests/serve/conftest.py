"""A small library, and a server for it that the tests of this folder share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from finereel.library import Library
from support.media import BLUE, GREEN, RED, Recipe, make_video
from support.serving import ServerProcess, server_process


def make_library(folder: Path, model: str = "reelworld-tiny") -> Path:
    """Three videos of one colour each, and their library."""
    videos = folder / "videos"
    videos.mkdir(parents=True)
    for name, colour in (("red", RED), ("green", GREEN), ("blue", BLUE)):
        make_video(videos / f"{name}.mp4", Recipe(colour=colour, width=96, height=64))
    library = Library.open(folder / "library", model=model)
    library.add([videos])
    library.close()
    return library.path


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_library(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def server(library: Path) -> Iterator[ServerProcess]:
    with server_process(library) as running:
        yield running
