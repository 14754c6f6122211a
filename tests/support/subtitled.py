"""Small videos with a track of subtitles, and texts of subtitles beside them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TRACKS = {
    ".mp4": ("libx264", "mov_text"),
    ".mov": ("libx264", "mov_text"),
    ".mkv": ("libx264", "srt"),
    ".webm": ("libvpx-vp9", "webvtt"),
}
"""By extension, the codec of the picture and that of the subtitles."""

Spoken = tuple[float, float, str]
"""Start, end and text."""

HEAD = (
    "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\n"
    "Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, "
    "Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, "
    "Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\n"
    "Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\n\n"
    "[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)
"""How a text of Advanced SubStation Alpha begins."""


def make_subtitled(
    path: Path, cues: Sequence[Spoken], *, seconds: int = 4, grey: int = 0, language: str = ""
) -> Path:
    """A video of `seconds`, five grey pictures a second, with `cues` in a track; without cues, none."""
    picture, text = TRACKS[path.suffix]
    with av.open(str(path), "w") as output:
        video = output.add_stream(picture, rate=5)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        packets = []
        track = None
        if cues:
            track = output.add_stream(text)
            track.time_base = Fraction(1, 1000)
            track.codec_context.subtitle_header = HEAD.encode()
            if language:
                track.metadata["language"] = language
        for number in range(5 * seconds):
            level = np.full((48, 64, 3), (grey + number) % 256, dtype=np.uint8)
            packets += video.encode(av.VideoFrame.from_ndarray(level, "rgb24"))
        packets += video.encode()
        if track is not None:
            packets += [_packet(track, text, cue) for cue in cues]
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            output.mux(packet)
    return path


def _packet(track: av.stream.Stream, codec: str, cue: Spoken) -> av.Packet:
    start, end, text = cue
    raw = text.encode()
    packet = av.Packet(len(raw).to_bytes(2, "big") + raw if codec == "mov_text" else raw)
    packet.stream, packet.time_base = track, Fraction(1, 1000)
    packet.pts = packet.dts = round(1000 * start)
    packet.duration = round(1000 * (end - start))
    return packet


def as_srt(cues: Sequence[Spoken]) -> str:
    """Cues as a text in SubRip's form."""
    blocks = (
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n"
        for number, (start, end, text) in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def as_vtt(cues: Sequence[Spoken]) -> str:
    """Cues as a text in WebVTT's form."""
    blocks = (f"{_clock(start)} --> {_clock(end)}\n{text}\n" for start, end, text in cues)
    return "\n".join(["WEBVTT\n", *blocks])


def as_ass(cues: Sequence[Spoken]) -> str:
    """Cues as a text in the form of Advanced SubStation Alpha."""
    lines = (
        f"Dialogue: 0,{_clock(start)[1:-1]},{_clock(end)[1:-1]},Default,,0,0,0,,{text}"
        for start, end, text in cues
    )
    return HEAD + "\n".join(lines) + "\n"


def _clock(seconds: float, point: str = ".") -> str:
    whole = round(1000 * seconds)
    minutes, rest = divmod(whole, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"
