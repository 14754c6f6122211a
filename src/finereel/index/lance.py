"""LanceDB, imported without the client of its remote service, which this project never speaks to.

Importing that client (a hundred classes whose checks are compiled one by one) takes more than a third of LanceDB's
start: 0.8 of 2.1 CPU seconds. Its package is found as ever, but its `__init__` runs only when one of its names is
asked for.
"""

import importlib.util
import sys

_CLIENT = "lance_namespace_urllib3_client"


def postpone(name: str) -> None:
    """Let the `__init__` of a package run when one of its names is first asked for; its submodules import as ever.

    Nothing happens where the package is absent or imported already.
    """
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    package, loader = importlib.util.module_from_spec(spec), spec.loader

    def find(attribute: str) -> object:
        if attribute.startswith("__") or not vars(package).pop("__getattr__", None):
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
        loader.exec_module(package)
        return getattr(package, attribute)

    vars(package)["__getattr__"] = find
    sys.modules[name] = package


postpone(_CLIENT)

import lancedb  # noqa: E402
from lancedb.index import IvfSq  # noqa: E402
from lancedb.table import LanceTable  # noqa: E402

__all__ = ["IvfSq", "LanceTable", "lancedb", "postpone"]
