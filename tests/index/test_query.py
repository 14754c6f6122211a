"""Queries and filters as types: what people write, and what cannot be."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import ConfigError
from finereel.index.query import Filters, Query, filters_of, period, seconds_of


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [
        ("2026", datetime(2026, 1, 1), datetime(2027, 1, 1)),
        ("2026-12", datetime(2026, 12, 1), datetime(2027, 1, 1)),
        (" 2026-2 ", datetime(2026, 2, 1), datetime(2026, 3, 1)),
        ("2024-02-29", datetime(2024, 2, 29), datetime(2024, 3, 1)),
    ],
)
def test_a_date_is_all_of_it(text: str, first: datetime, after: datetime) -> None:
    assert period(text) == (first, after)
    filters = filters_of(recorded=(text, text))
    assert (filters.since, filters.until) == (first, after)


def test_a_time_is_a_moment_and_keeps_its_zone() -> None:
    moment = datetime(2026, 5, 17, 18, 30, tzinfo=timezone(timedelta(hours=2)))
    assert period("2026-05-17T18:30+02:00") == (moment, moment)
    assert Filters(since=moment).since_utc == datetime(2026, 5, 17, 16, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "2026-13", "2026-02-30", "0000", "9999", "26", "soon"])
def test_no_date(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a date such as 2026, 2026-05"):
        period(text)


@given(st.integers(0, 10**6))
def test_a_length_is_read_in_any_form(seconds: int) -> None:
    clock = f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    assert seconds_of(str(seconds)) == seconds_of(clock) == seconds_of(f"{seconds} s") == seconds


@pytest.mark.parametrize("text", ["", "-1", "1:2:3:4", "long", "1e3", "nan"])
def test_no_length(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a length such as 90"):
        seconds_of(text)


NOON = datetime(2026, 5, 17, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong",
    [
        {"since": NOON, "until": NOON},
        {"since": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))},
        {"min_length": -1.0},
        {"max_length": float("nan")},
        {"min_length": 2.0, "max_length": 1.0},
        {"tags": ("",)},
        {"folders": ("",)},
    ],
)
def test_filters_that_nothing_passes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Filters(**wrong)


@pytest.mark.parametrize("wrong", [{"top": 0}, {"candidates": 0}, {"per_video": -1}])
def test_numbers_below_one_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Query("dog", **wrong)


def test_no_filter_is_false() -> None:
    assert not Filters()
    assert all(Filters(**given) for given in ({"min_length": 0.0}, {"tags": ("a",)}))
