"""Modules of version 0.1 by their old names: they still import, with a DeprecationWarning, until version 0.3."""

import sys
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType


@cache
def moved() -> Mapping[str, str]:
    """Old module name -> the module that holds its contents today, from `moved.txt`."""
    lines = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split() for line in lines)


class _Moved(MetaPathFinder, Loader):
    """Gives the module of today for a name of version 0.1."""

    def find_spec(
        self, fullname: str, path: Iterable[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for `fullname` where that module has moved; None for every other name."""
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
    return moved().get(old) if old.startswith("finereel.") else None


def install() -> None:
    """Let the names of version 0.1 import; a second call changes nothing."""
    # Before the finder that would read the new file under the old name.
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Moved())
