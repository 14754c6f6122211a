"""Verdict files: nothing confirmed is ever lost, nothing broken is believed."""

import json
import random
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from finereel.errors import ConfigError, DataError
from finereel.finegrain.review.verdicts import (
    VERDICTS,
    Judgement,
    Sampling,
    VerdictLog,
    VerdictName,
    current,
    judgement,
    rater_name,
    read_events,
    read_verdicts,
    review_items,
    set_name,
    verdict_path,
)
from finereel.finegrain.types import CHANGES, Negative


def said(item: str, verdict: VerdictName | None, rater: str = "anna", event: str = "") -> Judgement:
    return Judgement(item, f"id-{item}", "noun", rater, verdict, event=event)


def test_the_last_word_counts_and_none_takes_it_back() -> None:
    steps = [said("a", "valid"), said("b", "unsure"), said("a", "also_true"), said("b", None)]
    assert {item: one.verdict for item, one in current(steps).items()} == {"a": "also_true"}


def test_what_was_added_is_on_the_disk_at_once(tmp_path: Path) -> None:
    log = VerdictLog(tmp_path / "v.jsonl", "anna")
    for number, verdict in enumerate(VERDICTS):
        log.add(said(str(number), verdict))
        assert len(read_verdicts(log.path)) == number + 1
    assert VerdictLog(log.path, "anna").events == log.events


def test_a_step_sent_twice_counts_once(tmp_path: Path) -> None:
    log = VerdictLog(tmp_path / "v.jsonl", "anna")
    assert [log.add(said("a", "valid", event="e1")) for _ in range(2)] == [True, False]
    assert VerdictLog(log.path, "anna").add(said("a", "unsure", event="e1")) is False
    assert len(read_events(log.path)) == 1


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_line_that_broke_off_is_dropped_and_the_file_goes_on(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "v.jsonl"
    VerdictLog(path, "anna").add(said("a", "valid"))
    VerdictLog(path, "anna").add(said("b", "unsure"))
    path.write_bytes(path.read_bytes()[:-cut])
    assert list(read_verdicts(path)) == ["a"]
    VerdictLog(path, "anna").add(said("c", "also_true"))
    assert list(read_verdicts(path)) == ["a", "c"]


def test_threads_may_add_at_the_same_time(tmp_path: Path) -> None:
    log = VerdictLog(tmp_path / "v.jsonl", "anna")
    threads = [
        threading.Thread(target=lambda n=n: log.add(said(f"i{n}", "valid"))) for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_verdicts(log.path)) == 20


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2"),
        ("[]", "JSON object"),
        ('{"item": "a", "rater": "anna", "verdict": "good"}', "unknown verdict 'good'"),
        ('{"item": 3, "rater": "anna", "verdict": "valid"}', "expected item as a text, got 3"),
        ('{"item": "a", "rater": "bob", "verdict": "valid"}', "one rater, found anna, bob"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "v.jsonl"
    VerdictLog(path, "anna").add(said("a", "valid"))
    path.write_bytes(path.read_bytes() + line.encode() + b"\n")
    with pytest.raises(DataError, match=message):
        read_events(path)


def test_one_file_has_one_rater(tmp_path: Path) -> None:
    VerdictLog(tmp_path / "v.jsonl", "anna").add(said("a", "valid"))
    with pytest.raises(DataError, match="expected the verdicts of bob, it holds those of anna"):
        VerdictLog(tmp_path / "v.jsonl", "bob")


def test_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such verdict file"):
        read_verdicts(tmp_path / "v.jsonl")


@pytest.mark.parametrize(
    "name", ["", "  ", "../x", "a/b", ".hidden", "a\nb", "x" * 65, "a b", "\x00"]
)
def test_a_name_that_could_leave_the_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="a rater's name is"):
        verdict_path(Path("x.jsonl"), name)


@pytest.mark.parametrize("name", ["anna", "a.b@c.org", "\u0410\u043d\u043d\u0430", "rater-2"])
def test_a_name_is_kept(name: str) -> None:
    assert rater_name(name) == name


def test_hostile_fields_survive(tmp_path: Path) -> None:
    log = VerdictLog(tmp_path / "v.jsonl", "anna")
    step = Judgement("a", '=1+1"\n</script>\x00\ud800', "noun", "anna", "valid")
    log.add(step)
    assert read_events(log.path) == [step]
    assert judgement(json.loads(log.path.read_text())) == step


# The sample that is read: stable, balanced over parts of speech, and nothing given away.
Make = Callable[..., Negative]


@pytest.fixture
def rows(negative: Make) -> list[Negative]:
    return [
        negative(f"a dog {number} runs", "dog", "cat", pos, f"{pos}{number}")
        for pos in CHANGES
        for number in range(30)
    ]


def test_every_part_of_speech_has_its_share(rows: list[Negative]) -> None:
    items = review_items(rows, Sampling(sample=7))
    assert {pos: sum(item.row.pos == pos for item in items) for pos in CHANGES} == dict.fromkeys(
        CHANGES, 7
    )
    assert len(review_items(rows, Sampling(sample=0))) == len(rows)


def test_the_sample_does_not_depend_on_the_order_of_the_file(rows: list[Negative]) -> None:
    mixed = random.Random(3).sample(rows, len(rows))
    assert review_items(rows, Sampling(5)) == review_items(mixed, Sampling(5))
    assert review_items(rows, Sampling(5)) != review_items(rows, Sampling(5, seed=1))


def test_a_larger_sample_holds_the_smaller_one(rows: list[Negative]) -> None:
    few, many = ({item.key for item in review_items(rows, Sampling(sample))} for sample in (5, 9))
    assert few < many


def test_the_order_shows_no_part_of_speech_in_a_block(rows: list[Negative]) -> None:
    shown = [item.row.pos for item in review_items(rows, Sampling(20))]
    changes = sum(one != other for one, other in pairwise(shown))
    assert changes > len(shown) / 2


def test_rows_with_one_id_are_different_items(negative: Make) -> None:
    same = negative("a dog runs", "dog", "cat")
    other = negative("a dog runs", "dog", "cow")
    items = review_items([same, other, same])
    assert len({item.key for item in items}) == 3
    assert all("dog" not in item.key and len(item.key) < 24 for item in items)


def test_the_name_of_a_set_is_of_its_items_alone(rows: list[Negative]) -> None:
    items = review_items(rows, Sampling(5))
    assert set_name(items) == set_name(items[::-1]) != set_name(items[1:])


def test_hostile_rows_have_keys(hostile: list[Negative], negative: Make) -> None:
    surrogate = negative("broken \ud800 dog", "dog", "cat")
    assert len({item.key for item in review_items([*hostile, surrogate])}) == len(hostile) + 1


def test_a_negative_sample_is_refused() -> None:
    with pytest.raises(ConfigError, match="sample must be 0"):
        Sampling(-1)
