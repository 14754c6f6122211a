"""Send a file, or the part of it that a browser asks for, from a handle that was checked and is
never opened again.
"""

import asyncio
import re
from contextlib import closing
from dataclasses import dataclass, field
from io import BufferedReader
from typing import Any

CHUNK = 1 << 18


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


@dataclass(frozen=True)
class FileAnswer:
    """An ASGI answer: an open file, which it closes. kind: its media type."""

    file: BufferedReader
    kind: str
    headers: dict[str, str] = field(default_factory=dict)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send what the request asks for; reads never hold up other requests."""
        with closing(self.file):
            size = self.file.seek(0, 2)
            asked = dict(scope["headers"]).get(b"range")
            try:
                wanted = byte_range(asked.decode("latin-1") if asked else None, size)
            except UnsatisfiableError:
                await send(_head(416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"}))
                await send({"type": "http.response.body"})
                return
            first, last = wanted or (0, size - 1)
            headers = self.headers | {
                "Content-Type": self.kind,
                "Content-Length": str(last - first + 1),
                "Accept-Ranges": "bytes",
            }
            if wanted:
                headers["Content-Range"] = f"bytes {first}-{last}/{size}"
            await send(_head(206 if wanted else 200, headers))
            left = last - first + 1 if scope["method"] == "GET" else 0
            await self._send_bytes(first, left, receive, send)

    async def _send_bytes(self, first: int, left: int, receive: Any, send: Any) -> None:
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            self.file.seek(first)
            while left and not gone.done():
                chunk = await asyncio.to_thread(self.file.read, min(left, CHUNK))
                if not chunk:  # it became shorter: the connection ends before the promised length
                    break
                left -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            gone.cancel()
        await send({"type": "http.response.body"})


async def _disconnected(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _head(status: int, headers: dict[str, str]) -> dict[str, Any]:
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": pairs}
