"""Confidence: p-values against unrelated texts, and the null bank that follows every change of a
library.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from finereel.errors import QueryError
from finereel.index import confidence
from finereel.index.bank import Bank
from finereel.index.confidence import (
    NAME,
    NullBank,
    NullKey,
    features_path,
    keep_up,
    null_texts,
    p_value,
)
from finereel.index.events import AddSettings
from finereel.index.opening import open_store
from finereel.index.query import Answer, Filters, Query
from finereel.index.search import score_clips
from finereel.io.user_cache import user_cache
from finereel.library import Library
from finereel.types import MatchConfidence
from index.doubles import ToyModel, ToySource, write_video

MODEL = ToyModel()
EVERY = AddSettings(commit_clips=8)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidate lists so short, and blocks so small, that the toy libraries need several."""
    monkeypatch.setattr(confidence, "CANDIDATES", 6)
    monkeypatch.setattr(confidence, "AT_ONCE", 7)


def made(root: Path, *names: str, clips: int = 5) -> Library:
    """A library of toy videos, `clips` each."""
    library = Library.open(root / "library", MODEL, ToySource())
    more(library, root, *names, clips=clips)
    return library


def more(library: Library, root: Path, *names: str, clips: int = 5) -> None:
    for name in names:
        words = [f"{name}{number}" for number in range(clips)]
        write_video(root / "videos" / f"{name}.toy", *words)
    library.add([root / "videos"], settings=EVERY)


def index_folder(library: Library) -> Path:
    store = open_store(library.path)
    assert store is not None
    return store.folder


def kept(library: Library) -> NullBank:
    """The null bank on the disk."""
    folder = index_folder(library)
    found = NullBank.load(folder, NullKey.of(MODEL, Bank.load(folder)))
    assert found is not None
    return found


def forget(library: Library) -> None:
    (index_folder(library) / NAME).unlink(missing_ok=True)
    for path in (user_cache() / "null-texts").glob("*"):
        path.unlink()


def afresh(library: Library) -> NullBank:
    """The null bank, computed from nothing."""
    folder = index_folder(library)
    forget(library)
    store = open_store(library.path)
    assert store is not None
    return keep_up(store.snapshot(), MODEL, Bank.load(folder))


