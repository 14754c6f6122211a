"""The shared library of `src/rows.cpp` through ctypes. Its caller is `finereel.index.wide_columns`."""

import ctypes

from finereel_kernels.loading import load

INTERFACE = 1
"""Changes with the fields of `Rows`; Finereel uses no library of another number."""


class Rows(ctypes.Structure):
    """Where values stand and where they go; see `rows.cpp`. The caller keeps all of it alive."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("count", "width")),
        *((name, ctypes.c_void_p) for name in ("files", "places", "to", "sums")),
        ("threads", ctypes.c_int64),
    )


_LIBRARY = load(
    "_rows.so",
    {
        "finereel_reads": (ctypes.c_int, ()),
        "finereel_read": (ctypes.c_int, (ctypes.POINTER(Rows),)),
    },
)
READS = bool(_LIBRARY.finereel_reads())
"""Whether this processor has the instructions that `read` needs."""


def read(job: Rows) -> None:
    """Read values and their CRC-32. OSError where one cannot be read whole."""
    if _LIBRARY.finereel_read(ctypes.byref(job)):
        raise OSError("a data file is shorter than its pages")
