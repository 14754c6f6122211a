"""Questions about a video: the ranking is that of captions, and the lead is compared with other
clips."""

import logging
import math
from pathlib import Path

import pytest

from finereel.errors import LibraryNotFoundError, QueryError
from finereel.index import question
from finereel.index.question import FEWEST_CLIPS, LeadConfidence, PossibleAnswers
from finereel.library import Library
from index.doubles import ToyModel, ToySource, write_video

OTHERS = FEWEST_CLIPS + 1


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A video of a dog and one of a cat, and others of something else."""
    tmp_path = tmp_path_factory.mktemp("question")
    write_video(tmp_path / "videos" / "dog.toy", "x", "dog")
    write_video(tmp_path / "videos" / "cat.toy", "cat")
    for number in range(OTHERS):
        write_video(tmp_path / "videos" / f"{number}.toy", f"other{number}")
    opened = Library.open(tmp_path / "library", ToyModel(), ToySource())
    opened.add([tmp_path / "videos"])
    return opened


def video(library: Library, name: str) -> Path:
    return library.path.parent / "videos" / f"{name}.toy"


def test_answers_are_ranked_as_captions_are(library: Library) -> None:
    found = library.ask(video(library, "dog"), "what is it?", ["cat", "dog", "yak"])
    captions = ["it is cat", "it is dog", "it is yak"]
    hits = library.describe(video(library, "dog"), captions)
    assert [answer.statement for answer in found.answers] == [hit.caption for hit in hits]
    assert [answer.score for answer in found.answers] == [hit.score for hit in hits]
    assert [answer.parts for answer in found.answers] == [hit.parts for hit in hits]
    assert found.answers[0].option == "dog"
    assert {answer.form for answer in found.answers} == {"rewritten"}
    total = sum(math.exp(hit.score) for hit in hits)
    shares = [answer.share for answer in found.answers]
    assert shares == pytest.approx([math.exp(hit.score) / total for hit in hits])
    assert found.video == str(video(library, "dog"))


def test_the_lead_is_compared_with_every_other_clip(library: Library) -> None:
    path = video(library, "dog")
    found = library.ask(path, "what is it?", ["cat", "dog", "yak"])
    one, other = found.answers[:2]
    lead = one.score - other.score
    above = 0
    files = [file for file in (library.path.parent / "videos").iterdir() if file != path]
    for file in files:
        scores = {
            hit.caption: hit.score
            for hit in library.describe(file, [one.statement, other.statement])
        }
        above += scores[one.statement] - scores[other.statement] >= lead - 1e-4
    assert found.confidence == LeadConfidence((1 + above) / (1 + len(files)), len(files))


def test_a_video_that_is_not_in_the_library_is_compared_with_all(
    library: Library, tmp_path: Path
) -> None:
    outside = write_video(tmp_path / "outside.toy", "dog")
    found = library.ask(outside, "is it dog or cat?")
    assert [answer.option for answer in found.answers] == ["dog", "cat"]
    assert found.confidence is not None
    assert found.confidence.clips == OTHERS + 3


def test_too_few_clips_say_nothing_of_confidence(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question, "FEWEST_CLIPS", OTHERS + 2)
    assert library.ask(video(library, "dog"), "is it dog or cat?").confidence is None
    assert library.ask(video(library, "cat"), "is it dog or cat?").confidence is not None


def test_what_a_person_should_know_is_logged(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "finereel"):
        library.ask(video(library, "dog"), "is it running or walking?")
        assert not caplog.records
        library.ask(video(library, "dog"), "is it running?")
        library.ask(video(library, "dog"), "why?", ["it rains", "it snows"])
    denied, joined = [record.getMessage() for record in caplog.records]
    assert '"not"' in denied
    assert '"why: it rains"' in joined


@pytest.mark.parametrize(
    ("asked", "options", "why"),
    [
        ("where is it?", [], "names no answers"),
        ("where is it?", ["here"], "two or more"),
        ("does it run or walk?", ["run", "runs"], "differ"),
        ("", ["a", "b"], "empty"),
        ("what is it?", ["a", " "], "empty"),
        ("what is it?", "ab", "list of texts"),
    ],
)
def test_what_cannot_be_answered(
    library: Library, asked: str, options: list[str], why: str
) -> None:
    with pytest.raises(QueryError, match=why):
        library.ask(video(library, "dog"), asked, options)


def test_no_library(tmp_path: Path) -> None:
    with pytest.raises(LibraryNotFoundError):
        Library.open(tmp_path, ToyModel(), ToySource()).ask("a.toy", "is it dog or cat?")


def test_the_question_names_the_answers() -> None:
    assert PossibleAnswers.of("is it red or blue?", ()).texts == ["it is red", "it is blue"]
