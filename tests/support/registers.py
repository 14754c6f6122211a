"""The floating-point registers as MMX code leaves them that does not clean up; x86 alone
has them.
"""

import ctypes
import mmap
import platform
from collections.abc import Iterator
from contextlib import contextmanager

HAS_MMX = platform.machine().lower() in ("x86_64", "amd64")
_OCCUPY, _FREE = b"\x0f\x6e\xc0\xc3", b"\x0f\x77\xc3"  # movd mm0, eax; ret and emms; ret


@contextmanager
def occupied() -> Iterator[None]:
    """All eight registers taken, for this thread, until something frees them."""
    _run(_OCCUPY)
    try:
        yield
    finally:
        _run(_FREE)


def _run(code: bytes) -> None:
    with mmap.mmap(
        -1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    ) as page:
        page.write(code)
        start = ctypes.c_char.from_buffer(page)
        ctypes.CFUNCTYPE(None)(ctypes.addressof(start))()
        del start
