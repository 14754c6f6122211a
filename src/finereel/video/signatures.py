"""Tell from a file's first bytes whether it is a video."""

HEAD = 1024
"""Bytes that `starts_like_video` and `starts_like_text` want to see."""

_MAGIC: tuple[tuple[int, bytes], ...] = (
    *((4, box) for box in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"styp")),
    *(
        (0, magic)
        for magic in (
            b"\x1aE\xdf\xa3",
            b"FLV\x01",
            b"OggS",
            b"GIF8",
            b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        )
    ),
    *((0, b"\x00\x00\x01" + code) for code in (b"\xba", b"\xb3")),
    *((8, form) for form in (b"AVI ", b"AVIX", b"CDXA")),
    *(
        (0, magic)
        for magic in (
            b".RMF",
            b"\x06\x0e\x2b\x34\x02\x05\x01\x01",
            b"YUV4MPEG2",
            b"DKIF",
            b"nut/multimedia",
        )
    ),
    (0, b"\xb7\xd8\x00\x20\x37\x49\xda\x11\xa6\x4e\x00\x07\xe9\x5e\xad\x8d"),
)
"""Offset and bytes of ISO media, Matroska, FLV, Ogg, GIF, ASF, MPEG program stream and sequence,
AVI, VCD, RealMedia, MXF, raw pictures, IVF, NUT and WTV.
"""

_STILL_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif", b"crx ", b"M4A ", b"M4B ", b"M4P "}
)
"""ISO media files that are pictures or sound."""

_PACKETS = (188, 192, 204)
"""Lengths of an MPEG transport stream's packets: plain, of camcorders, of broadcast."""


def starts_like_video(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a container of video.

    >>> starts_like_video(bytes(4) + b"ftypisom"), starts_like_video(b"Dear reader")
    (True, False)
    """
    if head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS:
        return False
    if any(head[offset : offset + len(magic)] == magic for offset, magic in _MAGIC):
        return True
    return any(_repeats(head, first, length) for length in _PACKETS for first in (0, 4))


def starts_like_text(head: bytes) -> bool:
    """Whether the first bytes of a file are a text of some length, as of a program: `.ts` is
    TypeScript too.

    >>> starts_like_text(b"import { Component } from 'core';"), starts_like_text(b"G" + bytes(187))
    (True, False)
    """
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # elsewhere than in a letter cut off at the end
            return False
        text = head[: error.start].decode()
    return len(text) >= 16 and all(letter.isprintable() or letter.isspace() for letter in text)


def _repeats(head: bytes, first: int, length: int) -> bool:
    """Whether every packet of a transport stream begins with its sync byte, three of them
    at least.
    """
    return len(head) > first + 2 * length and set(head[first::length]) == {0x47}
