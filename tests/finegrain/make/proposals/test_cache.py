"""Answers on disk: kept, shared, traceable, and never confused."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import DataError
from finereel.finegrain.make.proposals.cache import AnswerCache, default_cache, key_of


def test_an_answer_outlives_the_object(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "answers.sqlite"
    assert AnswerCache(path).put({"n": 1}, "one") == "one"
    again = AnswerCache(path)
    assert again.get({"n": 1}) == "one"
    assert again.get({"n": 2}) is None
    assert len(again) == 1


def test_the_first_answer_stays(tmp_path: Path) -> None:
    first, second = AnswerCache(tmp_path / "a"), AnswerCache(tmp_path / "a")
    first.put({"n": 1}, "one")
    assert second.put({"n": 1}, "another") == "one"


def test_an_empty_answer_is_an_answer(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "a")
    assert cache.put({"n": 1}, "") == ""
    assert cache.get({"n": 1}) == ""


def test_a_row_holds_question_answer_and_time(tmp_path: Path) -> None:
    AnswerCache(tmp_path / "a").put({"text": "猫 \ud800"}, "half \udc00")
    with closing(sqlite3.connect(tmp_path / "a")) as database:
        ((key, question, answer, made_at),) = database.execute("SELECT * FROM answers")
    assert key == key_of({"text": "猫 \ud800"})
    assert question == '{"text":"\\u732b \\ud800"}'
    assert answer == "half ?"
    assert made_at.endswith("+00:00")


def test_many_writers_at_once(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "a")
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: AnswerCache(cache.path).put({"n": n % 10}, str(n % 10)), range(60))
        )
    assert answers == [str(n % 10) for n in range(60)]
    assert len(cache) == 10


def test_another_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but somebody's notes\n" * 50)
    with pytest.raises(DataError, match=r"notes\.txt: expected a cache of proposals"):
        AnswerCache(path)
    assert path.read_text().startswith("not a database")


@given(
    st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=5)), max_size=4)
)
def test_a_key_does_not_depend_on_order(question: dict[str, object]) -> None:
    assert key_of(question) == key_of(dict(reversed(question.items())))


def test_the_default_lies_in_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "finereel" / "proposals.sqlite"
