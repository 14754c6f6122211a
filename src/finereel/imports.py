"""Delay the import of modules that other packages load but this project rarely needs.

A shell command pays for every import. `python research/benchmarks/cold_search.py` measures what
`finereel search` takes.
"""

import gc
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

UNUSED_PARTS = (
    "torch._meta_registrations",
    "torch.ao",
    "torch.distributions",
    "torch.export",
    "torch.masked",
    "torch.optim",
    "torch.profiler",
    "torch.utils.data",
)
"""Parts of torch that it imports by itself and that nothing asks for when a library is used."""


@contextmanager
def without_collection() -> Iterator[None]:
    """No search for garbage within the block: imports make many objects, and all of them stay."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def without_override_checks() -> Iterator[None]:
    """Within the block, Python 3.11 marks overriding methods as later versions do: unchecked.

    There the package `overrides` stands in for `typing.override`. It compares the signature of
    every marked method with those of the base classes, whenever the module is imported.
    """
    if sys.version_info >= (3, 12):
        yield
        return
    unchecked, before = ModuleType("overrides"), sys.modules.get("overrides")

    def other(name: str) -> Any:
        """What later versions of LanceDB may ask for besides."""
        sys.modules.pop("overrides", None)
        return getattr(importlib.import_module("overrides"), name)

    vars(unchecked).update(
        override=lambda method: method,
        EnforceOverrides=type("EnforceOverrides", (), {}),
        __getattr__=other,
    )
    sys.modules["overrides"] = unchecked
    try:
        yield
    finally:
        sys.modules.pop("overrides", None)
        if before is not None:
            sys.modules["overrides"] = before


def postpone(name: str) -> None:
    """Let a module run when one of its names is first asked for; the modules below a package import
    as ever.

    Nothing happens where the module is absent, or imported already.
    """
    spec = None if name in sys.modules else _spec(name)
    if spec is None or spec.loader is None:
        return
    module, loader = importlib.util.module_from_spec(spec), spec.loader

    def find(attribute: str) -> object:
        if attribute.startswith("__") or not vars(module).pop("__getattr__", None):
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
        loader.exec_module(module)
        return getattr(module, attribute)

    vars(module)["__getattr__"] = find
    sys.modules[name] = module


def postpone_classes(package: str) -> None:
    """Give stand-ins for the classes of a package and its modules; the first one that is called
    imports them all.

    For classes that other modules name in annotations. Nothing happens where the package is absent
    or imported already.
    """
    if package not in sys.modules and _spec(package) is not None:
        sys.meta_path.insert(0, _StandIns(package))


class _StandIns:
    """Finds the modules of one package as empty ones, in which every name is a stand-in for a
    class.
    """

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """As `sys.meta_path` asks."""
        ours = name == self._package or name.startswith(self._package + ".")
        if not ours:
            return None
        return ModuleSpec(name, self, is_package=name == self._package)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """A module in which every name is a stand-in."""
        module = ModuleType(spec.name)
        vars(module)["__getattr__"] = lambda name: self._stand_in(spec.name, name)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""

    def _stand_in(self, module: str, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")

        def make(_: type, *arguments: object, **named: object) -> object:
            self._withdraw()
            return getattr(importlib.import_module(module), name)(*arguments, **named)

        return type(name, (), {"__new__": make, "__module__": module})

    def _withdraw(self) -> None:
        """Remove the finder, so that the package is imported as it is from now on."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            for name in [
                name for name in sys.modules if (name + ".").startswith(self._package + ".")
            ]:
                del sys.modules[name]


def _spec(name: str) -> ModuleSpec | None:
    """Find a module without importing its package."""
    parent = _spec(name.rpartition(".")[0]) if "." in name else None
    if "." in name and parent is None:
        return None
    return importlib.machinery.PathFinder.find_spec(
        name, parent.submodule_search_locations if parent else None
    )
