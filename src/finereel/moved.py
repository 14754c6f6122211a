"""Module names of version 0.1: they still import, with a DeprecationWarning, until version 0.3."""

import sys
import warnings
from collections.abc import Iterable
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "finereel.alignment": "finereel.models.heads",
    "finereel.datasets": "finereel.data",
    "finereel.encoders": "finereel.models.encoders",
    "finereel.features": "finereel.models.features",
    "finereel.model": "finereel.models.saving",
    "finereel.official": "finereel.models.published",
    "finereel.run": "finereel.recipes.run",
}


class _Moved(MetaPathFinder, Loader):
    """Gives the module of today for a name of version 0.1."""

    def find_spec(
        self, fullname: str, path: Iterable[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for `fullname` where it, or the package it was in, has moved; None for every other
        name.
        """
        return None if new_name(fullname) is None else ModuleSpec(fullname, self)

    def exec_module(self, module: ModuleType) -> None:
        """Put the module of today in the place of the empty one that the import system has made."""
        new = new_name(module.__name__)
        assert new is not None
        warnings.warn(f"{module.__name__} is now {new}", DeprecationWarning, stacklevel=6)
        sys.modules[module.__name__] = import_module(new)


def new_name(old: str) -> str | None:
    """The name of today of a module of version 0.1; None where nothing has moved.

    >>> new_name("finereel.encoders.clip"), new_name("finereel.library")
    ('finereel.models.encoders.clip', None)
    """
    for before, after in MOVED.items():
        if old == before or old.startswith(before + "."):
            return after + old[len(before) :]
    return None


def install() -> None:
    """Let the names of version 0.1 import; a second call changes nothing."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.insert(
            0, _Moved()
        )  # before the finder that would read the new file under the old name
