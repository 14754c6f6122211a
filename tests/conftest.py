"""What every test shares: how long Hypothesis may think, and when slow tests run."""

import os
import signal

import pytest
from hypothesis import settings

# A shell that starts tests in the background has them ignore Ctrl-C, and so would every process they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Timings on a shared machine say nothing about the code.
settings.register_profile("finereel", deadline=None)
settings.load_profile("finereel")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests run when CI is set in the environment."""
    if os.environ.get("CI"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: set CI=1 to run it"))
