"""Identify a file by its content, so that a renamed file is recognised, and test quickly whether it
has changed.
"""

import hashlib
import os
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from finereel.video.files import open_regular

WHOLE = 8 * 2**20
"""Files below this size are hashed whole (8 MiB)."""

SAMPLE = 2**18
SAMPLES = 16
"""A larger file gives SAMPLES pieces of SAMPLE bytes: its head, its tail and the evenly spaced ones
between.
"""


@dataclass(frozen=True)
class FileState:
    """What the file system says without reading: equal states mean "unchanged" (as `make` and
    `rsync` decide it).
    """

    size: int
    mtime_ns: int


def file_state(path: str | Path) -> FileState:
    """Size and modification time of a file; OSError when there is none."""
    status = os.stat(path)  # noqa: PTH116
    return FileState(status.st_size, status.st_mtime_ns)


def content_hash(path: str | Path) -> str:
    """32 hex digits that name the content of a file, whatever it is called and wherever it lies.

    BLAKE2b-128 over the size and the bytes: all of them below 8 MiB, and above that 4 MiB in 16
    pieces (head, tail, 14 between), so that a film costs 16 reads. Two large files of equal size
    that differ only between the pieces would share a hash; an edited or re-encoded video changes
    its head, its tail or its size.

    Raises NotAVideoError or VideoError as `open_regular` does.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=16)
        for offset, length in _pieces(size):
            _feed(digest, file, offset, length)
    return digest.hexdigest()


def _pieces(size: int) -> list[tuple[int, int]]:
    if size < WHOLE:
        return [(0, size)]
    return [(index * (size - SAMPLE) // (SAMPLES - 1), SAMPLE) for index in range(SAMPLES)]


def _feed(digest: hashlib.blake2b, file: BufferedReader, offset: int, length: int) -> None:
    file.seek(offset)
    while length > 0 and (block := file.read(min(length, 2**20))):
        digest.update(block)
        length -= len(block)
