"""What every test shares: how long Hypothesis may think, which tests run where, and that no parity
check is skipped.
"""

import gc
import os
import signal
import tempfile
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import settings

import shape_checks
from places import FIXTURES

# A shell that starts tests in the background has them ignore Ctrl-C, and so would every process
# they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Timings on a shared machine say nothing about the code.
settings.register_profile("finereel", deadline=None)
settings.load_profile("finereel")

shape_checks.install()  # before a test imports the package

# What is imported while tests are collected stays to the end: to look through it for garbage, then
# and after, is in vain.
gc.disable()

# Programs that make the small golden arrays from the full ones.
collect_ignore_glob = ["golden/derive_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    """What is measured on this machine goes to a folder of the run, not to the user's cache."""
    folder = tempfile.TemporaryDirectory(prefix="finereel-cache-")
    config.add_cleanup(folder.cleanup)
    os.environ["XDG_CACHE_HOME"] = folder.name


LONGEST = ("tests/mutants/", "tests/research/")
"""What holds tests of minutes: it runs first, so that no worker waits for another at the end."""

SLOW_SECONDS = 1800
"""A slow test that takes longer hangs; the limit of the others stands in pyproject.toml."""

PARITY = (
    "tests/models/published/",
    "tests/training/test_golden.py",
    "tests/training/test_bert_adam.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest come first. Slow tests run when CI is set; checks of the full golden arrays are
    collected where those arrays are.
    """
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))  # whole files stay together
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(SLOW_SECONDS))
    if not FIXTURES.is_dir():
        absent = [item for item in items if item.get_closest_marker("fixtures")]
        items[:] = [item for item in items if item not in absent]
        config.hook.pytest_deselected(items=absent)
    if os.environ.get("CI"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: set CI=1 to run it"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """What was imported is left out of the search for garbage, which goes on for what tests make."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: Any
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A parity check that is skipped fails: it would be missed by nobody."""
    report = yield
    if report.skipped and item.nodeid.startswith(PARITY) and not item.get_closest_marker("slow"):
        report.outcome, report.longrepr = "failed", f"a parity check was skipped: {report.longrepr}"
    return report
