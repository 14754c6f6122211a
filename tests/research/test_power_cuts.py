"""The attack by power cuts: it finds nothing, and does find what is no longer forced to disk."""

from pathlib import Path

import pytest
from research.attacks.power_cuts import power_cuts


def test_no_power_cut_loses_what_was_announced(tmp_path: Path) -> None:
    (result,) = power_cuts(tmp_path, 4, seed=3)
    assert (result.tried, result.failed, result.failures) == (4, 0, ())


def test_it_notices_data_that_are_not_forced_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finereel.index.head.sync_version", lambda table, fresh, manifest: None)
    (result,) = power_cuts(tmp_path, 4, seed=3)
    assert result.failed
    assert result.failures
