"""What `import finereel` offers: every listed name, lazily, typed for a user of the installed
wheel; old names warn.
"""

import importlib
import importlib.util
import subprocess
import sys

import pytest

import finereel
from finereel.moved import moved


@pytest.mark.parametrize("name", finereel.__all__)
def test_every_listed_name_is_there(name: str) -> None:
    assert getattr(finereel, name) is not None
    assert name in dir(finereel)


def test_the_list_and_the_places_agree() -> None:
    assert set(finereel.__all__) == set(finereel._PLACES) | {"__version__"}
    with pytest.raises(AttributeError, match="no attribute 'Libary'"):
        _ = finereel.Libary


def test_names_are_the_same_objects_as_in_their_modules() -> None:
    from finereel.library import Library
    from finereel.models import published

    assert finereel.Library is Library
    assert finereel.official is published


PACKAGES = ("alignment", "datasets", "encoders", "features", "model", "official", "run", "disk")


@pytest.mark.parametrize("old", [f"finereel.{name}" for name in PACKAGES])
def test_old_module_names_warn_and_are_the_new_modules(old: str) -> None:
    new = moved()[old]
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is now {new}"):
        module = importlib.import_module(old)
    assert module is importlib.import_module(new)
    assert module.__spec__ is not None
    assert module.__spec__.name == new


def test_a_module_in_a_package_that_moved() -> None:
    with pytest.warns(DeprecationWarning, match="is now finereel.models.encoders.towers"):
        module = importlib.import_module("finereel.encoders.text_tower")
    assert module is importlib.import_module("finereel.models.encoders.towers")


def test_every_module_that_moved_is_somewhere() -> None:
    assert len(moved()) > 200
    for old, new in moved().items():
        found = importlib.util.find_spec(new)
        assert found is not None, old
        assert found.name == new != old


def test_the_parity_contract_imports_by_its_name() -> None:
    code = (
        "from finereel import official; official.sinkhorn, official.load, "
        "official.import_checkpoint"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0
