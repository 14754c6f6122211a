"""The attack by many readers: it runs, and it tells a torn answer."""

from collections import Counter
from pathlib import Path

import pytest
from research.attacks import readers


@pytest.mark.slow
def test_a_handful_of_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "THREADS", 4)
    [result] = readers.readers(tmp_path, 30, 0)
    assert result.tried >= 30
    assert not result.failures


def test_a_part_of_a_group_is_torn() -> None:
    assert readers.torn(Counter({"group0": 5, "group2": 5})) == ""
    assert readers.torn(Counter({"group0": 5, "group2": 3})) == "group2 has 3 of 5 clips"
    assert readers.torn(Counter({"group0": 6})) == "group0 has 6 of 5 clips"
