"""What an open container says about itself: the codec of its sound and when it was recorded."""

from collections.abc import Mapping
from datetime import UTC, datetime

from av.container import InputContainer

_DATES = ("com.apple.quicktime.creationdate", "creation_time")
"""Tags with the time of recording, the one that keeps the time zone first."""
_FIRST = datetime(1980, 1, 1, tzinfo=UTC)
"""No video file is older; a clock that was never set says 1904 or 1970."""
UNKNOWN = "unknown"


def sound_codec(container: InputContainer) -> str | None:
    """FFmpeg's name of the codec of the first sound stream; UNKNOWN where there is no decoder for
    it, None without sound.
    """
    if not container.streams.audio:
        return None
    context = container.streams.audio[0].codec_context
    return UNKNOWN if context is None else context.codec.canonical_name


def recorded_at(tags: Mapping[str, str]) -> float | None:
    """The time of recording in the tags of a container, in seconds since 1970 UTC; None where there
    is none that can be right.

    >>> recorded_at({"creation_time": "2026-03-01T12:00:00.000000Z"})
    1772366400.0
    >>> recorded_at({"creation_time": "1904-01-01T00:00:00Z"}), recorded_at({"creation_time": "May"})
    (None, None)
    """
    for name in _DATES:
        try:
            moment = datetime.fromisoformat(tags.get(name, ""))
        except ValueError:
            continue
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if moment >= _FIRST:
            return moment.timestamp()
    return None
