"""Whole published networks from seeds, in every checkout: scores, loss and gradients as when they
agreed with the released code's own arrays (see `golden/derive_networks.py`).
"""

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from golden.derive_networks import NETWORKS, measured, seeded
from places import GOLDEN

EXPECTED = np.load(GOLDEN / "networks.npz")
DESCRIBED = json.loads(str(EXPECTED["described"]))


@cache
def found(name: str) -> dict[str, Any]:
    return measured(name, seeded(DESCRIBED[name]))


def gap(ours: Any, theirs: Any) -> float:
    """Largest difference relative to the largest expected entry."""
    return float(np.abs(np.asarray(ours, np.float64) - theirs).max() / np.abs(theirs).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_scores(name: str) -> None:
    parts = [key for key in EXPECTED if key.startswith(f"{name}/scores/")]
    assert len(parts) == len([key for key in found(name) if key.startswith("scores/")]) >= 2
    for key in parts:
        assert gap(found(name)[key.removeprefix(f"{name}/")], EXPECTED[key]) < 1e-5, key


@pytest.mark.parametrize("name", NETWORKS)
def test_loss_and_gradients(name: str) -> None:
    assert gap(found(name)["loss"], EXPECTED[f"{name}/loss"]) < 1e-5
    assert found(name)["gradients"].shape == EXPECTED[f"{name}/gradients"].shape
    assert gap(found(name)["gradients"], EXPECTED[f"{name}/gradients"]) < 1e-4
    assert (EXPECTED[f"{name}/gradients"] > 0).mean() > 0.9


def test_another_weight_is_another_score() -> None:
    state = seeded(DESCRIBED["clip4clip meanP"])
    state["clip.visual.proj"] = state["clip.visual.proj"] * 1.001 + 1e-3
    changed = measured("clip4clip meanP", state)["scores/fused"]
    assert gap(changed, EXPECTED["clip4clip meanP/scores/fused"]) > 1e-5