def assert_same(one: NullBank, other: NullBank) -> None:
    assert one.key == other.key
    assert one.version == other.version
    assert one.clip_ids.tolist() == other.clip_ids.tolist()
    np.testing.assert_allclose(one.maxima, other.maxima, rtol=1e-5)
    np.testing.assert_allclose(one.coarse, other.coarse, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(one.fine, other.fine, rtol=1e-5, atol=1e-4)


def brute_force(library: Library, texts: list[str]) -> list[float]:
    """The score of the best hit for each text, by searching."""
    return [library.search(Query(text, per_video=None, top=1))[0].score for text in texts]


# The p-value.
def test_the_p_value_counts_the_query_itself_and_ties() -> None:
    maxima = np.array([3.0, 1.0, 2.0, 4.0], dtype=np.float32)
    assert p_value(5.0, maxima).p == 1 / 5
    assert p_value(4.0, maxima).p == 2 / 5
    assert p_value(2.5, maxima).p == 3 / 5
    assert p_value(0.0, maxima).p == 1.0


@pytest.mark.parametrize(
    ("above", "level"), [(0, "strong"), (19, "strong"), (20, "possible"), (79, "possible")]
)
def test_the_levels_are_at_a_twentieth_and_a_fifth(above: int, level: str) -> None:
    assert p_value(0.0, np.float32([1.0] * above + [-1.0] * (399 - above))).level == level
    assert p_value(0.0, np.float32([1.0] * 80 + [-1.0] * 319)).level == "none"


def test_percents_are_rounded_down() -> None:
    assert MatchConfidence(1 / 401, 400).stronger_than == 100
    assert MatchConfidence(2 / 401, 400).stronger_than == 99
    assert MatchConfidence(1.0, 400).stronger_than == 0


@pytest.mark.parametrize(("p", "texts"), [(0.0, 400), (1.1, 400), (float("nan"), 4), (0.5, 0)])
def test_a_confidence_checks_its_values(p: float, texts: int) -> None:
    with pytest.raises(ValueError, match="a confidence needs"):
        MatchConfidence(p, texts)


def test_answers_compare_the_best_hit_with_what_null_texts_find(tmp_path: Path) -> None:
    library = made(tmp_path, "a", "b", "c")
    maxima = brute_force(library, null_texts(None))
    for text in ("a1", "b3", "zebra", "a dog in a house"):
        answer = library.answer(text)
        assert answer.hits == library.search(text)
        above = sum(best >= answer.hits[0].score for best in maxima)
        assert answer.confidence is not None
        assert answer.confidence.p == pytest.approx((1 + above) / 401, abs=1.01 / 401)
    sure = library.answer("a1").confidence
    assert sure is not None
    assert sure.level == "strong"


def test_the_shipped_texts_are_many_and_differ() -> None:
    texts = null_texts(None)
    assert len(texts) == len(set(texts)) == confidence.MOST_TEXTS
    assert all(text == text.strip() and text for text in texts)


def test_an_answer_holds_what_was_asked(tmp_path: Path) -> None:
    query = Query("a1", top=2, per_video=None)
    answer = made(tmp_path, "a").answer(query)
    assert isinstance(answer, Answer)
    assert answer.query == query
    assert len(answer.hits) == 2


def test_no_hit_has_no_confidence(tmp_path: Path) -> None:
    library = made(tmp_path, "a")
    (tmp_path / "videos" / "a.toy").unlink()
    library.add([tmp_path / "videos"])
    assert library.answer("a1") == Answer(Query("a1"), None, [], commit=library.commit())


# Upkeep.
@pytest.mark.usefixtures("few")
def test_adding_in_many_commits_equals_computing_afresh(tmp_path: Path) -> None:
    library = made(tmp_path, "a", "b", "c", clips=9)
    more(library, tmp_path, "d", "e", clips=9)
    more(library, tmp_path, "f", clips=1)
    followed = kept(library)
    assert len(followed.clip_ids) == 46
    assert_same(followed, afresh(library))


@pytest.mark.usefixtures("few")
def test_adding_scores_only_what_enters_the_candidates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = made(tmp_path, *"abcdefgh")
    scored: list[int] = []

    def counted(
        block: Callable[..., Any], self: Any, texts: Any, rows: Any, *rest: Any
    ) -> np.ndarray:
        scored.append(len(rows))
        return block(self, texts, rows, *rest)

    block = confidence._Upkeep._block
    monkeypatch.setattr(confidence._Upkeep, "_block", lambda *given: counted(block, *given))
    more(library, tmp_path, "i", clips=2)
    assert 0 < sum(scored) < 400 * 2 < 400 * confidence.CANDIDATES
    scored.clear()
    library.answer("a1")
    assert not scored


@pytest.mark.usefixtures("few")
def test_removing_lets_the_next_best_take_the_place(tmp_path: Path) -> None:
    library = made(tmp_path, *"abcd", clips=9)
    before = kept(library)
    library.remove([tmp_path / "videos" / "b.toy"])
    assert library.answer("a1").confidence is not None
    followed = kept(library)
    assert len(followed.clip_ids) == 27
    assert (followed.maxima <= before.maxima + 1e-5).all()
    assert (followed.maxima < before.maxima - 1e-5).any()
    assert_same(followed, afresh(library))


@pytest.mark.usefixtures("few")
def test_a_hidden_video_counts_only_while_it_is_there(tmp_path: Path) -> None:
    library = made(tmp_path, *"abcd", clips=9)
    whole = kept(library)
    path = tmp_path / "videos" / "b.toy"
    path.rename(tmp_path / "b.toy")
    library.add([tmp_path / "videos"])
    hidden = kept(library)
    assert len(hidden.clip_ids) == 27
    (tmp_path / "b.toy").rename(path)
    library.add([tmp_path / "videos"])
    back = kept(library)
    np.testing.assert_allclose(back.maxima, whole.maxima, rtol=1e-5)
    assert_same(back, afresh(library))


def test_a_commit_that_changes_no_clip_needs_no_model(tmp_path: Path) -> None:
    library = made(tmp_path, "a", "b")
    library.answer("a1")
    before = kept(library)
    library.migrate()
    library.tag([tmp_path / "videos"], ["norway"])
    texts = features_path(before.key)
    texts.unlink()  # they would have to be encoded again
    library.answer("a1")
    after = kept(library)
    assert after.version > before.version
    assert not texts.exists()
    assert_same(replace(after, version=before.version), before)


def test_texts_are_encoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    model = ToyModel()
    library = Library.open(tmp_path / "library", model, ToySource())
    own = model.encode_text
    monkeypatch.setattr(
        model, "encode_text", lambda texts: encoded.append(len(texts)) or own(texts)
    )
    more(library, tmp_path, "a")
    more(library, tmp_path, "b")
    assert sum(encoded) == 400
    library.answer("a1")
    assert sum(encoded) == 401


def test_everything_is_deterministic(tmp_path: Path) -> None:
    banks = [kept(made(tmp_path / name, "a", "b")) for name in ("one", "two")]
    assert banks[0].maxima.tobytes() == banks[1].maxima.tobytes()
    assert banks[0].owners.shape == banks[1].owners.shape


# What a null bank is not believed about.
def test_a_null_bank_of_another_commit_is_not_used(tmp_path: Path) -> None:
    library = made(tmp_path, "a")
    old = (index_folder(library) / NAME).read_bytes()
    more(library, tmp_path, "b", "c")
    newest = library.answer("b1").confidence
    (index_folder(library) / NAME).write_bytes(old)
    again = Library.open(library.path, MODEL, ToySource())
    assert again.answer("b1").confidence == newest
    assert len(kept(library).clip_ids) == 15


def test_a_reader_of_an_older_state_is_answered_about_that_state(tmp_path: Path) -> None:
    library = made(tmp_path, "a")
    store = open_store(library.path)
    assert store is not None
    older = store.snapshot()
    then = kept(library)
    more(library, tmp_path, "b")
    found = keep_up(older, MODEL, None)
    assert found.version == older.version
    assert_same(found, then)
    # The newer file that it left behind is found out in the same way.
    assert len(keep_up(store.snapshot(), MODEL, None).clip_ids) == 10


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_damaged_null_bank_is_made_again(tmp_path: Path, content: bytes | None) -> None:
    library = made(tmp_path, "a")
    path, expected = index_folder(library) / NAME, library.answer("a1").confidence
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    again = Library.open(library.path, MODEL, ToySource())
    assert again.answer("a1").confidence == expected
    assert path.read_bytes() != content


def test_another_model_or_normalisation_has_another_null_bank(tmp_path: Path) -> None:
    library = made(tmp_path, *"abc")
    folder = index_folder(library)
    assert NullBank.load(folder, NullKey.of(ToyModel(seed=1), None)) is None
    library.fit_normalization([f"text {number}" for number in range(150)])
    normalised = kept(library)
    assert len(normalised.maxima) == 150
    assert normalised.key.texts == normalised.key.bank != ""
    texts = [f"text {number}" for number in range(150)]
    np.testing.assert_allclose(
        np.sort(normalised.maxima), np.sort(brute_force(library, texts)), rtol=1e-2
    )
    more(library, tmp_path, "d")
    assert_same(kept(library), afresh(library))
    library.rebuild(ToyModel(seed=1))
    assert library.answer("a1").confidence is not None
    store = open_store(library.path)
    assert store is not None
    assert NullBank.load(store.folder, NullKey.of(MODEL, None)) is None


def test_a_few_captions_of_a_normalisation_do_not_serve_as_null_texts(tmp_path: Path) -> None:
    library = made(tmp_path, "a")
    library.fit_normalization([f"text {number}" for number in range(20)])
    assert len(kept(library).maxima) == 400
    assert kept(library).key.bank.startswith("bank:")


# Filters.
def test_under_filters_both_sides_see_only_what_passes(tmp_path: Path) -> None:
    library = made(tmp_path, *"abc")
    folder = str(tmp_path / "videos" / "b.toy")
    answer = library.answer(Query("a1", Filters(folders=(folder,))))
    assert {hit.video for hit in answer.hits} == {folder}
    store = open_store(library.path)
    assert store is not None
    clips = store.snapshot().of_file(store.files()[folder].file_id)

    def best(text: str) -> float:
        parts = score_clips(MODEL, MODEL.encode_text([text]), clips, None)
        return max(part.parts["video_sentence"] for part in parts)

    above = sum(best(text) >= best("a1") for text in null_texts(None))
    assert answer.confidence is not None
    assert answer.confidence.p == pytest.approx((1 + above) / 401, abs=2.01 / 401)
    without = library.answer("a1").confidence
    assert without is not None
    assert without.p < answer.confidence.p


def test_filters_that_nothing_passes_are_an_error_as_in_a_search(tmp_path: Path) -> None:
    library = made(tmp_path, "a")
    with pytest.raises(QueryError, match="in /nowhere"):
        library.answer(Query("a1", Filters(folders=("/nowhere",))))


# Libraries that can only be read.
@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be kept; also where the tests run as root."""

    def refused(*given: Any) -> None:
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(confidence, "write_file", refused)
    monkeypatch.setattr(os, "access", lambda path, mode: False)


@pytest.mark.usefixtures("read_only")
def test_a_library_that_cannot_be_written_is_answered_in_memory(tmp_path: Path) -> None:
    library = made(tmp_path, "a", "b")
    assert not (index_folder(library) / NAME).exists()
    sure = library.answer("a1").confidence
    assert sure is not None
    assert sure.level == "strong"


@pytest.mark.usefixtures("read_only")
def test_what_takes_too_long_there_is_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    library = made(tmp_path, "a", "b")
    monkeypatch.setattr(confidence, "READER_SECONDS", -1.0)
    with caplog.at_level(logging.WARNING, logger="finereel"):
        answer = library.answer("a1")
    assert answer.confidence is None
    assert answer.hits == library.search("a1")
    assert "how clearly the hits fit is not known" in caplog.text


def test_progress_is_told(tmp_path: Path) -> None:
    library = made(tmp_path, "a")
    forget(library)
    told: list[tuple[str, int, int]] = []
    library.answer("a1", on_progress=lambda *step: told.append(step))
    assert told[0] == ("encoding unrelated texts", 0, 400)
    assert told[-1] == ("comparing unrelated texts", 5, 5)


def test_the_exact_first_look_finds_the_best_of_many_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finereel.index.coarse.COARSE_BLOCK", 4)
    library = made(tmp_path, "a", "b")
    store = open_store(library.path)
    assert store is not None
    table = store.snapshot().vectors()
    queries = MODEL.coarse_query(MODEL.encode_text(["a1", "b2", "c"]))
    places, scores = confidence.exact_coarse(table, None).best(queries, 3)
    every = queries @ table.vectors.float().T
    torch.testing.assert_close(scores, every.sort(descending=True).values[:, :3])
    torch.testing.assert_close(every.gather(1, places), scores)
