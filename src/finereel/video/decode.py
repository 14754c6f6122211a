"""FILE -> PICTURES, with PyAV. The only file that knows the decoder; runs in the decoding child; no torch.

A file is untrusted. It may name other files and addresses (playlists, external tracks): nothing but the already open
file is ever read, because every protocol is refused and only demuxers of self-contained formats are allowed.
"""

import functools
import math
import os
from collections.abc import Iterator
from fractions import Fraction
from io import BufferedReader
from pathlib import Path

import av
import av.error
import av.logging
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream
from jaxtyping import Float64

from finereel.errors import BrokenVideoError, NotAVideoError, VideoError, VideoLimitError
from finereel.video.clips import Picture, Rgb
from finereel.video.files import open_regular, shown
from finereel.video.plan import Limits, VideoInfo
from finereel.video.truncation import missing_bytes

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegvideo,mpegts,m4v,h264,hevc,vvc,av1,obu,ivf,flv,live_flv,asf,"
    "ogg,rm,gif,apng,nut,mxf,dv,wtv,nsv,mjpeg,h263,vc1,yuv4mpegpipe,mp3,wav,flac,aac"
)
"""Demuxers that read one self-contained file. Playlists (hls, dash, concat), image patterns and devices are not here.
The last four are sound only, allowed so that such a file is told what is wrong with it."""

ASPECT = 16
"""Pictures longer than this many times `size` are shrunk further, so that a 16384 x 1 video cannot fill a pipe."""

KEYFRAME_HOLD = 10.0
"""Seconds that the last keyframe may stand for what follows it, if no two before it lay farther apart."""

SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT

_SIGNATURES: tuple[tuple[int, bytes], ...] = (
    *((4, box) for box in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"styp")),
    *((0, magic) for magic in (b"\x1aE\xdf\xa3", b"RIFF", b"FLV\x01", b"OggS", b"GIF8", b"\x30\x26\xb2\x75", b"\x47@")),
    *((0, b"\x00\x00\x01" + code) for code in (b"\xba", b"\xb3")),
)


