"""`finereel compression` of a model, and what it refuses."""

import json
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def test_a_model_on_rendered_scenes(run: Any) -> None:
    told = run("compression", "reelworld-tiny", "--scenes", "2", "--json")
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert [row["tokens"] for row in found["formats"]] == ["fp16", "int8", "2bit"]
    assert found["formats"][0]["twins"]["all"]["pairs"] > 2
    sizes = [row["bytes_per_clip"] for row in found["formats"]]
    assert sizes == [48 * 256 + 256, 48 * 130 + 256, 48 * 34 + 256]


def test_queries_are_for_a_library(run: Any) -> None:
    told = run("compression", "reelworld-tiny", "--queries", "-")
    assert told.exit_code == 2
