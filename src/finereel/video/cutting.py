"""Cut a part out of a video into a new file: its packets as they are from a keyframe on, or encoded
again from exactly the frame that was asked for.

Runs in the decoding child, which may not write files: what is written goes to the parent in pieces,
see `PieceWriter`.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream

from finereel.errors import BrokenVideoError, VideoError
from finereel.video.files import shown
from finereel.video.picture import upright_rgb
from finereel.video.plan import DRAFT_RATE, DRAFT_SIDE, CutOrder
from finereel.video.streams import READ_ERRORS, blame, reason

AnyPacket: TypeAlias = "Packet[Any]"
QUALITY = {"preset": "veryfast", "crf": "18"}
"""Of libx264: hardly to be told from the original."""

DRAFT_QUALITY = {"preset": "ultrafast", "crf": "28"}
"""Of libx264: to look at once, soon."""

LARGEST = 8192
"""Pixels of a picture's shorter side that are encoded."""

LEADS = (0.5, 12.0)
"""Seconds before the first time wanted to which is sought, one after the other: formats that seek by
decoding times, or by guessing, land at a keyframe that is shown too late.
"""

REORDER = 0.2
"""Seconds that a picture may be decoded before it is shown."""

FORM_OPTIONS = {form: {"avoid_negative_ts": "disabled"} for form in ("matroska", "webm")}
"""Matroska stores no decoding times, and must not be moved for those before its beginning."""

TICKS = 90_000
"""Of a second, in which pictures are timed."""

BT709 = 1
RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
"""Sampling rates of AAC."""

SOUND_GAP = 0.1
"""Seconds that sound may be missing before the silence is kept."""


class PieceWriter:
    """A file that the muxer writes to, which hands over pieces and where they belong."""

    def __init__(self, send: Callable[[int, bytes], None]) -> None:
        self._send = send
        self._at = self._end = 0

    def write(self, data: bytes) -> int:
        self._send(self._at, bytes(data))
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + {0: 0, 1: self._at, 2: self._end}[whence]
        return self._at

    def tell(self) -> int:
        return self._at


@dataclass
class Opened:
    """A file that was just opened, and its film. origin: second zero of its own time; aspect: of its
    pixels; reopen: stands at the beginning again.
    """

    path: str | Path
    container: InputContainer
    film: VideoStream
    origin: float
    aspect: Fraction
    reopen: Callable[[], tuple[InputContainer, VideoStream]]

    @property
    def sound(self) -> AudioStream | None:
        """The track of sound that players choose."""
        tracks = [track for track in self.container.streams.audio if track.codec_context]
        return next((track for track in tracks if track.disposition & 1), next(iter(tracks), None))

    def seconds(self, part: Any) -> float | None:
        """When a packet or frame is shown or heard; None where the file does not say."""
        ticks = part.dts if part.pts is None else part.pts
        if ticks is None or not part.time_base:
            return None
        return float(ticks * part.time_base) - self.origin

    def packets(self, start: float) -> Iterator[AnyPacket]:
        """The packets of film and sound from a keyframe at or before `start` seconds on."""
        if start > LEADS[0]:
            self._go_before(start)
        streams = [self.film, *filter(None, [self.sound])]
        for stream in self.container.streams:
            stream.discard = Discard.default if stream in streams else Discard.all
        try:
            for packet in self.container.demux(streams):
                if packet.size:
                    yield packet
        except READ_ERRORS as error:
            blame(self.path, error)

    def _go_before(self, start: float) -> None:
        """Stand at or before a keyframe that is shown at or before `start` seconds. Where a format
        does not land where it was asked to, go farther back.
        """
        for lead in LEADS:
            self._seek(max(0.0, start - lead))
            if self._next_key() <= start:
                self._seek(max(0.0, start - lead))
                return
        self.container, self.film = self.reopen()

    def _seek(self, seconds: float) -> None:
        place = int((seconds + self.origin) / _base(self.film))
        try:
            self.container.seek(place, stream=self.film, backward=True)
        except READ_ERRORS as error:  # a format that cannot seek is read from where it stands
            blame(self.path, error)

    def _next_key(self) -> float:
        """Seconds of the next keyframe; infinite where none comes."""
        try:
            for packet in self.container.demux(self.film):
                ticks = packet.dts if packet.pts is None else packet.pts
                if packet.is_keyframe and packet.size and ticks is not None:
                    return float(ticks * _base(self.film)) - self.origin
        except READ_ERRORS as error:
            blame(self.path, error)
        return math.inf


