"""Load a shared library of this package through ctypes, and ask it what it has code for."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

Signature = tuple[Any, tuple[Any, ...]]
"""What a function returns, and its arguments."""


def load(name: str, functions: dict[str, Signature]) -> ctypes.CDLL:
    """The library in the file `name`, with the signatures of its functions."""
    library = ctypes.CDLL(str(Path(__file__).with_name(name)))
    for function, (returned, arguments) in functions.items():
        getattr(library, function).restype = returned
        getattr(library, function).argtypes = arguments
    return library


def names(ask: Callable[[int], bytes | None]) -> tuple[str, ...]:
    """What a library names by number, until it names nothing."""
    found: list[str] = []
    while (name := ask(len(found))) is not None:
        found.append(name.decode())
    return tuple(found)
