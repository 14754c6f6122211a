"""Moments as a CSV table, as JSON and as an edit decision list (EDL, CMX 3600)."""

import json
import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from finereel.export.moments import ExportList, ExportMoment
from finereel.export.timecode import drops_frames, frame_span, timecode
from finereel.index.facts import SILENT
from finereel.io.spreadsheets import csv_text
from finereel.video.files import shown

COLUMNS = (
    *("rank", "video", "start", "end", "best_frame", "score", "clip_id"),
    *("source", "said", "fits", "query"),
)
REEL = 8
"""Characters of a reel name, by CMX 3600."""


def as_csv(chosen: ExportList) -> str:
    """A line per moment, times in seconds."""
    return csv_text(
        COLUMNS,
        (
            (
                *(rank, moment.video, moment.start, moment.end, moment.best_frame, moment.score),
                *(moment.clip_id, moment.source, moment.said, moment.fits, chosen.query),
            )
            for rank, moment in enumerate(chosen.moments, 1)
        ),
    )


def as_json(chosen: ExportList) -> str:
    """The answer as version 2 of the JSON of `search` has it."""
    return json.dumps(chosen.document, indent=2) + "\n"


def as_edl(chosen: ExportList, rate: Fraction) -> str:
    """The moments one after the other, from 01:00:00:00 on; times in files count from their first
    frame.
    """
    reels = reel_names([moment.video for moment in chosen.moments])
    lines = [
        f"TITLE: {chosen.title}",
        f"FCM: {'DROP FRAME' if drops_frames(rate) else 'NON-DROP FRAME'}",
    ]
    at = _frames_of_an_hour(rate)
    for number, moment in enumerate(chosen.moments, 1):
        first, last = frame_span(moment, rate)
        times = (first, last, at, at + last - first)
        at = times[-1]
        lines += [
            "",
            f"{number:03d}  {reels[moment.video]:<{REEL}} {_tracks(moment):<5} C        "
            + " ".join(timecode(frame, rate) for frame in times),
            f"* FROM CLIP NAME: {shown(moment.name)}",
            f"* SOURCE FILE: {shown(moment.video)}",
        ]
    return "\n".join(lines) + "\n"


def reel_names(videos: Sequence[str]) -> dict[str, str]:
    """A name of at most REEL characters for every file, no two alike.

    >>> reel_names(["/a/birthday party.mp4", "/b/birthday cake.mp4", "/b/x.mp4"])
    {'/a/birthday party.mp4': 'BIRTHDAY', '/b/birthday cake.mp4': 'BIRTHD02', '/b/x.mp4': 'X'}
    """
    names: dict[str, str] = {}
    for video in videos:
        if video in names:
            continue
        plain = unicodedata.normalize("NFKD", Path(video).stem).encode("ascii", "ignore").decode()
        base = re.sub(r"[^A-Z0-9]", "", plain.upper())[:REEL] or "REEL"
        name, number, taken = base, 1, set(names.values())
        while name in taken:
            number += 1
            name = f"{base[: REEL - max(2, len(str(number)))]}{number:02d}"
        names[video] = name
    return names


def cut_reel_names(videos: Sequence[str]) -> int:
    """How many files have a reel name that is not their own.

    >>> cut_reel_names(["/a/birthday party.mp4", "/b/X.mp4"])
    1
    """
    names = reel_names(videos)
    return sum(Path(video).stem.upper() != name for video, name in names.items())


def _tracks(moment: ExportMoment) -> str:
    return "V" if moment.facts.audio_codec in (SILENT, None) else "AA/V"


def _frames_of_an_hour(rate: Fraction) -> int:
    """Frames from 00:00:00:00 to 01:00:00:00 by the timecode.

    >>> timecode(_frames_of_an_hour(Fraction(30000, 1001)), Fraction(30000, 1001))
    '01:00:00;00'
    """
    per_second = round(rate)
    return 3600 * per_second - (54 * (per_second // 15) if drops_frames(rate) else 0)
