"""What a model cannot tell apart by its own record, of two texts that differ in one word."""

import logging
from pathlib import Path

import pytest

from finereel.index.differing import WordPair, cannot_tell, differing_words
from finereel.index.query import Query
from finereel.library import Library
from index.doubles import ToyModel, ToySource, write_video

RECORD = {
    "adverb": {"pair_accuracy": 55.0, "margin": None, "rivals": [["slowly", "quickly"]]},
    "noun": {"pair_accuracy": 90.0, "margin": 0.1, "rivals": [["dog", "cat"]]},
}


class RecordedModel(ToyModel):
    """A toy model with a card."""

    def __init__(self, card: dict[str, object]) -> None:
        super().__init__()
        self.card = card


@pytest.mark.parametrize(
    ("one", "other", "pair"),
    [
        ("a dog runs slowly", "a dog runs Quickly", WordPair("slowly", 11, "Quickly")),
        ("a T-shirt", "an overall", WordPair("T-shirt", 2, "overall")),
        ("a dog", "a  DOG", None),
        ("a dog runs", "a cat walks", None),
        ("a dog", "a dog runs", None),
        ("", "", None),
    ],
)
def test_only_one_word_differs(one: str, other: str, pair: WordPair | None) -> None:
    assert differing_words(one, other) == pair


def test_a_weak_part_of_speech_is_named_and_a_strong_one_is_not() -> None:
    model = RecordedModel({"words": RECORD})
    (note,) = cannot_tell(model, "a dog runs slowly", ["a dog runs quickly", "a cat runs slowly"])
    assert '"slowly" from "quickly"' in note
    assert "adverbs" in note
    assert "55 %" in note
    assert cannot_tell(model, "a dog runs", ["a cat runs"]) == []
    assert cannot_tell(RecordedModel({}), "a dog runs slowly", ["a dog runs quickly"]) == []
    assert cannot_tell(ToyModel(), "a dog runs slowly", ["a dog runs quickly"]) == []


def test_a_record_that_is_good_says_nothing() -> None:
    good = {pos: {**row, "pair_accuracy": 90.0} for pos, row in RECORD.items()}
    model = RecordedModel({"words": good})
    assert cannot_tell(model, "a dog runs slowly", ["a dog runs quickly"]) == []


def test_an_answer_says_what_it_cannot_tell(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_video(tmp_path / "videos" / "a.toy", "dog", "cat", "cow")
    library = Library.open(tmp_path / "library", RecordedModel({"words": RECORD}), ToySource())
    library.add([tmp_path / "videos"])
    for query in (
        Query("a dog runs slowly", versus=("a dog runs quickly",)),
        Query("a dog runs slowly", none_of=("a dog runs quickly",)),
    ):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            library.search(query)
        assert any('"slowly" from "quickly"' in record.message for record in caplog.records)
    caplog.clear()
    library.search(Query("a dog runs slowly"))
    assert not caplog.records
