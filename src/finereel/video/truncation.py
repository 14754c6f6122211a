"""Tell whether a file is shorter than its header says; a copy or download that stopped is the most
common damage.
"""

import os
from io import BufferedIOBase

_BOXES = 1000
_EBML, _SEGMENT = b"\x1aE\xdf\xa3", b"\x18S\x80g"


def missing_bytes(file: BufferedIOBase) -> int:
    """Bytes that the outermost boxes of an MP4, AVI or Matroska file promise beyond its end; 0 for
    other formats.

    >>> import io
    >>> missing_bytes(io.BytesIO(b"RIFF" + (100).to_bytes(4, "little") + b"AVI " + bytes(50)))
    46
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head[:4] == b"RIFF" and len(head) == 12:
        return max(0, int.from_bytes(head[4:8], "little") + 8 - end)
    if head[:4] == _EBML:
        return max(0, _matroska_end(file) - end)
    if head[4:8] == b"ftyp":
        return max(0, _mp4_end(file, end) - end)
    return 0


def _mp4_end(file: BufferedIOBase, end: int) -> int:
    """Where the last top-level box ends; a box of size 0 reaches to the end of the file by
    definition.
    """
    place = 0
    for _ in range(_BOXES):
        file.seek(place)
        head = file.read(16)
        if len(head) < 8:
            return end if not head else place + 8
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        if size < 8:
            return end
        place += size
        if place >= end:
            return place
    return end


def _matroska_end(file: BufferedIOBase) -> int:
    """Where the segment ends, 0 where its size is left open, as in a live recording."""
    file.seek(0)
    head = file.read(4096)
    start = head.find(_SEGMENT) + len(_SEGMENT)
    if start < len(_SEGMENT) or start >= len(head) or head[start] == 0:
        return 0
    width = 9 - head[start].bit_length()
    size = int.from_bytes(head[start : start + width], "big") & ((1 << (7 * width)) - 1)
    return 0 if size == (1 << (7 * width)) - 1 else start + width + size
