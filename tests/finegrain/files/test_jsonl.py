"""The native form."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import DataError
from finereel.finegrain.files import read_negatives, write_negatives
from finereel.finegrain.files.jsonl import NEEDED, line_of, negative_of
from finereel.finegrain.types import CHANGES, Negative
from finereel.io.tables import Row

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
SOME = TEXTS.filter(str.strip)
IDS = st.text("abc#*:/ü犬", min_size=1, max_size=9)
LEAVES = st.none() | st.booleans() | st.integers() | TEXTS
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2)
)
ROW = Negative("a/0", "v", "v#0", "a dog", "a cat", "noun", 2, 5, "dog", "cat", "set")


@st.composite
def fields(draw: st.DrawFn) -> dict[str, Any]:
    """What a row holds; the row itself is made in the test, where its types are checked."""
    caption = draw(SOME)
    start = draw(st.integers(0, len(caption)))
    end = draw(st.integers(start, len(caption)))
    span = {"caption": caption, "start": start, "end": end, "source": caption[start:end]}
    ids = {name: draw(IDS) for name in ("id", "video_id", "caption_id")}
    texts = {
        name: draw(st.just("") | TEXTS)
        for name in ("replacement", "lemma", "tag", "pair", "generator")
    }
    return {
        **span,
        **ids,
        **texts,
        "negative": draw(SOME),
        "pos": draw(st.sampled_from(CHANGES)),
        "method": draw(SOME),
        "sense": tuple(draw(st.lists(TEXTS, max_size=3))),
        "scores": draw(
            st.dictionaries(TEXTS, st.floats(allow_nan=False, allow_infinity=False), max_size=3)
        ),
        "seed": draw(st.none() | st.integers()),
        "extra": draw(st.dictionaries(TEXTS, JSON, max_size=3)),
    }


def row_of(line: str) -> Negative:
    return negative_of(Row(Path("x.jsonl"), "line 1", json.loads(line)))


@given(fields())
def test_a_row_comes_back_on_one_line(values: dict[str, Any]) -> None:
    row = Negative(**values)
    line = line_of(row)
    assert len(line.splitlines()) == 1
    assert row_of(line) == row


def test_a_file_comes_back(tmp_path: Path) -> None:
    rows = [replace(ROW, id=f"a/{number}") for number in range(3)]
    write_negatives(rows, tmp_path / "new" / "x.jsonl")
    assert read_negatives(tmp_path / "new" / "x.jsonl") == rows
    assert (tmp_path / "new" / "x.jsonl").read_bytes().count(b"\n") == 3


HOSTILE = [
    " a dog ",
    '=HYPERLINK("http://x","dog") @SUM +1 -1',
    "<script>alert('dog')</script>&amp;",
    "a\tdog\r\n\x1b[31m\x07 dog\u2028\u2029\x85\x9b",
    "דלג \u202e犬 🐕‍🦺 كلب",
    "dog " * 10_000,
]


@pytest.mark.parametrize("caption", HOSTILE)
def test_hostile_captions_are_carried_unharmed(tmp_path: Path, caption: str) -> None:
    row = replace(ROW, caption=caption, negative=caption + "!", start=0, end=1, source=caption[0])
    path = tmp_path / "x.jsonl"
    write_negatives([row], path)
    assert read_negatives(path) == [row]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1
    assert not any(
        character in path.read_text(encoding="utf-8") for character in "\x1b\x07\x85\x9b\u2028"
    )


BAD: dict[str, tuple[str, Any]] = {
    "empty id": ("id", ""),
    "id of two lines": ("id", "a\nb"),
    "no text": ("caption", 3),
    "empty caption": ("caption", " "),
    "empty negative": ("negative", ""),
    "NUL": ("caption", "a do\0"),
    "half a pair": ("negative", "a \ud800"),
    "unknown part of speech": ("pos", "NOUN"),
    "a list for a part of speech": ("pos", ["noun"]),
    "a span that is not the source": ("start", 1),
    "a span past the end": ("end", 6),
    "a span from behind": ("start", -3),
    "true for a number": ("start", True),
    "a fraction": ("end", 5.0),
    "no source": ("source", None),
    "scores that are none": ("scores", {"a": "1"}),
    "true for a score": ("scores", {"a": True}),
    "a seed that is none": ("seed", "1"),
    "senses that are none": ("sense", "dog.n.01"),
    "extra that is none": ("extra", []),
    "an unknown field": ("label", 1),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_fields_are_named_with_their_line(tmp_path: Path, kind: str) -> None:
    name, value = BAD[kind]
    good, bad = json.loads(line_of(ROW)), json.loads(line_of(replace(ROW, id="b")))
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(good) + "\n\n" + json.dumps({**bad, name: value}) + "\n")
    with pytest.raises(DataError, match=r"x\.jsonl, line 3: "):
        read_negatives(path)


@pytest.mark.parametrize("name", NEEDED)
def test_fields_that_are_absent(name: str) -> None:
    values = json.loads(line_of(ROW))
    del values[name]
    with pytest.raises(DataError, match=name):
        row_of(json.dumps(values))


def test_infinite_scores_are_refused_both_ways(tmp_path: Path) -> None:
    for value in (math.inf, -math.inf, math.nan):
        with pytest.raises(DataError, match="finite"):
            line_of(replace(ROW, scores={"gap": value}))
        with pytest.raises(DataError, match="finite"):
            row_of(line_of(ROW)[:-1] + f', "scores": {{"gap": {json.dumps(value)}}}}}')


def test_ids_that_stand_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text((line_of(ROW) + "\n") * 2)
    with pytest.raises(
        DataError, match=r"x\.jsonl, line 2: the id 'a/0' was listed already \(line 1\)"
    ):
        read_negatives(path)


def test_a_cut_file_says_where_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(line_of(ROW) + "\n" + line_of(ROW)[:50])
    with pytest.raises(DataError, match=r"x\.jsonl, line 2"):
        read_negatives(path)


def test_a_byte_order_mark_passes(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + line_of(ROW).encode() + b"\r\n")
    assert read_negatives(path) == [ROW]
