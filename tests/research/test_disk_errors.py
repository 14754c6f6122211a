"""The attack by errors of the operating system: it runs, and it says what is untyped."""

from pathlib import Path

import pytest
from research.attacks import disk_errors
from research.attacks.library_scenarios import SCENARIOS


@pytest.mark.slow
def test_a_handful_of_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_errors, "SCENARIOS", {"normalise": SCENARIOS["normalise"]})
    [result] = disk_errors.disk_errors(tmp_path, 4, 0)
    assert result.failed == 0
    assert result.tried in (0, 4)  # 0 where there is no C compiler
    assert not result.failures


@pytest.mark.parametrize(
    ("ended", "good"),
    [
        ("done", True),
        (
            "LibraryError: /s/place could not be written: no space; free some, then run the same "
            "command again",
            True,
        ),
        ("LibraryError: the library /s/place is read-only here", True),
        ("Traceback (most recent call last):\nOSError: [Errno 28] No space left on device", False),
        ("LibraryError: it could not be written", False),
        ("LibraryError: /s/place\ncould not be written, run the same command again", False),
        ("killed", False),
    ],
)
def test_what_counts_as_typed(ended: str, good: bool) -> None:
    assert (disk_errors.untyped(ended, Path("/s")) == "") is good
