"""`finereel explain` and `search --explain`."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cli.conftest import ToyLibrary
from finereel.cli.explain import address_of, check_lines
from finereel.errors import QueryError
from finereel.index.evidence import WordEvidence
from finereel.index.explain import Evidence
from finereel.index.places import Box, WordPlace
from finereel.types import Hit

WORDS = (
    WordEvidence("car", 6, 9, "noun", "supported", None, 2.0, 1.0),
    WordEvidence("runs", 10, 14, "verb", "contradicted", "rolls", -1.5, 0.2),
    WordEvidence("slowly", 15, 21, "adverb", "not checked", None, None, None),
)
HIT = Hit("/v/a.mp4", 0.0, 10.0, 0.7, {"video_sentence": 0.5, "patch_word": 0.2}, 4.0, "id")
PLACE = WordPlace("car", 2, 4.0, Box(0.25, 0.25, 0.5, 0.5), 0.4, 0.1)
FOUND = Evidence(
    "a red car runs slowly",
    HIT,
    WORDS,
    (PLACE,),
    ("a note",),
    np.full((60, 80, 3), 128, np.uint8),
    4.0,
)


@pytest.fixture
def asked(library: type[ToyLibrary]) -> list[Any]:
    """What the library double was asked to explain; it answers FOUND."""
    calls: list[Any] = []

    def explain(self: ToyLibrary, *arguments: Any) -> Evidence:
        calls.append(arguments)
        return FOUND

    def words(self: ToyLibrary, text: str, hits: list[Hit]) -> list[tuple[WordEvidence, ...]]:
        calls.append((text, len(hits)))
        return [WORDS for _ in hits]

    library.explain, library.words = explain, words  # type: ignore[attr-defined]
    return calls


def test_words_and_places_are_printed(run: Callable[..., Any], asked: list[Any]) -> None:
    result = run("explain", "a red car runs slowly", "1")
    assert result.exit_code == 0
    assert asked == [("a red car runs slowly", 1, None)]
    for said in ("contradicted: rather 'rolls'", "supported", "not checked", "+2.00", "0:04.0"):
        assert said in result.stdout
    assert "video-sentence 0.500, patch-word 0.200" in result.stdout
    assert "25% to 50% from the left" in result.stdout
    assert "note: a note" in result.stderr


def test_json_is_one_value(run: Callable[..., Any], asked: list[Any]) -> None:
    found = json.loads(run("explain", "q", "/v/a.mp4@4", "--json").stdout)
    assert asked == [("q", Path("/v/a.mp4"), 4.0)]
    assert found["words"][1]["rather"] == "rolls"
    assert found["places"][0]["box"]["left"] == 0.25
    assert sum(found["hit"]["parts"].values()) == pytest.approx(found["hit"]["score"])


def test_a_picture_shows_the_box(run: Callable[..., Any], asked: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "deep" / "why.png"
    assert run("explain", "q", "1", "--picture", path).exit_code == 0
    with Image.open(path) as page:
        assert page.width > 700
        assert {(240, 228, 66), (0, 114, 178), (213, 94, 0)} <= {
            colour for _, colour in page.convert("RGB").getcolors(1 << 24)
        }


@pytest.mark.parametrize(
    ("hit", "address"),
    [
        ("3", (3, None)),
        ("a.mp4", (Path("a.mp4"), None)),
        ("a.mp4@12.5", (Path("a.mp4"), 12.5)),
        ("a@b.mp4", (Path("a@b.mp4"), None)),
    ],
)
def test_addresses(hit: str, address: tuple[Any, Any]) -> None:
    assert address_of(hit) == address


def test_a_file_named_like_a_rank_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("3").touch()
    assert address_of("3") == (Path("3"), None)
    with pytest.raises(QueryError, match="from 1"):
        address_of("0")


def test_misuse_is_explained(run: Callable[..., Any], asked: list[Any]) -> None:
    assert "expected a QUERY and a HIT" in run("explain", "q").stderr
    assert ".png" in run("explain", "q", "1", "--picture", "a.gif").stderr
    assert asked == []


def test_search_adds_words_to_each_hit(run: Callable[..., Any], asked: list[Any]) -> None:
    found = json.loads(run("search", "a car", "--json", "--explain").stdout)
    assert [hit["words"][0]["verdict"] for hit in found] == ["supported"] * 3
    assert asked == [("a car", 3)]
    assert "words" not in json.loads(run("search", "a car", "--json").stdout)[0]
    second = json.loads(run("search", "a car", "--json-version", "2", "--explain").stdout)
    assert len(second["hits"][0]["words"]) == 3
    assert "runs contradicted: rather 'rolls'" in run("search", "a car", "--explain").stdout


def test_a_check_without_places_says_why() -> None:
    row = {"auroc": 0.9, "pair_accuracy": 95.0, "true": 4}
    verdicts = {"supported": 3, "undecided": 1, "contradicted": 0, "not checked": 0}
    lines = check_lines(
        {"words": {"noun": row}, "true_words": {"noun": verdicts}, "no_places": "no patches"}
    )
    assert "noun, 4 true words: 75% supported" in lines[1]
    assert lines[-1] == "places: no patches"


def test_what_the_library_remarks_stands_on_stderr_as_notes(
    run: Any, asked: list[Any], library: type[ToyLibrary], monkeypatch: pytest.MonkeyPatch
) -> None:
    del asked
    explained = library.explain  # type: ignore[attr-defined]

    def remarking(self: Any, *told: Any) -> Any:
        logging.getLogger("finereel.asking").warning("the model has never seen: dog")
        return explained(self, *told)

    monkeypatch.setattr(library, "explain", remarking, raising=False)
    result = run("explain", "a dog", "1")
    assert "note: the model has never seen: dog" in result.stderr.splitlines()