class Source:
    """An open video file: `info` says what it is, `pictures` and `keyframes` give what is in it.

    Raises NotAVideoError, BrokenVideoError or VideoLimitError while opening. `damage` counts bad packets, `missing`
    the bytes that the file ends early, `stopped` says why reading ended before the end.
    """

    def __init__(self, path: str | Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._file = open_regular(path)
        self.damage = 0
        self.stopped = ""
        self.missing = missing_bytes(self._file)
        try:
            self._container = _open(path, self._file, limits)
            self._stream = _video_stream(path, self._container, limits)
            self.duration = self._find_duration()
            self._check_duration()
            self._use_threads()
        except Exception:
            self._file.close()
            raise
        self._first: VideoFrame | None = None

    def close(self) -> None:
        self._container.close()
        self._file.close()

    @property
    def fps(self) -> float:
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(rate) if rate and 0.01 <= rate <= 1000 else 25.0

    def keyframe_times(self) -> Float64[np.ndarray, " n"]:
        """Seconds of the keyframes by the file's own index, ascending; empty when it has none that is loaded yet."""
        ticks = [entry.timestamp for entry in self._stream.index_entries if entry.is_keyframe]
        return np.sort(np.array(ticks, dtype=np.float64)) * float(self._time_base) - self._origin()

    @property
    def slack(self) -> float:
        """Seconds that pictures may end before `duration` in a good file: more where that counts the sound."""
        exact = bool(self._stream.duration) or not self._container.streams.audio
        return 3 / self.fps if exact else 1.0

    def info(self) -> VideoInfo:
        """What the file is. Upright size and rotation are known once a picture was decoded; one is, if need be."""
        frame = self._first or next(self._frames(), None)
        if frame is None:
            raise BrokenVideoError(f"{shown(self._path)}: no picture could be decoded; the file is damaged")
        width, height = _display_size(frame, self._pixel_aspect)
        context = self._stream.codec_context
        return VideoInfo(
            duration=self.duration,
            fps=self.fps,
            width=width,
            height=height,
            rotation=-frame.rotation % 360,
            codec=context.codec.canonical_name,
            container=self._container.format.name,
            frames=self._stream.frames or None,
            has_audio=bool(self._container.streams.audio),
        )

    def pictures(self, start: float = 0.0) -> Iterator[Picture]:
        """Every picture in display order, from the keyframe at or before `start` seconds on."""
        if start > 0:
            self._seek(start)
        previous = -math.inf
        for frame in self._frames():
            seconds = self._seconds(frame.pts, previous)
            previous = seconds
            yield Picture(seconds, seconds + self._shown_for(frame.duration), functools.partial(self._rgb, frame))

    def keyframes(self, start: float = 0.0) -> Iterator[Picture]:
        """The keyframes only, in file order; one is decoded when its `rgb` is called, not before."""
        self._stream.discard = Discard.nonkey  # formats with an index then do not even read the rest
        if start > 0:
            self._seek(start)
        previous, hold = -math.inf, KEYFRAME_HOLD
        for packet in self._packets():
            if packet.is_keyframe and packet.size:
                seconds = self._seconds(packet.pts if packet.pts is not None else packet.dts, previous)
                hold = max(hold, seconds - previous) if previous > -math.inf else hold
                previous = seconds
                yield Picture(seconds, seconds + hold, functools.partial(self._lone_rgb, packet))

    def _rgb(self, frame: VideoFrame, size: int) -> Rgb:
        """Upright RGB in square pixels, its shorter side `size` pixels or less."""
        width, height = _display_size(frame, self._pixel_aspect)
        scale = min(1.0, size / min(width, height), ASPECT * size / max(width, height))
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
        if frame.rotation % 180:
            width, height = height, width
        small = frame.reformat(width, height, "rgb24", interpolation=SCALING, threads=1)
        return np.ascontiguousarray(np.rot90(small.to_ndarray(), frame.rotation // 90))

    def _frames(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            yield from self._decoded(packet)

    def _packets(self) -> "Iterator[Packet[VideoStream]]":
        try:
            for packet in self._container.demux(self._stream):
                self.damage += packet.is_corrupt
                yield packet
        except (av.error.FFmpegError, ValueError) as error:
            if isinstance(error, MemoryError):
                raise
            self.stopped = _reason(error)

    def _decoded(self, packet: "Packet[VideoStream] | None") -> list[VideoFrame]:
        try:
            frames = self._stream.codec_context.decode(packet)
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            if not isinstance(error, av.error.EOFError):
                self.damage += 1
            return []
        if frames and self._first is None:
            self._first = frames[0]
        return frames

    def _lone_rgb(self, packet: "Packet[VideoStream]", size: int) -> Rgb | None:
        frames = self._decoded(packet) + self._decoded(None)
        self._stream.codec_context.flush_buffers()
        return self._rgb(frames[0], size) if frames else None

    def _seek(self, start: float) -> None:
        if self._stream.start_time is None:  # a raw stream has no times to seek by: it is read from the start
            return
        offset = int((start + self._origin()) / self._time_base)
        try:
            self._container.seek(offset, stream=self._stream, backward=True)
        except av.error.FFmpegError:  # a format that cannot seek is read from where it stands
            return

    @property
    def _time_base(self) -> Fraction:
        return self._stream.time_base or Fraction(1, 1_000_000)

    def _origin(self) -> float:
        """Second zero of the file's own time, as players count it: where its first stream starts."""
        mine = float((self._stream.start_time or 0) * self._time_base)
        whole = self._container.start_time
        return whole / 1e6 if whole is not None and 0 <= mine - whole / 1e6 <= 10 else mine

    def _seconds(self, pts: int | None, previous: float) -> float:
        """Time of a picture; where the file gives none, or one that goes back, one picture after the last."""
        following = previous + 1 / self.fps if previous > -math.inf else 0.0
        if pts is None:
            return following
        seconds = float(pts * self._time_base) - self._origin()
        return following if seconds <= previous else max(0.0, seconds) if previous == -math.inf else seconds

    def _shown_for(self, duration: int | None) -> float:
        return max(1 / self.fps, float((duration or 0) * self._time_base))

    @property
    def _pixel_aspect(self) -> Fraction:
        aspect = self._stream.sample_aspect_ratio
        return aspect if aspect and Fraction(1, 8) <= aspect <= 8 else Fraction(1)

    def _find_duration(self) -> float:
        stream, container = self._stream, self._container
        if stream.duration and stream.duration > 0:
            return float(stream.duration * self._time_base)
        if container.duration and container.duration > 0:
            return container.duration / 1e6
        return self._measured_duration()

    def _measured_duration(self) -> float:
        """The end of the last packet, by reading all of them without decoding; the file is then opened anew."""
        last, count = -math.inf, 0
        for packet in self._packets():
            if packet.size:
                count += 1
                if packet.pts is not None:
                    last = max(last, float(packet.pts * self._time_base) - self._origin() + 1 / self.fps)
        self._container.close()
        self._container = _open(self._path, self._file, self._limits)
        self._stream = _video_stream(self._path, self._container, self._limits)
        self.damage = 0
        return last if last > 0 else max(1, count) / self.fps

    def _use_threads(self) -> None:
        """Few threads: each one holds whole pictures, and the memory limit counts them."""
        self._stream.codec_context.thread_type = "AUTO"
        self._stream.codec_context.thread_count = min(4, os.cpu_count() or 1)

    def _check_duration(self) -> None:
        if self.duration > self._limits.max_duration_s:
            raise VideoLimitError(
                f"{shown(self._path)}: expected at most {self._limits.max_duration_s:.0f} s of video, the file claims "
                f"{self.duration:.0f} s; repair it or raise max_duration_s"
            )


def quiet() -> None:
    """Let FFmpeg write its own words to stderr, errors only; through Python they could block a decoding thread."""
    av.logging.restore_default_callback()
    av.logging.set_libav_level(av.logging.ERROR)


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
    except av.error.FFmpegError as error:
        raise _open_error(path, file, error, limits) from error


def _open_error(path: str | Path, file: BufferedReader, error: av.error.FFmpegError, limits: Limits) -> VideoError:
    if isinstance(error, MemoryError):
        return VideoLimitError(
            f"{shown(path)}: opening it takes too much memory or it has more than {limits.max_streams} streams"
        )
    missing = missing_bytes(file)
    if missing:
        return BrokenVideoError(f"{shown(path)}: the file is incomplete, {missing} bytes are missing; copy it again")
    file.seek(0)
    head = file.read(16)
    if any(head[offset:].startswith(magic) for offset, magic in _SIGNATURES):
        return BrokenVideoError(f"{shown(path)}: the file is damaged ({_reason(error)}); copy it again")
    return NotAVideoError(f"{shown(path)}: expected a video file, its content is none ({_reason(error)})")


def _video_stream(path: str | Path, container: InputContainer, limits: Limits) -> VideoStream:
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise NotAVideoError(f"{shown(path)}: expected a picture stream, the file holds only: {kinds}")
    streams = [stream for stream in streams if stream.codec_context is not None]
    if not streams:
        raise BrokenVideoError(f"{shown(path)}: there is no decoder for its pictures; convert it to H.264 or repair it")
    stream = max(streams, key=lambda s: s.width * s.height)  # previews and thumbnails tracks are the smaller ones
    if stream.width * stream.height > limits.max_pixels:
        raise VideoLimitError(
            f"{shown(path)}: expected at most {limits.max_pixels} pixels per picture, the file claims "
            f"{stream.width} x {stream.height}"
        )
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all
    return stream


def _display_size(frame: VideoFrame, aspect: Fraction) -> tuple[int, int]:
    width = max(1, round(frame.width * aspect))
    return (frame.height, width) if frame.rotation % 180 else (width, frame.height)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
