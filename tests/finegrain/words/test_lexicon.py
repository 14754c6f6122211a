"""The shipped word net and what is asked of it."""

import gzip
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import DataError
from finereel.finegrain.types import PARTS_OF_SPEECH
from finereel.finegrain.words.lexicon import ASSET, LEXNAMES, PREPOSITIONS, Lexicon, WordNet
from places import ROOT

SCRIPT = ROOT / "research" / "scripts" / "build_lexicon.py"
WORDS = Lexicon.load()

DATA = {
    "noun": "00000010 05 n 02 dog 0 hound 1 001 @ 00000020 n 0000 | a pet\n00000020 05 n 01 animal "
    "0 000 | alive\n",
    "verb": "00000030 38 v 01 run 0 001 ! 00000040 v 0101 01 + 02 00 | go fast\n"
    "00000040 38 v 01 halt 0 001 ! 00000030 v 0101 01 + 02 00 | stand still\n",
    "adj": "00000050 00 s 01 asleep(p) 0 000 | not awake\n",
    "adv": "00000060 02 r 01 slowly 0 000 | not fast\n",
}
INDEX = {
    "noun": "animal n 1 0 1 0 00000020\ndog n 1 1 @ 1 0 00000010\nhound n 1 1 @ 1 0 00000010\n",
    "verb": "halt v 1 1 ! 1 0 00000040\nrun v 1 1 ! 1 1 00000030\n",
    "adj": "asleep a 1 0 1 0 00000050\n",
    "adv": "slowly r 1 0 1 0 00000060\n",
}


def build_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_lexicon", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WordNet:
    """A hand-made WordNet of six synsets, pressed by the committed script and opened."""
    for name in DATA:
        (tmp_path / f"data.{name}").write_text("  1 a licence\n" + DATA[name])
        (tmp_path / f"index.{name}").write_text("  1 a licence\n" + INDEX[name])
        (tmp_path / f"{name}.exc").write_text("ran run\n" if name == "verb" else "")
    (tmp_path / "cntlist.rev").write_text("run%2:38:00:: 1 7\n")
    out = tmp_path / "pressed.gz"
    monkeypatch.setattr("sys.argv", ["build_lexicon.py", str(tmp_path), "--out", str(out)])
    build_script().main()
    return WordNet.open.__wrapped__(out)


def test_the_script_and_the_reader_agree(tiny: WordNet) -> None:
    words = Lexicon(tiny)
    assert words.related("hound", "animal", "noun") == "hypernym"
    assert words.related("animal", "dog", "noun") == "hyponym"
    assert words.related("dog", "hound", "noun") == "synonym"
    assert words.antonyms("run", "verb") == ("halt",)
    assert words.lemmas_of("ran", "verb") == ("run",)
    assert words.frequency("run", "verb") == 7
    assert words.position("asleep") == "p"
    assert tiny.senses("dog", "noun")[0].synset.id == "n00000010"
    assert len(tiny) == 7
    assert "cat" not in tiny


def test_another_file_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.gz"
    other.write_bytes(gzip.compress(b"something else\n"))
    with pytest.raises(DataError, match="build the lexicon again"):
        WordNet.open.__wrapped__(other)


def test_it_is_all_there() -> None:
    assert len(WORDS.net) == 147_306
    assert len(LEXNAMES) == 45
    assert (ASSET.parent / "NOTICE").read_text().count("Princeton") > 2


def test_known_relations() -> None:
    assert WORDS.lexname("guitar") == "noun.artifact"
    assert "automobile" in WORDS.synonyms("car", "noun")
    assert WORDS.antonyms("slowly", "adverb") == ("quickly",)
    assert "cat" not in WORDS.sisters("guitar", "noun")
    assert "banjo" in WORDS.sisters("guitar", "noun")
    assert "vehicle" in WORDS.hypernyms("car", "noun")
    assert WORDS.related("snore", "sleep", "verb") == "entailment"
    assert WORDS.related("wheel", "car", "noun") in ("part", None)
    assert WORDS.related("dog", "cat", "noun") is None


@pytest.mark.parametrize(
    ("word", "pos", "expected"),
    [
        ("geese", "noun", True),
        ("running", "verb", True),
        ("bigger", "adjective", True),
        ("in front of", "preposition", True),
        ("Five", "preposition", False),
        ("anulom", "preposition", False),
        ("have_a_bun_in_the_oven", "verb", True),
        ("togetehr", "adjective", False),
        ("", "noun", False),
    ],
)
def test_parts_of_speech_of_forms(word: str, pos: str, expected: bool) -> None:
    assert WORDS.has_pos(word, pos) is expected


def test_words_and_non_words() -> None:
    assert all(
        WORDS.is_word(word) for word in ("the", "with", "dogs", "Playing", "hot_dog", "hot dog")
    )
    assert not any(
        WORDS.is_word(word) for word in ("andthen", "famiily", "togetehr", "\x00", "<b>")
    )
    assert len(PREPOSITIONS) > 80


@given(st.text(max_size=30), st.sampled_from(PARTS_OF_SPEECH))
def test_any_text_has_an_answer(text: str, pos: str) -> None:
    assert WORDS.is_word(text) or not WORDS.has_pos(text, pos)
    assert WORDS.related(text, "dog", "noun") in (None, "same")
    assert not (WORDS.synonyms(text, pos) & {text})


@given(st.sampled_from(sorted(WORDS.net._words)[::97]))
def test_sisters_are_never_the_word_itself(word: str) -> None:
    assert word not in WORDS.sisters(word, "noun")
    assert word not in WORDS.antonyms(word, "adjective")
