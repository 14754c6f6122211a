"""The messages between the reader and its decoding child: a length, a JSON header, then the
announced bytes.

The child may have been taken over by a hostile file, so the reading side believes no number without
checking it.
"""

import json
import struct
from io import BufferedIOBase, RawIOBase
from typing import Any

Header = dict[str, Any]

LENGTH = struct.Struct("<I")
MAX_HEADER = 2**16


def encode(header: Header) -> bytes:
    """A header as bytes on the wire.

    >>> encode({"kind": "end"})
    b'\\x0f\\x00\\x00\\x00{"kind": "end"}'
    """
    body = json.dumps(header).encode()
    if len(body) > MAX_HEADER:
        raise ValueError(f"a header is at most {MAX_HEADER} bytes, got {len(body)}")
    return LENGTH.pack(len(body)) + body


def decode_length(raw: bytes) -> int:
    """The length of the header that follows; ValueError when no honest child would send it."""
    (length,) = LENGTH.unpack(raw)
    if not 0 < length <= MAX_HEADER:
        raise ValueError(f"a header is 1 to {MAX_HEADER} bytes, got {length}")
    return int(length)


def decode(raw: bytes) -> Header:
    """A header from its bytes; ValueError when it is not a JSON object."""
    header = json.loads(raw)
    if not isinstance(header, dict):
        raise ValueError(f"a header is a JSON object, got {type(header).__name__}")
    return header


def read(stream: BufferedIOBase | RawIOBase) -> Header | None:
    """The next header of a blocking stream, None at its end (the child's side: it waits as long as
    it takes).
    """
    raw = stream.read(LENGTH.size)
    return decode(stream.read(decode_length(raw))) if len(raw) == LENGTH.size else None
