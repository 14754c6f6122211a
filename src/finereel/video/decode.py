"""Decode a video file to pictures with PyAV."""

import functools
import math
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av.error
import av.logging
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import Float32, Float64

from finereel.errors import BrokenVideoError, VideoLimitError
from finereel.video.clips import Picture, Rgb
from finereel.video.cutting import Opened, PieceWriter, cut_out
from finereel.video.files import open_regular, shown
from finereel.video.metadata import recorded_at, sound_codec
from finereel.video.picture import display_size, rotation, upright_rgb
from finereel.video.plan import CutOrder, Limits, VideoInfo
from finereel.video.sound import sound_of
from finereel.video.streams import READ_ERRORS, blame, missing_bytes, open_film, reason
from finereel.video.subtitles import Cue
from finereel.video.tracks import embedded_cues

KEYFRAME_HOLD = 10.0
"""Seconds that the last keyframe may stand for what follows it, if no two before it lay farther
apart.
"""

LEAST_SHOWN, _TIMES_SHOWN = 0.1, 3
"""Seconds that a picture is taken to stay on screen at least, and how many times as long as its
packet says: files of varying speed are not to be trusted to the millisecond.
"""

LEAD_SECONDS, LEAD_PICTURES = 0.2, 5
"""How much earlier than it is shown a file's index may place a keyframe: pictures that are shown in
another order than they are stored are counted from when they are decoded.
"""

SOUND_PACKETS = 100_000
"""So many packets are read to learn whether the sound goes on where pictures end."""


