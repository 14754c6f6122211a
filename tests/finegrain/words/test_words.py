"""Inflection, edits and the text encoder's window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.finegrain.make.rejection import clip_ids, survives
from finereel.finegrain.make.sites import article, replace
from finereel.finegrain.words.inflection import can_be, inflect, lemma_of, words
from finereel.text.tokenize import clip_tokenizer


@pytest.mark.parametrize(
    ("lemma", "tag", "form"),
    [
        *[
            ("person", "NNS", "people"),
            ("fish", "NNS", "fish"),
            ("mouse", "NNS", "mice"),
            ("tv", "NNS", "tvs"),
        ],
        *[
            ("run", "VBG", "running"),
            ("sit", "VBD", "sat"),
            ("swim", "VBN", "swum"),
            ("lie", "VBG", "lying"),
        ],
        *[("wash", "VBZ", "washes"), ("skateboard", "VBG", "skateboarding"), ("do", "VBZ", "does")],
        *[("big", "JJS", "biggest"), ("wooden", "JJR", None), ("slowly", "RB", "slowly")],
        *[("pants", "NN", None), ("pants", "NNS", "pants"), ("water", "NNS", None)],
        *[
            ("fire truck", "NNS", "fire trucks"),
            ("pick up", "VBG", "picking up"),
            ("in front of", "IN", "in front of"),
        ],
    ],
)
def test_forms(lemma: str, tag: str, form: str | None) -> None:
    assert inflect(lemma, tag) == form


@pytest.mark.parametrize(
    ("word", "pos", "lemma"),
    [
        *[
            ("People", "noun", "person"),
            ("men", "noun", "man"),
            ("shorts", "noun", "shorts"),
            ("leaves", "noun", "leaf"),
        ],
        *[
            ("lying", "verb", "lie"),
            ("saw", "verb", "see"),
            ("bigger", "adjective", "big"),
            ("Up", "preposition", "up"),
        ],
        *[("猫", "noun", "猫"), ("x" * 500, "noun", "x" * 500), ("The", "other", "the")],
    ],
)
def test_lemmas(word: str, pos: str, lemma: str) -> None:
    assert lemma_of(word, pos) == lemma


@pytest.mark.parametrize(
    "lemma", ["man", "woman", "child", "dog", "bus", "knife", "sheep", "truck"]
)
def test_a_noun_comes_back_from_its_plural(lemma: str) -> None:
    assert lemma_of(inflect(lemma, "NNS") or "", "noun") == lemma


@pytest.mark.parametrize(
    "lemma", ["run", "sit", "stand", "swim", "throw", "eat", "ride", "hit", "carry", "dance"]
)
@pytest.mark.parametrize("tag", ["VBZ", "VBG", "VBD", "VBN"])
def test_a_verb_comes_back_from_its_forms(lemma: str, tag: str) -> None:
    form = inflect(lemma, tag) or ""
    assert lemma_of(form, "verb") == lemma
    assert can_be(form, "verb")


@pytest.mark.parametrize(
    ("caption", "source", "replacement", "expected"),
    [
        ("a man runs", "man", "elephant", "an elephant runs"),
        ("An old man", "old", "young", "A young man"),
        ("AN OLD MAN", "OLD", "young", "A YOUNG MAN"),
        ("Dogs run", "Dogs", "cats", "Cats run"),
        ("a TV", "TV", "lamp", "a lamp"),
        ("a man SINGS", "SINGS", "dances", "a man DANCES"),
        ("he ate a  big egg", "big", "old", "he ate an  old egg"),
        ("banana egg", "egg", "car", "banana car"),  # the "a" of banana is no article
        ("a man in front of a car", "in front of", "behind", "a man behind a car"),
    ],
)
def test_edits(caption: str, source: str, replacement: str, expected: str) -> None:
    start = caption.index(source)
    edit = replace(caption, start, start + len(source), replacement)
    assert edit.text == expected
    assert edit.text[edit.start : edit.end].lower() == replacement


@given(st.text(min_size=1, max_size=60), st.data())
def test_nothing_but_the_span_and_its_article_changes(caption: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(caption) - 1))
    end = data.draw(st.integers(start + 1, len(caption)))
    edit = replace(caption, start, end, "zebra")
    assert edit.text.endswith(caption[end:])
    assert edit.text[edit.start : edit.end].lower() == "zebra"
    kept, was = edit.text[: edit.start], caption[:start]
    assert kept == was or kept.rstrip()[-1:].lower() == "a"
    assert abs(len(kept) - len(was)) <= 1


@pytest.mark.parametrize("span", [(0, 0), (2, 1), (-1, 2), (0, 99)])
def test_spans_outside_are_refused(span: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="expected a span inside the 5 characters"):
        replace("a cat", *span, "dog")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *[
            (w, "an")
            for w in sorted(
                words("apple hour honest umbrella SUV x-ray unimportant usher 8 ice eel onion")
            )
        ],
        *[
            (w, "a")
            for w in sorted(
                words(
                    "car unicycle uniform user one-legged European utensil ukulele UFO t-shirt zoo"
                )
            )
        ],
    ],
)
def test_articles(word: str, expected: str) -> None:
    assert article(word) == expected


def test_the_window_is_the_encoders() -> None:
    caption = "a man with a cat"
    assert survives(caption, "a man with a dog", 7)
    assert not survives(caption, "a man with a dog", 6)
    assert survives(caption, "a boy with a cat", 4)
    assert not survives(caption, caption, 77)
    assert not survives(caption, "a man with a flugelhornist", 7)  # several tokens
    assert survives(
        caption,
        "a man with a flugelhornist",
        7,
        encode=lambda text: [hash(w) for w in text.split()],
    )


def test_a_repeated_word_counts_where_it_was_changed() -> None:
    assert not survives("a cat and a cat", "a cat and a dog", 6)
    assert survives("a cat and a cat", "a dog and a cat", 6)


@pytest.mark.parametrize(
    "text",
    ["", "A man's T-shirt, 24 hours!", "猫 cat 🐈", "<b>x</b> don't stop_it", "caf\u00e9 " * 20],
)
def test_ids_by_piece_are_clips(text: str) -> None:
    tokens = clip_tokenizer().encode([text], max_words=200)
    assert clip_ids(text) == tokens.ids[0][tokens.mask[0]][1:-1].tolist()
