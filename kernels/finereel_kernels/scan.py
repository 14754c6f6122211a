"""The shared library of `src/scan.cpp` through ctypes. Its caller is `finereel.index.quantized`."""

import ctypes

from finereel_kernels.loading import load, names

INTERFACE = 1
"""Changes with the fields of `Scan`; Finereel uses no library of another number."""


class Scan(ctypes.Structure):
    """Vectors, a query and where the best go; see `scan.cpp`. The caller keeps all of it alive."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("vectors", "scales", "bias", "rows", "query")),
        *((name, ctypes.c_int64) for name in ("count", "width", "keep")),
        ("length", ctypes.c_float),
        ("places", ctypes.c_void_p),
        ("threads", ctypes.c_int64),
    )


_LIBRARY = load(
    "_scan.so",
    {
        "finereel_scan_set": (ctypes.c_char_p, (ctypes.c_int64,)),
        "finereel_scan": (ctypes.c_int, (ctypes.POINTER(Scan), ctypes.c_int64)),
    },
)
SETS = names(_LIBRARY.finereel_scan_set)
"""Instruction sets of this processor that there is code for, the widest first, `plain` last."""


def scan(job: Scan, instructions: str = SETS[0]) -> None:
    """Find the best vectors. MemoryError where memory ran out, ValueError where a score is NaN."""
    failed = _LIBRARY.finereel_scan(ctypes.byref(job), SETS.index(instructions))
    if failed == 1:
        raise MemoryError("no memory for candidates")
    if failed:
        raise ValueError("expected scores without NaN")
