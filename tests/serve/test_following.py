"""The library of a server: it follows commits, rebuilds and disappearances, and every answer is that
of one state.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from finereel.errors import FinereelError, LibraryNotFoundError, QueryError
from finereel.index.query import Query
from finereel.library import Library
from finereel.serve.following import FollowedLibrary
from index.doubles import ToyModel, ToySource, write_video

SECONDS = 30


@pytest.fixture
def writer(tmp_path: Path) -> Library:
    write_video(tmp_path / "videos" / "dog.toy", "dog")
    made = Library.open(tmp_path / "library", ToyModel(), ToySource())
    made.add([tmp_path / "videos"])
    return made


@pytest.fixture
def states() -> list[FinereelError | None]:
    return []


@pytest.fixture
def followed(writer: Library, states: list[FinereelError | None]) -> Iterator[FollowedLibrary]:
    library = FollowedLibrary(writer.path, ToyModel(), ToySource())
    library.follow(states.append)
    until(lambda: states == [None])
    yield library
    library.leave()


def until(true: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < SECONDS
        time.sleep(0.02)


def test_new_commits_answer_once_they_are_ready(
    writer: Library, followed: FollowedLibrary, states: list[object]
) -> None:
    before = followed.answer(Query("cat")).commit
    write_video(writer.path.parent / "videos" / "cat.toy", "cat")
    writer.add([writer.path.parent / "videos"])
    until(lambda: len(states) > 1)
    until(lambda: followed.answer(Query("cat")).commit == writer.commit())
    answer = followed.answer(Query("cat"))
    assert answer.commit > before
    assert Path(answer.hits[0].video).name == "cat.toy"
    assert followed.search("cat", 1)[0].video == answer.hits[0].video


def test_catching_up_needs_no_patience(writer: Library, followed: FollowedLibrary) -> None:
    write_video(writer.path.parent / "videos" / "cow.toy", "cow")
    writer.add([writer.path.parent / "videos"])
    followed.catch_up()
    assert followed.answer(Query("cow")).commit == writer.commit()
    ready = followed.search("cow", 1)
    followed.catch_up()
    assert followed.search("cow", 1) == ready


def test_a_library_that_goes_is_told_and_its_return_too(
    writer: Library, followed: FollowedLibrary, states: list[object]
) -> None:
    aside = writer.path.with_name("aside")
    writer.path.rename(aside)
    until(lambda: isinstance(states[-1], LibraryNotFoundError))
    with pytest.raises(LibraryNotFoundError):
        followed.search("dog")
    aside.rename(writer.path)
    until(lambda: states[-1] is None)
    assert len(followed.search("dog")) == 1


def test_files_that_vanish_at_once_are_an_error_of_the_library(
    writer: Library, followed: FollowedLibrary
) -> None:
    followed.leave()
    shutil.rmtree(writer.path)
    with pytest.raises(FinereelError, match="there is no library"):
        followed.search("dog", candidates=None)


def test_wrong_questions_stay_wrong_questions(followed: FollowedLibrary) -> None:
    with pytest.raises(QueryError, match="empty"):
        followed.search(" ")


def test_a_rebuilt_library_answers_with_its_new_model(
    tmp_path: Path, writer: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {ToyModel(seed).fingerprint: ToyModel(seed) for seed in (0, 1)}
    library = FollowedLibrary(writer.path, None, ToySource())

    def own_model() -> ToyModel:
        if library._model is None:
            library._model = models[library._existing().manifest.model.fingerprint]
        return library._model

    monkeypatch.setattr(library, "_load_model", own_model)
    library.catch_up()
    first = library.search("dog")
    writer.rebuild(ToyModel(1))
    library.catch_up()
    second = library.search("dog")
    assert [hit.video for hit in first] == [hit.video for hit in second]
    assert library._model is models[ToyModel(1).fingerprint]