def cut_out(
    opened: Opened, order: CutOrder, target: PieceWriter, on_progress: Callable[[float], None]
) -> tuple[float, float]:
    """Write a part of a video to `target`; returns the seconds at which it begins and ends.

    Raises BrokenVideoError where there is no picture in that part, or its packets do not fit into
    the format.
    """
    try:
        with av.open(
            target, "w", format=order.form, options=FORM_OPTIONS.get(order.form, {})
        ) as output:
            how = _EncodedPart if order.exact else _CopiedPart
            return how(opened, order, output).run(on_progress)
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, MemoryError | VideoError):
            raise
        hint = "" if order.exact else "; encode it again with --exact"
        raise BrokenVideoError(
            f"{shown(opened.path)}: the part cannot be written as {order.form} "
            f"({reason(error)}){hint}"
        ) from error


class _CopiedPart:
    """Packets as they are, from the keyframe at or before the start on."""

    def __init__(self, opened: Opened, order: CutOrder, output: OutputContainer) -> None:
        self._opened, self._order, self._output = opened, order, output
        self._film = output.add_stream_from_template(opened.film)
        self._encoder = _Sound.of(opened, output) if order.new_sound else None
        self._sound: AudioStream | None = None
        if opened.sound is not None and not order.new_sound:
            self._sound = output.add_stream_from_template(opened.sound)
        self._end = 0.0
        self._ticks: dict[bool, int] = {}

    def run(self, on_progress: Callable[[float], None]) -> tuple[float, float]:
        waiting: list[AnyPacket] = []  # from the last keyframe on that is not too late
        begins: float | None = None
        for packet in self._opened.packets(self._order.start):
            film = _is_film(packet)
            if begins is not None:
                if film and self._decoded_at(packet) >= self._order.end:
                    break
                self._mux(packet, begins)
                on_progress(self._seconds(packet))
                continue
            begun = any(map(_is_film, waiting))
            if film and begun and self._decoded_at(packet) > self._order.start:
                begins = self._begin(waiting)  # no keyframe that follows is early enough
                self._mux(packet, begins)
            elif (
                film
                and packet.is_keyframe
                and (not begun or self._seconds(packet) <= self._order.start)
            ):
                at = self._seconds(packet)
                waiting = [one for one in waiting if not _is_film(one) and self._ends(one) > at]
                waiting.append(packet)
            elif not film or begun:
                waiting.append(packet)
        if begins is None:
            begins = self._begin(waiting)
        if self._encoder is not None:
            self._output.mux(self._encoder.rest())
        if self._end <= self._order.start:
            raise _no_picture(self._opened.path, self._order)
        return begins, self._end

    def _begin(self, waiting: list[AnyPacket]) -> float:
        keys = [self._seconds(packet) for packet in waiting if _is_film(packet)]
        if not keys or keys[0] >= self._order.end:
            raise _no_picture(self._opened.path, self._order)
        for packet in waiting:
            self._mux(packet, keys[0])
        return keys[0]

    def _mux(self, packet: AnyPacket, begins: float) -> None:
        """Write a packet, its times counted from `begins`; what is shown before is left out."""
        film, at = _is_film(packet), self._seconds(packet)
        base = packet.time_base or Fraction(1, 1_000_000)
        if not film and self._encoder is not None:
            for frame in _decoded(packet):
                self._output.mux(self._encoder.take(frame, begins, self._order.end))
            return
        if at < begins - 1e-6 or (not film and at >= self._order.end):
            return
        shift = round((begins + self._opened.origin) / base)
        packet.pts = (packet.dts if packet.pts is None else packet.pts) - shift  # type: ignore[operator]
        packet.dts = self._decoding_tick(packet, shift, film)
        self._end = max(self._end, self._ends(packet, begins)) if film else self._end
        packet.stream = self._film if film else self._sound
        self._output.mux(packet)

    def _decoding_tick(self, packet: AnyPacket, shift: int, film: bool) -> int:
        """When a packet of shifted `pts` is decoded, which Matroska does not say of every packet:
        after the one before it.
        """
        known = None if packet.dts is None else packet.dts - shift
        last = self._ticks.get(film)
        if known is None:
            reorder = round(REORDER / (packet.time_base or 1)) if film else 0
            known = (packet.pts or 0) - reorder if last is None else last + 1
        self._ticks[film] = known
        return known

    def _ends(self, packet: AnyPacket, begins: float | None = None) -> float:
        """Seconds at which a packet's picture or sound ends; `begins` where its times were shifted
        to it.
        """
        shift = self._opened.origin if begins is None else -begins
        base = packet.time_base or Fraction(1, 1_000_000)
        return float(((packet.pts or 0) + (packet.duration or 0)) * base) - shift

    def _seconds(self, packet: AnyPacket) -> float:
        return self._opened.seconds(packet) or 0.0

    def _decoded_at(self, packet: AnyPacket) -> float:
        ticks = packet.pts if packet.dts is None else packet.dts
        return float((ticks or 0) * (packet.time_base or 0)) - self._opened.origin


