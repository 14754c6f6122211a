"""Modules of version 0.1 by their old names: they still import, with a DeprecationWarning, until version 0.3."""

import os.path
import sys
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

_TABLE: dict[str, str] = {}


def moved() -> dict[str, str]:
    """Old module name -> the module that holds its contents today, from `moved.txt`."""
    if not _TABLE:
        with open(os.path.splitext(__file__)[0] + ".txt", encoding="utf-8") as lines:  # noqa: PTH122, PTH123
            _TABLE.update((old, new) for old, new in map(str.split, lines))
    return _TABLE


class _Moved:
    """Finder and loader: gives the module of today for a name of version 0.1.

    Without the base classes of `importlib.abc`, whose import takes longer than all of `import finereel`.
    """

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """A spec for `fullname` where that module has moved; None for every other name."""
        return None if new_name(fullname) is None else ModuleSpec(fullname, self)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """None: an empty module, which `exec_module` replaces."""

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