class Source:
    """An open video file: `info` says what it is, `pictures` and `keyframes` give what is in it.

    Raises NotAVideoError, BrokenVideoError or VideoLimitError while opening. `damage` counts bad
    packets, `missing` the bytes that the file ends early, `stopped` says why reading ended before
    the end.
    """

    def __init__(self, path: str | Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._file = open_regular(path)
        self.damage = 0
        self.stopped = ""
        self.missing = missing_bytes(self._file)
        try:
            self._container, self._stream = open_film(path, self._file, limits)
            self.duration = self._find_duration()
            self._check_duration()
            self._use_threads()
        except Exception:
            self._file.close()
            raise
        self._first: VideoFrame | None = None
        self._begun = False
        self._asked = self._jumped = 0.0
        self._landing = False
        self._keys: Float64[np.ndarray, " n"] | None = None

    def close(self) -> None:
        self._container.close()
        self._file.close()

    @property
    def fps(self) -> float:
        average, guessed = self._stream.average_rate, self._stream.guessed_rate
        rate = (
            average or guessed if self._can_seek else guessed or average
        )  # raw streams: an average is FFmpeg's default
        return float(rate) if rate and 0.01 <= rate <= 1000 else 25.0

    def keyframe_times(self) -> Float64[np.ndarray, " n"]:
        """Seconds of the keyframes by the file's own index, ascending; empty when it has none that
        is loaded yet.
        """
        ticks = [entry.timestamp for entry in self._stream.index_entries if entry.is_keyframe]
        return np.sort(np.array(ticks, dtype=np.float64)) * float(self._time_base) - self._origin()

    @property
    def slack(self) -> float:
        """Seconds that pictures may end before `duration` in a good file."""
        return 3 / self.fps if self._own_duration() else 1.0

    def others_go_on(self) -> bool:
        """Whether sound or subtitles reach the end of a file whose pictures end earlier: then
        nothing is missing.
        """
        if self._own_duration() or not self._container.duration:
            return False
        self._reopen()
        others = [
            stream for stream in self._container.streams if stream.type in ("audio", "subtitle")
        ]
        self._stream.discard, end = Discard.all, 0.0
        for stream in others:
            stream.discard = Discard.default
        try:
            self._container.seek(
                max(0, self._container.duration - 10_000_000) + (self._container.start_time or 0)
            )
            for _, packet in zip(range(SOUND_PACKETS), self._container.demux(others), strict=False):
                if packet.pts is not None and packet.time_base:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        except READ_ERRORS as error:
            blame(self._path, error)
        return end - (self._container.start_time or 0) / 1e6 >= self._container.duration / 1e6 - 1.0

    def info(self) -> VideoInfo:
        """What the file is. Upright size and rotation are known once a picture was decoded; one is,
        if need be.
        """
        frame = self._first or next(self._frames(), None)
        if frame is None:
            raise BrokenVideoError(
                f"{shown(self._path)}: no picture could be decoded; the file is damaged"
            )
        width, height = display_size(frame, self._pixel_aspect)
        context = self._stream.codec_context
        return VideoInfo(
            duration=self.duration,
            fps=self.fps,
            width=width,
            height=height,
            rotation=rotation(frame),
            codec=context.codec.canonical_name,
            container=self._container.format.name,
            frames=self._stream.frames or None,
            has_audio=bool(self._container.streams.audio),
            audio_codec=sound_codec(self._container),
            taken_at=recorded_at(self._container.metadata),
        )

    def cues(self, on_wait: Callable[[], None]) -> list[Cue]:
        """The texts of its tracks of subtitles, before any picture is asked for; `on_wait` is
        called while they are read. Raises DataError when they break off.
        """
        return embedded_cues(self._path, self._container, self._origin(), on_wait)

    def sound(self) -> Iterator[tuple[float, Float32[np.ndarray, " N"]]]:
        """Its sound, before any picture is asked for, see `finereel.video.sound.sound_of`."""
        return sound_of(self._path, self._container, self._origin())

    def cut(
        self, order: CutOrder, target: PieceWriter, on_progress: Callable[[float], None]
    ) -> tuple[float, float]:
        """Write a part of it to a new file, before any picture is asked for, see
        `finereel.video.cutting.cut_out`.
        """
        film, aspect = self._stream, self._pixel_aspect
        opened = Opened(self._path, self._container, film, self._origin(), aspect, self._anew)
        return cut_out(opened, order, target, on_progress)

    def _anew(self) -> tuple[InputContainer, VideoStream]:
        self._reopen()
        return self._container, self._stream

    def pictures(self, start: float = 0.0) -> Iterator[Picture]:
        """Every picture in display order, from the keyframe at or before `start` seconds on."""
        self._go_to(start, Discard.default)
        previous = -math.inf
        for frame in self._frames():
            if not self._lands(frame, previous):
                continue
            seconds = self._seconds(frame.pts, previous)
            previous = seconds
            if seconds > self._limits.max_duration_s:
                self.stopped = f"it goes on past {self._limits.max_duration_s:.0f} s"
                return
            yield Picture(
                seconds,
                seconds + self._shown_for(frame.duration),
                functools.partial(self._rgb, frame),
            )

    def keyframes(self, start: float = 0.0) -> Iterator[Picture]:
        """The keyframes only, in file order; one is decoded when its `rgb` is called, not
        before.
        """
        self._go_to(start, Discard.nonkey)  # formats with an index then do not even read the rest
        previous, hold = -math.inf, KEYFRAME_HOLD
        for packet in self._packets():
            if packet.is_keyframe and packet.size:
                seconds = self._seconds(
                    packet.pts if packet.pts is not None else packet.dts, previous
                )
                hold = max(hold, seconds - previous) if previous > -math.inf else hold
                previous = seconds
                yield Picture(seconds, seconds + hold, functools.partial(self._lone_rgb, packet))

    @property
    def lead(self) -> float:
        """Seconds by which `keyframe_times` may place a keyframe before it is shown."""
        return max(LEAD_SECONDS, LEAD_PICTURES / self.fps)

    def skip_to(self, seconds: float, jump: bool = True) -> None:
        """Pictures that leave the screen before `seconds` are not asked for: those that no other is
        made of (a third of a usual H.264 file and more) need not be decoded, and with `jump` none
        that lies before a keyframe from which `seconds` can be reached. Without it nothing is left
        out of a file of varying speed either, whose pictures may stay longer than they say.
        """
        if not jump and not self._steady:
            return
        self._asked = seconds
        if jump and self._keys is None:
            self._keys = self.keyframe_times()

    @property
    def _steady(self) -> bool:
        """Whether a picture follows at every beat, so that each is shown equally long. Only MP4 and
        its kin count their pictures; others state a rate that need not hold.
        """
        average, beat = self._stream.average_rate, self._stream.base_rate
        return "mp4" in self._container.format.name and bool(average) and average == beat

    def _jumps(self, packet: "Packet[VideoStream]") -> bool:
        """Go on at the last keyframe before the time asked for, if it lies ahead of a packet."""
        if self._keys is None or packet.pts is None or self._jumped == self._asked:
            return False
        here = float(packet.pts * self._time_base) - self._origin()
        number = int(np.searchsorted(self._keys, self._asked - self.lead, side="right")) - 1
        if number < 0 or self._keys[number] <= here + self.lead or not self._can_seek:
            return False
        shown = float(self._keys[number]) + self.lead
        if number + 1 < len(self._keys) and self._keys[number + 1] <= shown:
            return False  # which of the two a format goes to is not certain
        self._jumped, self._landing = self._asked, True
        self._seek(shown)
        return True

    def _lands(self, frame: VideoFrame, previous: float) -> bool:
        """Whether a picture lies ahead of where a jump began: some formats go back too far."""
        if self._landing and frame.pts is not None:
            self._landing = float(frame.pts * self._time_base) - self._origin() <= previous
        return not self._landing

    def _choose_pictures(self, packet: "Packet[VideoStream]") -> None:
        """Decode a packet's picture, or only if others are made of it."""
        leaves = -math.inf
        if self._asked > 0 and packet.pts is not None:
            begins = float(packet.pts * self._time_base) - self._origin()
            leaves = begins + max(LEAST_SHOWN, _TIMES_SHOWN * self._shown_for(packet.duration))
        left_out = -math.inf < leaves < self._asked
        self._stream.codec_context.skip_frame = "NONREF" if left_out else "DEFAULT"

    def _rgb(self, frame: VideoFrame, size: int) -> Rgb:
        return upright_rgb(frame, self._pixel_aspect, size)

    def _frames(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            if not self._jumps(packet):
                self._choose_pictures(packet)
                yield from self._decoded(packet)

    def _packets(self) -> "Iterator[Packet[VideoStream]]":
        try:
            for packet in self._container.demux(self._stream):
                self.damage += packet.is_corrupt
                yield packet
        except READ_ERRORS as error:
            blame(self._path, error)
            self.stopped = reason(error)

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

    def _go_to(self, start: float, discard: Discard) -> None:
        """Stand at the keyframe at or before `start` seconds; what `discard` names is not read."""
        if self._begun and not (start > 0 and self._can_seek):
            self._reopen()
        self._begun, self._landing = True, False
        self._stream.discard = discard
        if start > 0 and self._can_seek:
            self._seek(start)

    def _seek(self, seconds: float) -> None:
        offset = int((seconds + self._origin()) / self._time_base)
        try:
            self._container.seek(offset, stream=self._stream, backward=True)
        except READ_ERRORS as error:  # a format that cannot seek is read from where it stands
            blame(self._path, error)

    @property
    def _can_seek(self) -> bool:
        return self._stream.start_time is not None  # a raw stream has no times to seek by

    def _reopen(self) -> None:
        self._container.close()
        self._container, self._stream = open_film(
            self._path, self._file, self._limits, self._stream.index
        )
        self._use_threads()

    @property
    def _time_base(self) -> Fraction:
        return self._stream.time_base or Fraction(1, 1_000_000)

    def _origin(self) -> float:
        """Second zero of the file's own time, as players count it: where its first stream
        starts.
        """
        mine = float((self._stream.start_time or 0) * self._time_base)
        whole = self._container.start_time
        return whole / 1e6 if whole is not None and 0 <= mine - whole / 1e6 <= 10 else mine

    def _seconds(self, pts: int | None, previous: float) -> float:
        """Time of a picture; where the file gives none, or one that goes back, one picture after
        the last.
        """
        following = previous + 1 / self.fps if previous > -math.inf else 0.0
        if pts is None:
            return following
        seconds = float(pts * self._time_base) - self._origin()
        return (
            following
            if seconds <= previous
            else max(0.0, seconds)
            if previous == -math.inf
            else seconds
        )

    def _shown_for(self, duration: int | None) -> float:
        return max(1 / self.fps, float((duration or 0) * self._time_base))

    @property
    def _pixel_aspect(self) -> Fraction:
        aspect = self._stream.sample_aspect_ratio
        return aspect if aspect and Fraction(1, 8) <= aspect <= 8 else Fraction(1)

    def _find_duration(self) -> float:
        return self._own_duration() or self._whole_duration() or self._measured_duration()

    def _own_duration(self) -> float:
        """Seconds of the picture stream by its header; 0.0 where only the whole file's length is
        known.
        """
        stream = self._stream
        if stream.duration and stream.duration > 0:
            return float(stream.duration * self._time_base)
        end = _clock_seconds(stream.metadata.get("DURATION", ""))  # what Matroska's writers note
        if end > 0:
            return max(end - self._origin(), 1 / self.fps)
        return self._whole_duration() if len(self._container.streams) == 1 else 0.0

    def _whole_duration(self) -> float:
        """Seconds of the whole file by its header, 0.0 where it does not say."""
        seconds = (self._container.duration or 0) / 1e6
        if (
            "matroska" in self._container.format.name
        ):  # which notes when it ends, not how long it lasts
            seconds -= max(0.0, self._origin()) if seconds > self._origin() else 0.0
        return max(0.0, seconds)

    def _measured_duration(self) -> float:
        """The end of the last packet, by reading all of them without decoding; the file is then
        opened anew.
        """
        last, count = -math.inf, 0
        for packet in self._packets():
            if packet.size:
                count += 1
                if packet.pts is not None:
                    last = max(
                        last, float(packet.pts * self._time_base) - self._origin() + 1 / self.fps
                    )
        self._reopen()
        self.damage = 0
        return last if last > 0 else max(1, count) / self.fps

    def _use_threads(self) -> None:
        """Few threads: each one holds whole pictures, and the memory limit counts them."""
        self._stream.codec_context.thread_type = "AUTO"
        self._stream.codec_context.thread_count = min(4, os.cpu_count() or 1)

    def _check_duration(self) -> None:
        claimed = max(self.duration, (self._container.duration or 0) / 1e6)
        if claimed > self._limits.max_duration_s:
            raise VideoLimitError(
                f"{shown(self._path)}: expected at most {self._limits.max_duration_s:.0f} s of "
                "video, the file claims "
                f"{claimed:.0f} s; repair it or raise max_duration_s"
            )


def quiet() -> None:
    """Let FFmpeg write its own words to stderr, errors only; through Python they could block a
    decoding thread.
    """
    av.logging.restore_default_callback()
    av.logging.set_libav_level(av.logging.ERROR)


def _clock_seconds(text: str) -> float:
    """Seconds of a time like 00:01:02.5; 0.0 where it is none.

    >>> _clock_seconds("00:01:02.500000000"), _clock_seconds("soon")
    (62.5, 0.0)
    """
    try:
        hours, minutes, seconds = (float(part) for part in text.split(":"))
    except ValueError:
        return 0.0
    total = 3600 * hours + 60 * minutes + seconds
    return total if math.isfinite(total) else 0.0
