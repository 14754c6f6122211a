"""Open a container and choose its main picture stream.

A file is untrusted. It may name other files and addresses (playlists, external tracks): nothing but
the already open file is ever read, because every protocol is refused and only demuxers of
self-contained formats are allowed.
"""

import errno
import os
from collections import Counter
from io import BufferedIOBase, BufferedReader
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from finereel.errors import BrokenVideoError, NotAVideoError, VideoError, VideoLimitError
from finereel.video.files import shown
from finereel.video.plan import Limits
from finereel.video.signatures import starts_like_video

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegvideo,mpegts,m4v,h264,hevc,vvc,av1,obu,ivf,flv,live_flv,asf,"
    "ogg,rm,gif,apng,nut,mxf,gxf,dv,wtv,nsv,dhav,ty,mjpeg,h263,vc1,yuv4mpegpipe,mp3,wav,flac,aac"
)
"""Demuxers that read one self-contained file. Playlists (hls, dash, concat), image patterns and
devices are not here. The last four are sound only, allowed so that such a file is told what is
wrong with it.
"""

READ_ERRORS = (av.error.FFmpegError, ValueError, OSError)
"""What reading a damaged file may raise; an OSError too, where the damage leads to a place before
its beginning.
"""

PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
"""Streams of covers and thumbnails."""

PEEK_PACKETS, PEEK_ENOUGH = 2000, 50
"""Of a file with several picture streams so many packets are read, or until each stream showed that
many pictures.
"""

RARE = 50
"""A stream with this many times fewer pictures than another one is a cover or a row of thumbnails.
"""

SMALL = 3
"""A stream whose pictures have this many times fewer pixels than another one's is a preview."""


def open_film(
    path: str | Path, file: BufferedReader, limits: Limits, index: int | None = None
) -> tuple[InputContainer, VideoStream]:
    """The container of an open file and the stream of its film. index: that of the stream, where it
    is known.

    Raises NotAVideoError (not a container, no picture stream), BrokenVideoError or VideoLimitError.
    """
    container = _open(path, file, limits)
    try:
        streams = _candidates(path, container)
        if index is None and len(streams) > 1:
            index = _choose(path, container, streams)
            container.close()
            container = _open(path, file, limits)
            streams = _candidates(path, container)
        stream = next((stream for stream in streams if stream.index == index), streams[0])
        _check_size(path, stream, limits)
    except Exception:
        container.close()
        raise
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all
    return container, stream


def reason(error: Exception) -> str:
    """What FFmpeg says was wrong, without the file's name."""
    return str(getattr(error, "strerror", None) or error)


def blame(path: str | Path, error: Exception) -> None:
    """Raise again what is not the file's own fault: no memory, and a disk or share that does not
    read (VideoError).
    """
    if isinstance(error, MemoryError):
        raise error
    if (
        isinstance(error, OSError)
        and not isinstance(error, av.error.FFmpegError)
        and error.errno != errno.EINVAL
    ):
        raise VideoError(
            f"{shown(path)}: cannot be read ({error.strerror}); check its disk"
        ) from error


def _open(path: str | Path, file: BufferedReader, limits: Limits) -> InputContainer:
    options = {
        "format_whitelist": FORMATS,
        "protocol_whitelist": "none",
        "max_streams": str(limits.max_streams),
        "max_pixels": str(limits.max_pixels),
    }
    file.seek(0)
    try:
        return av.open(file, "r", options=options, metadata_errors="replace", buffer_size=2**18)
    except MemoryError as error:
        raise VideoLimitError(
            f"{shown(path)}: opening it takes too much memory or it has more than "
            f"{limits.max_streams} streams"
        ) from error
    except READ_ERRORS as error:
        blame(path, error)
        raise _open_error(path, file, error) from error


def _open_error(path: str | Path, file: BufferedReader, error: Exception) -> VideoError:
    missing = missing_bytes(file)
    if missing:
        return BrokenVideoError(
            f"{shown(path)}: the file is incomplete, {missing} bytes are missing; copy it again"
        )
    file.seek(0)
    if starts_like_video(file.read(1024)):
        return BrokenVideoError(
            f"{shown(path)}: the file is damaged ({reason(error)}); copy it again"
        )
    return NotAVideoError(
        f"{shown(path)}: expected a video file, its content is something else ({reason(error)})"
    )


def _candidates(path: str | Path, container: InputContainer) -> list[VideoStream]:
    """The picture streams that can be decoded, covers left out."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    streams = [s for s in streams if not s.disposition & PICTURES] or streams
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise NotAVideoError(
            f"{shown(path)}: expected a picture stream, the file holds only: {kinds}"
        )
    streams = [stream for stream in streams if stream.codec_context is not None]
    if not streams:
        raise BrokenVideoError(
            f"{shown(path)}: there is no decoder for its pictures; convert it to H.264 or repair it"
        )
    return streams


def _choose(path: str | Path, container: InputContainer, streams: list[VideoStream]) -> int:
    """The index of the film: no cover, thumbnails or preview, then the default, the largest, the
    first one.
    """
    pictures = _count_pictures(path, container, streams)
    most = max(pictures.values())
    streams = [
        s
        for s in streams
        if pictures[s.index] * RARE > most and (pictures[s.index] > 1 or most == 1)
    ]
    longest = max(
        stream.duration * (stream.time_base or 0) if stream.duration else 0 for stream in streams
    )
    streams = [
        s for s in streams if not s.duration or 2 * s.duration * (s.time_base or 0) >= longest
    ]
    largest = max(stream.width * stream.height for stream in streams)
    streams = [s for s in streams if s.width * s.height * SMALL >= largest]
    streams = [s for s in streams if s.disposition & Disposition.default] or streams
    return max(streams, key=lambda s: s.width * s.height).index


def _count_pictures(
    path: str | Path, container: InputContainer, streams: list[VideoStream]
) -> dict[int, int]:
    """Pictures per stream index: as the file says, else as many as its first packets show."""
    seen: Counter[int] = Counter()
    for other in container.streams:
        if other not in streams:
            other.discard = Discard.all
    try:
        for number, packet in enumerate(container.demux(*streams)):
            seen[packet.stream.index] += bool(packet.size)
            if (
                number >= PEEK_PACKETS
                or min(seen[stream.index] for stream in streams) >= PEEK_ENOUGH
            ):
                break
    except READ_ERRORS as error:
        blame(path, error)
    claimed = all(stream.frames > 0 for stream in streams)
    return {
        stream.index: stream.frames if claimed else max(1, seen[stream.index]) for stream in streams
    }


def _check_size(path: str | Path, stream: VideoStream, limits: Limits) -> None:
    if stream.width * stream.height > limits.max_pixels:
        raise VideoLimitError(
            f"{shown(path)}: expected at most {limits.max_pixels} pixels per picture, the file "
            "claims "
            f"{stream.width} x {stream.height}"
        )


# Is a file as long as its own header says? The commonest damage is a copy or download that
# stopped.
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
    """Find the end of the last top-level box. A box of size 0 reaches to the end of the file by
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
    """Find the end of the segment; 0 if its size is left open, as in a live recording."""
    file.seek(0)
    head = file.read(4096)
    start = head.find(_SEGMENT) + len(_SEGMENT)
    if start < len(_SEGMENT) or start >= len(head) or head[start] == 0:
        return 0
    width = 9 - head[start].bit_length()
    size = int.from_bytes(head[start : start + width], "big") & ((1 << (7 * width)) - 1)
    return 0 if size == (1 << (7 * width)) - 1 else start + width + size
