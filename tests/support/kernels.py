"""What a test does where the compiled kernels are missing: nothing, but in continuous integration,
which builds them, it fails.
"""

import importlib.util
import os
from typing import NoReturn

import pytest


def without_kernels(every_processor: bool = True) -> NoReturn:
    """Skip; fail where they should have been built. every_processor: False where a processor may
    lack the instructions, so that only missing ones fail.
    """
    missing = every_processor or importlib.util.find_spec("finereel_kernels") is None
    if os.environ.get("CI") and missing:
        pytest.fail("finereel-kernels is not installed; `make` builds it where g++ is")
    pytest.skip(
        "finereel-kernels is not installed (pip install ./kernels), or not for this machine"
    )
