"""Moments of made-up files, for the tests of every format."""

from finereel.export.moments import ExportList
from finereel.index.facts import FileFacts


def facts(fps: float, duration: float = 60.0, sound: str = "aac") -> FileFacts:
    return FileFacts(None, duration, 640, 360, fps, "mov,mp4", "h264", sound)


MADE = {
    "/v/birthday party.mp4": (29.97002997, 10.0, 12.5),
    "/v/birthday cake \x1b[31m.mp4": (25.0, 0.04, 3.0),
    "/v/old/=cmd.avi": (29.97002997, 59.0, 60.0),
    "/v/\udcff.mkv": (23.976, 1.0, 2.0),
}


def made_list(fps: float | None = None, sound: str = "aac") -> ExportList:
    """A moment of each file; all at `fps` where it is given."""
    hits = [
        {
            **{"video": video, "start": start, "end": end, "best_frame": start, "score": 0.5},
            **{"clip_id": f"c{number}", "parts": {}},
        }
        for number, (video, (_, start, end)) in enumerate(MADE.items())
    ]
    known = {video: facts(fps or own, sound=sound) for video, (own, _, _) in MADE.items()}
    return ExportList.of({"query": "a cake\n<&>", "hits": hits}, known)
