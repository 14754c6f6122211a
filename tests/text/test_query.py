"""Which queries are refused, and what is said of words that a model does not read."""

import time

import pytest

from finereel.errors import QueryError
from finereel.text import train_tokenizer
from finereel.text.query import (
    LONGEST_QUERY,
    checked_query,
    foreign_language,
    negation,
    read_query,
)

TOKENIZER = train_tokenizer(["a red car jumps over the big tree"] * 3, vocab_size=600)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\t ",
        "\x00",
        "\x1b\x07",
        "\u200b\ufeff",
        "\u3000",
        "x\udcff",
        "a" * (LONGEST_QUERY + 1),
        None,
        3,
    ],
)
def test_what_asks_nothing_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="say what happens"):
        checked_query(text)


@pytest.mark.parametrize(
    "text", ["a dog", "3", "?", "😀", "犬", "a\tdog\n", "-a dog", "a" * LONGEST_QUERY]
)
def test_everything_that_can_be_read_is_taken(text: str) -> None:
    assert checked_query(text) == text


def test_hundred_megabytes_are_refused_at_once() -> None:
    text = "dog " * 25_000_000
    began = time.process_time()
    with pytest.raises(QueryError, match="100,000,000 characters"):
        checked_query(text)
    assert time.process_time() - began < 0.1


def test_words_past_the_window_are_named() -> None:
    text = "a red car jumps over the big tree"
    assert read_query(text, TOKENIZER, max_words=10).cut == ()
    assert read_query(text, TOKENIZER, max_words=9).cut == ("tree",)
    reading = read_query(text + "!", TOKENIZER, max_words=5)
    assert reading.cut == ("jumps", "over", "the", "big", "tree", "!")
    assert "jumps over the big tree !" in reading.notes()[0]


def test_a_word_that_is_cut_in_its_middle_is_named() -> None:
    assert read_query("a xyzzy", TOKENIZER, max_words=4).cut == ("xyzzy",)


def test_many_cut_words_are_counted() -> None:
    note = read_query("a red car " * 30, TOKENIZER, max_words=5).notes()[-1]
    assert note.endswith("and 75 more")


def test_the_longest_query_is_read_in_a_moment() -> None:
    began = time.process_time()
    assert len(read_query("a car " * (LONGEST_QUERY // 6), TOKENIZER, max_words=32).cut) > 3_000
    assert time.process_time() - began < 3


def test_words_a_small_vocabulary_never_saw_are_named_where_they_are_many() -> None:
    assert read_query("a purple zebra", TOKENIZER, 32).unknown == ("purple", "zebra")
    assert read_query("the red zebra jumps", TOKENIZER, 32).unknown == ()
    assert read_query("a red car 3 !", TOKENIZER, 32).notes() == []


# A note about another language comes where it is sure, and never for English, names, numbers or
# pictures.
ENGLISH = [
    "dog",
    "a dog",
    "goal",
    "Los Angeles",
    "El Niño",
    "Rio de Janeiro",
    "Oscar de la Hoya boxes",
    "Ludwig van Beethoven",
    "Cirque du Soleil",
    "São Paulo carnival",
    "Champs-Élysées at night",
    "2023",
    "12:30",
    "iPhone 15 Pro",
    "😀 🎉",
    ":-)",
    "MIT students",
    "pain au chocolat",
    "crème brûlée dessert",
    "la la land",
    "De Niro",
    "Le Mans 24h race",
    "Björk concert",
    "Das Boot",
    "que sera sera",
    "Ein the corgi",
    "Una Stubbs acting",
    "van door opens",
    "L'Oréal ad",
    "jalapeño eating contest",
    "déjà vu",
    "en route",
    "au pair plays",
    "do re mi",
    "man die",
    "Vincent van Gogh painting",
    "Costa del Sol beach",
    "Real Madrid vs Barcelona",
    "x² + y",
    "people sit and talk in an asian language",
    "al pacino played in a gangster movie",
    "no smoking",
    "me and my dad",
    "U2 live",
]
OTHERS = {
    "another language": "ein Hund läuft im Park|Eine Frau tanzt am Strand|un chien court dans le "
    "parc|une femme danse|"
    "un perro corre en la playa|il cane corre nel parco|um cão corre na praia|een hond rent in het "
    "park|"
    "egy kutya fut a parkban|bir köpek parkta koşuyor|un câine aleargă în parc|một con chó đang "
    "chạy",
    "Cyrillic letters": "собака бежит|пес",
    "Chinese or Japanese characters": "犬が走る|狗",
    "Arabic letters": "كلب يجري",
    "Hebrew letters": "כלב רץ",
    "Greek letters": "σκύλος τρέχει",
    "Hangul letters": "강아지",
    "Devanagari letters": "कुत्ता दौड़ता है",
}
FOREIGN = [(text, said) for said, texts in OTHERS.items() for text in texts.split("|")]


@pytest.mark.parametrize("text", ENGLISH)
def test_no_false_alarm(text: str) -> None:
    assert foreign_language(text) == ""


@pytest.mark.parametrize(("text", "said"), FOREIGN)
def test_another_language_or_script_is_noticed(text: str, said: str) -> None:
    assert foreign_language(text) == said


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a red car, NOT on a street", "not"),
        ("a dog without a leash", "without"),
        ("no people", "no"),
        ("a man who isn\u2019t tall", "isn\u2019t"),
        ("a knot, a notebook and a nose", ""),
    ],
)
def test_a_word_that_denies_gets_a_hint(text: str, word: str) -> None:
    assert negation(text) == word
    notes = read_query(text, TOKENIZER, 32).notes()
    assert any("--not" in note and word in note for note in notes) == bool(word)


def test_no_hint_in_another_language() -> None:
    reading = read_query("un perro que no corre por la calle", TOKENIZER, 32)
    assert reading.language
    assert not any("--not" in note for note in reading.notes())


def test_several_sentences_get_a_note() -> None:
    (note,) = read_query("a red car jumps. the tree jumps.", TOKENIZER, 64).notes()
    assert note.startswith("the 2 sentences are read as one text; --paragraph")
    assert read_query("a red car jumps over the tree.", TOKENIZER, 64).notes() == []
    cut, note = read_query("a red car jumps. the tree jumps.", TOKENIZER, 6).notes()
    assert "longer than the model reads" in cut
    assert "--paragraph" in note
