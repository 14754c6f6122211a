"""Send a file, or the part of it that a browser asks for, from a handle that was checked and is
never opened again.
"""

import asyncio
from collections.abc import Mapping
from contextlib import closing
from io import BufferedReader
from typing import Any

from starlette.responses import Response

from finereel.web.ranges import UnsatisfiableError, byte_range

CHUNK = 1 << 18


class FileAnswer(Response):
    """An open file as an answer, which closes it. kind: its media type; more: further headers."""

    def __init__(self, file: BufferedReader, kind: str, more: Mapping[str, str]) -> None:
        super().__init__()
        self.file = file
        self.kind = kind
        self.more = dict(more)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send what the request asks for; reads never hold up other requests."""
        with closing(self.file):
            size = self.file.seek(0, 2)
            try:
                wanted = byte_range(self._range(scope), size)
            except UnsatisfiableError:
                await send(_head(416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"}))
                await send({"type": "http.response.body"})
                return
            first, last = wanted or (0, size - 1)
            headers = self.more | {
                "Content-Type": self.kind,
                "Content-Length": str(last - first + 1),
                "Accept-Ranges": "bytes",
            }
            if wanted:
                headers["Content-Range"] = f"bytes {first}-{last}/{size}"
            await send(_head(206 if wanted else 200, headers))
            left = last - first + 1 if scope["method"] != "HEAD" else 0
            await self._send_bytes(first, left, receive, send)

    def _range(self, scope: Any) -> str | None:
        """What part is asked for; none where it is of another state of the file."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        same = headers.get(b"if-range", self.more.get("ETag")) == self.more.get("ETag")
        return headers.get(b"range") if same else None

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