class _EncodedPart:
    """Exactly the frames and the sound from start to end, encoded again."""

    def __init__(self, opened: Opened, order: CutOrder, output: OutputContainer) -> None:
        self._opened, self._order, self._output = opened, order, output
        self._film: VideoStream | None = None
        self._sound = _Sound.of(opened, output)
        self._held: list[AnyPacket] = []
        self._shown: int | None = None
        self._reformatter = VideoReformatter()
        self._last: tuple[float, VideoFrame] | None = None
        self._first = self._end = 0.0

    def run(self, on_progress: Callable[[float], None]) -> tuple[float, float]:
        order, over = self._order, False
        for packet in self._opened.packets(order.start):
            if packet.stream.index == self._opened.film.index:
                for frame in _decoded(packet):
                    over = self._take_picture(frame)
                    on_progress(self._seconds(frame))
                    if over:
                        break
            elif self._sound is not None:
                for frame in _decoded(packet):
                    self._mux_sound(self._sound.take(frame, order.start, order.end))
            if over and (self._sound is None or self._sound_is_whole(packet)):
                break
        for frame in [] if over else _flushed(self._opened.film):
            over = over or self._take_picture(frame)
        self._show_last(order.end if over else min(order.end, self._end))
        if self._film is None:
            raise _no_picture(self._opened.path, order)
        self._output.mux(self._film.encode(None))
        self._mux_sound([] if self._sound is None else self._sound.rest())
        return self._first, min(order.end, self._end)

    def _sound_is_whole(self, packet: AnyPacket) -> bool:
        """Whether a packet lies so far behind the end that no sound before it follows."""
        at = self._opened.seconds(packet) or 0.0
        return at >= self._order.end + (0.0 if packet.stream.type == "audio" else 1.0)

    def _take_picture(self, frame: VideoFrame) -> bool:
        """Keep a frame until it is known how long it is shown; whether the end is reached."""
        at = self._seconds(frame)
        if self._last is not None and at <= self._last[0]:  # as old AVI files count
            at = self._last[0] + 1 / self._rate()
        if at >= self._order.end:
            return True
        self._show_last(at)
        self._last = at, frame
        self._end = at + (float((frame.duration or 0) * (frame.time_base or 0)) or 1 / self._rate())
        return False

    def _show_last(self, until: float) -> None:
        """Encode the frame kept, if it is on screen after the start."""
        if self._last is None or until <= self._order.start + 1e-6:
            return
        at, frame = self._last
        tick = max(0, round((at - self._order.start) * TICKS))
        if self._shown is not None and tick < self._shown + self._least_ticks():
            return
        self._shown = tick
        largest = DRAFT_SIDE if self._order.draft else LARGEST
        pixels = upright_rgb(frame, self._opened.aspect, largest)
        height, width = (side - side % 2 for side in pixels.shape[:2])
        if self._film is None:
            self._first = max(at, self._order.start)
            self._film = self._film_stream(width, height)
        picture = self._reformatter.reformat(
            VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:height, :width]), "rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
        )
        picture.time_base, picture.pts = Fraction(1, TICKS), tick
        self._output.mux(self._film.encode(picture))

    def _least_ticks(self) -> int:
        """Ticks from one picture to the next, at least; of a draft a tenth less than its rate has."""
        return TICKS * 9 // (DRAFT_RATE * 10) if self._order.draft else 1

    def _film_stream(self, width: int, height: int) -> VideoStream:
        rate = Fraction(self._rate()).limit_denominator(1001)
        quality = DRAFT_QUALITY if self._order.draft else QUALITY
        stream = self._output.add_stream("libx264", rate=rate, options=dict(quality))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, TICKS)
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.thread_count = 2
        return stream

    def _mux_sound(self, packets: list[AnyPacket]) -> None:
        """Write sound, once the film's stream is there, too: the file begins with what both are."""
        self._held += packets
        if self._film is not None:
            self._output.mux(self._held)
            self._held = []

    def _seconds(self, frame: VideoFrame) -> float:
        at = self._opened.seconds(frame)
        if at is not None:
            return at
        return self._last[0] + 1 / self._rate() if self._last else 0.0

    def _rate(self) -> float:
        rate = self._opened.film.average_rate or self._opened.film.guessed_rate
        return float(rate) if rate and 1 <= rate <= 1000 else 25.0


