"""Read the tracks of subtitles within a video file, with PyAV and in the decoding child."""

from collections.abc import Callable, Iterator
from pathlib import Path

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Stream
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle

from finereel.errors import DataError
from finereel.video.files import shown
from finereel.video.streams import READ_ERRORS, blame, reason
from finereel.video.subtitles import MAX_CUES, Cue, cue_of

UNKNOWN = frozenset({"und", "unknown", ""})
"""What a file says whose maker did not say a language."""
_LONGEST_NAME = 20
_SHOWN_FOR = 5.0
"""Seconds that a cue stays on screen whose file does not say."""


def embedded_cues(
    path: str | Path, container: InputContainer, origin: float, on_wait: Callable[[], None]
) -> list[Cue]:
    """The cues of all tracks of subtitles that are text, one track after the other.

    Args:
        path: For messages.
        container: The open file, from whose beginning is read.
        origin: Second zero of the file's own time.
        on_wait: Called with every packet.

    Raises DataError when a track breaks off, with the file's name.
    """
    tracks = [stream for stream in container.streams.subtitles if _is_text(stream)]
    for stream in container.streams:
        stream.discard = Discard.default if stream in tracks else Discard.all
    found: dict[int, list[Cue]] = {stream.index: [] for stream in tracks}
    count = 0
    try:
        for packet in container.demux(tracks) if tracks else ():
            on_wait()
            if not packet.size or packet.pts is None:
                continue
            start = float(packet.pts * packet.time_base) - origin
            shown_for = float((packet.duration or 0) * packet.time_base) or _SHOWN_FOR
            for line in _lines(packet):
                cue = cue_of(max(0.0, start), start + shown_for, line, _language(packet.stream))
                if cue is not None:
                    found[packet.stream.index].append(cue)
                    count += 1
            if count >= MAX_CUES:
                break
    except READ_ERRORS as error:
        blame(path, error)
        if not count:
            raise DataError(
                f"{shown(path)}: its track of subtitles cannot be read ({reason(error)})"
            ) from error
    cues = [sorted(track, key=lambda cue: cue.start) for track in found.values()]
    return [cue for track in cues for cue in track][:MAX_CUES]


def _is_text(stream: SubtitleStream) -> bool:
    """Whether a track is text and no pictures, and there is a decoder for it."""
    return stream.codec_context is not None and stream.codec_context.codec.text_sub


def _language(stream: Stream) -> str:
    said = stream.metadata.get("language", "")
    return "" if said.lower() in UNKNOWN else said[:_LONGEST_NAME]


def _lines(packet: "Packet[Stream]") -> Iterator[str]:
    """The texts of a packet; none where it is damaged."""
    try:
        parts = packet.decode()
    except av.error.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        return
    for part in parts:
        if isinstance(part, AssSubtitle):
            yield part.dialogue.decode("utf-8", errors="replace")
