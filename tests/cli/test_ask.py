"""`finereel ask`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import ToyLibrary
from finereel.index.question import LeadConfidence, QuestionAnswer, RankedOption

ANSWERS = (
    RankedOption("running", "the man is running", "rewritten", 2.5, 0.75, {"video_sentence": 2.5}),
    RankedOption("walking", "the man is walking", "rewritten", 1.5, 0.25, {"video_sentence": 1.5}),
)
SURE = LeadConfidence(3 / 201, 200)


@pytest.fixture
def asked(library: type[ToyLibrary]) -> list[Any]:
    """What the library double was asked; it answers ANSWERS, with the confidence that comes last."""
    calls: list[Any] = [SURE]

    def ask(self: ToyLibrary, *arguments: Any) -> QuestionAnswer:
        calls.append(arguments)
        return QuestionAnswer("/v/a.mp4", arguments[1], ANSWERS, calls[0])

    library.ask = ask  # type: ignore[attr-defined]
    return calls


def test_answers_and_how_clear_they_are(run: Callable[..., Any], asked: list[Any]) -> None:
    result = run("ask", "a.mp4", "is the man running or walking?")
    assert result.exit_code == 0
    assert asked[1:] == [(Path("a.mp4"), "is the man running or walking?", [])]
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["#", "answer", "statement", "score", "share"]
    assert "the man is running" in lines[1]
    assert lines[1].endswith("75 %")
    assert lines[-1] == (
        "a clear answer: the first one leads the second by more than on 99 % of other clips here"
    )


@pytest.mark.parametrize(
    ("options", "answers"),
    [
        (("--options", "running, walking"), ["running", "walking"]),
        (("--option", "red, not blue", "--option", "blue"), ["red, not blue", "blue"]),
        (("--options", "a,b,", "--option", "c"), ["a", "b", "c"]),
    ],
)
def test_answers_come_in_two_ways(
    run: Callable[..., Any], asked: list[Any], options: tuple[str, ...], answers: list[str]
) -> None:
    assert run("ask", "a.mp4", "what", "is", "it", *options).exit_code == 0
    assert asked[1:] == [(Path("a.mp4"), "what is it", answers)]


@pytest.mark.parametrize(
    ("sure", "begins"),
    [
        (LeadConfidence(0.1, 99), "a possible answer: "),
        (LeadConfidence(0.5, 99), "no clear answer: "),
        (None, "how clearly the first answer leads is not known"),
    ],
)
def test_words_for_every_level(
    run: Callable[..., Any], asked: list[Any], sure: LeadConfidence | None, begins: str
) -> None:
    asked[0] = sure
    assert run("ask", "a.mp4", "is it?").stdout.splitlines()[-1].startswith(begins)


def test_json(run: Callable[..., Any], asked: list[Any]) -> None:
    told = json.loads(run("ask", "a.mp4", "is it?", "--json").stdout)
    assert list(told) == ["video", "question", "answers", "confidence"]
    assert told["confidence"] == {"level": "strong", "p": SURE.p, "clips": 200}
    first = told["answers"][0]
    assert {"option", "statement", "score", "share"} <= set(first)
    assert (first["option"], first["share"]) == ("running", 0.75)
    asked[0] = None
    assert json.loads(run("ask", "a.mp4", "is it?", "--json").stdout)["confidence"] is None