class _Sound:
    """Sound encoded again as AAC, without what lies outside the part."""

    def __init__(self, opened: Opened, sound: AudioStream, output: OutputContainer) -> None:
        self._opened = opened
        self._rate = next((rate for rate in RATES if rate <= sound.rate), RATES[-1])
        layout = "mono" if sound.channels == 1 else "stereo"
        self._resampler = AudioResampler(format="fltp", layout=layout, rate=self._rate)
        self._stream = output.add_stream("aac", rate=self._rate, layout=layout)
        self._stream.codec_context.time_base = Fraction(1, self._rate)
        self._heard = 0

    @classmethod
    def of(cls, opened: Opened, output: OutputContainer) -> "_Sound | None":
        """None where the file has no sound."""
        return None if opened.sound is None else cls(opened, opened.sound, output)

    def take(self, frame: AudioFrame, start: float, end: float) -> list[AnyPacket]:
        """What of some sound lies between start and end."""
        packets: list[AnyPacket] = []
        length = math.ceil((end - start) * self._rate)
        for piece in self._resampler.resample(frame):
            samples = np.asarray(piece.to_ndarray(), dtype=np.float32)
            begins = round(((self._opened.seconds(piece) or 0.0) - start) * self._rate)
            if self._heard and abs(begins - self._heard) < SOUND_GAP * self._rate:
                begins = self._heard
            kept = samples[:, max(0, -begins) : max(0, length - begins)]
            if not kept.shape[1] or (self._heard and begins < self._heard):
                continue
            out = AudioFrame.from_ndarray(
                np.ascontiguousarray(kept), format="fltp", layout=self._resampler.layout.name
            )
            out.sample_rate, out.time_base = self._rate, Fraction(1, self._rate)
            out.pts = max(0, begins)
            self._heard = out.pts + kept.shape[1]
            packets += self._stream.encode(out)
        return packets

    def rest(self) -> list[AnyPacket]:
        """What the encoder still holds."""
        return list(self._stream.encode(None)) if self._heard else []


def _decoded(packet: AnyPacket) -> list[Any]:
    try:
        return packet.decode()
    except av.error.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        return []


def _flushed(film: VideoStream) -> list[VideoFrame]:
    try:
        return film.codec_context.decode(None)
    except av.error.FFmpegError:
        return []


def _is_film(packet: AnyPacket) -> bool:
    return bool(packet.stream.type == "video")


def _base(stream: VideoStream) -> Fraction:
    return stream.time_base or Fraction(1, 1_000_000)


def _no_picture(path: str | Path, order: CutOrder) -> VideoError:
    return BrokenVideoError(
        f"{shown(path)}: no picture could be read from {order.start:g} s to {order.end:g} s; the "
        "file is damaged or has changed"
    )
