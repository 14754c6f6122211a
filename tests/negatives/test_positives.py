"""The same in other words."""

from pathlib import Path

import pytest

from finereel.errors import DataError
from finereel.negatives.context import Context
from finereel.negatives.files import read_negatives
from finereel.negatives.lexicon import Lexicon
from finereel.negatives.positives import GENERATOR, PositiveMaker, write_positives
from finereel.negatives.tagging.words import Token, tokenize
from finereel.negatives.types import CaptionRow, PartOfSpeech
from finereel.rows import read_jsonl
from made_negatives import swap

USED = "bike bicycle car auto automobile automobiles sofa couch boy"


def made(caption: str, word: str, pos: PartOfSpeech, tag: str, used: str = USED) -> list[str]:
    """The other wordings of a caption in which one word is tagged."""
    context = Context([CaptionRow(str(n), str(n), used) for n in range(3)], Lexicon.load())
    tokens = [
        Token(text, start, end, pos if text == word else "other", lemma_of(text), tag if text == word else "X", True)
        for text, start, end in tokenize(caption)
    ]
    rows = PositiveMaker(context).positives(CaptionRow("a", "v", caption), tokens)
    for row in rows:
        assert row.caption[row.start : row.end] == row.source
        assert (row.method, row.generator, row.caption_id) == ("synonym", GENERATOR, "a")
    return [row.negative for row in rows]


def lemma_of(text: str) -> str:
    return text.lower().removesuffix("s") if text.lower() not in ("is", "his") else text.lower()


@pytest.mark.parametrize(
    ("caption", "word", "wanted"),
    [
        ("a boy on a sofa", "sofa", "a boy on a couch"),
        ("two cars are racing", "cars", "two automobiles are racing"),
    ],
)
def test_synonyms_in_the_same_form(caption: str, word: str, wanted: str) -> None:
    assert wanted in made(caption, word, "noun", "NNS" if word.endswith("s") else "NN")


def test_the_article_follows() -> None:
    assert "he drives an automobile" in made("he drives a car", "car", "noun", "NN")


def test_words_the_collection_never_uses_are_left_out() -> None:
    assert made("a boy on a sofa", "sofa", "noun", "NN", used="boy") == []


def test_words_of_many_senses_are_left_alone() -> None:
    assert made("a man sets a table", "sets", "verb", "VBZ", used="put puts place places set") == []


@pytest.mark.parametrize("caption", ["", " ", "\x00", "人", "<b>sofa</b>", "=sofa()"])
def test_hostile_captions(caption: str) -> None:
    made(caption, "sofa", "noun", "NN")


def test_a_file_of_positives_is_no_file_of_negatives(tmp_path: Path) -> None:
    path = tmp_path / "positives.jsonl"
    write_positives([swap("a boy on a sofa\u2028", "sofa", "couch")], path)
    (row,) = read_jsonl(path)
    assert row.raw("positive") == "a boy on a couch\u2028"
    assert "negative" not in row.values
    with pytest.raises(DataError):
        read_negatives(path)
