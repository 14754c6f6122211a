"""Which part of a file a browser asks for."""

import re


class UnsatisfiableError(ValueError):
    """The part lies past the end of the file."""


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte (inclusive) that a Range header asks for; None for the whole file
    (RFC 9110, section 14).

    Several ranges at once and units other than bytes may be answered with the whole file, and are.

    >>> byte_range("bytes=2-5", 10), byte_range("bytes=-3", 10), byte_range("bytes=4-", 10), byte_range("lines=1-2", 10)
    ((2, 5), (7, 9), (4, 9), None)
    """
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", (header or "").strip(), re.ASCII)
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < int(first):
            return None
    if start > end:
        raise UnsatisfiableError(f"bytes {start}-{end} of {size}")
    return start, end
