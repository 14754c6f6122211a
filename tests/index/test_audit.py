"""The audit file: a line per action, whoever writes, and none where the folder cannot be written."""

import json
import logging
import threading
from pathlib import Path

import pytest

from finereel.index.audit import NAME, note


def test_lines_are_appended_whole_by_several_writers(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=note, args=(tmp_path, "export"), kwargs={"query": "x" * 5000})
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [json.loads(line) for line in (tmp_path / NAME).read_text().splitlines()]
    assert len(lines) == 20
    assert {line["what"] for line in lines} == {"export"}
    assert all(line["at"].endswith("+00:00") for line in lines)
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0


def test_where_nothing_can_be_written_the_action_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert not note(tmp_path / "gone", "export", count=1)
    assert "export cannot be noted in audit.jsonl" in caplog.text
