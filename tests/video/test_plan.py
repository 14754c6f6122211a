"""A plan that cannot be carried out is refused when it is made."""

from typing import Any

import pytest

from finereel.errors import ConfigError
from finereel.types import Window
from finereel.video.plan import ClipPlan, Limits


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"length": 0.0}, "length must be positive"),
        ({"length": float("nan")}, "length must be positive"),
        ({"num_frames": 0}, "at least 1, got 0"),
        ({"size": 8}, "16 to 4096 pixels, got 8"),
        ({"mode": "fast"}, "expected one of auto, exact, keyframes, sequential"),
        ({"sampling": "random"}, "expected one of centres, seconds"),
        ({"windows": (Window(5.0, 6.0), Window(1.0, 2.0))}, "ascend"),
    ],
)
def test_plan_refuses(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ClipPlan(**fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"deadline_s": 0.0}, "deadline_s must be positive"), ({"memory_mib": 100}, "at least 512")],
)
def test_limits_refuse(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Limits(**fields)
