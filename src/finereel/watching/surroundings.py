"""What decides how and when to watch: network mounts, the battery, and times that people write."""

import os
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from finereel.errors import ConfigError

NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "lustre"),
        *("9p", "virtiofs", "vboxsf", "vmhgfs", "drvfs", "davfs", "beegfs", "gpfs"),
    }
)
"""File systems that do not tell about changes made by other machines."""

_LOCAL_FUSE = frozenset({"fuseblk", "fuse.mergerfs", "fuse.ntfs", "fuse.exfat"})
_ESCAPE = re.compile(r"\\([0-7]{3})")
_SPAN = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?(?:(\d+(?:\.\d+)?)s)?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


def file_system_of(path: str, mounts: str) -> str:
    """The type of the file system that holds `path`, by the text of /proc/mounts; empty where it
    does not say.

    >>> file_system_of("/mnt/nas/a", "a / ext4 rw 0 0\\nn:/v /mnt/nas nfs4 rw 0 0\\n")
    'nfs4'
    """
    found, length = "", -1
    for line in mounts.splitlines():
        parts = line.split(" ")
        if len(parts) < 3:
            continue
        place = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), parts[1])
        inside = path == place or path.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= length:  # the last of several mounts at one place is on top
            found, length = parts[2], len(place)
    return found


def needs_polling(path: str, mounts: str | None = None) -> bool:
    """Whether changes of `path` have to be looked for, because nobody tells about them."""
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return False
    kind = file_system_of(os.path.realpath(path), mounts)
    return kind in NETWORK or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE)


def on_battery(folder: Path = Path("/sys/class/power_supply")) -> bool:
    """Whether this machine runs on its battery. A machine without one, or that does not say, does
    not.
    """
    discharging = False
    try:
        supplies = sorted(folder.iterdir())
    except OSError:
        return False
    for supply in supplies:
        kind = _word(supply / "type")
        if kind in ("Mains", "USB") and _word(supply / "online") == "1":
            return False
        if kind == "Battery" and _word(supply / "scope") != "Device":  # that of a mouse
            discharging = discharging or _word(supply / "status") == "Discharging"
    return discharging


def _word(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def span_of(text: str) -> timedelta:
    """A span of time: `6h`, `1h30m`, `45min`, `90s`.

    >>> span_of("1h30m"), span_of("90s")
    (datetime.timedelta(seconds=5400), datetime.timedelta(seconds=90))
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ConfigError(f"expected a span such as 6h, 1h30m, 45min or 90s, got {text!r}")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    span = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not span:
        raise ConfigError(f"expected a span above 0, got {text!r}")
    return span


def end_of(text: str, now: datetime) -> datetime:
    """The moment that a person names: the next `HH:MM`, or `+2h` from now.

    >>> end_of("6:30", datetime(2026, 5, 17, 23, 0)), end_of("+90min", datetime(2026, 5, 17, 23, 0))
    (datetime.datetime(2026, 5, 18, 6, 30), datetime.datetime(2026, 5, 18, 0, 30))
    """
    if text.startswith("+"):
        return now + span_of(text[1:])
    match = _CLOCK.fullmatch(text.strip())
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise ConfigError(f"expected a time such as 06:30, or +2h, got {text!r}")
    end = now.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
    return end if end > now else end + timedelta(days=1)


def by_polling(roots: Sequence[str], forced: bool) -> tuple[list[str], list[str]]:
    """Folders that the system tells about, and those that have to be looked at again and again."""
    polled = [root for root in roots if forced or needs_polling(root)]
    return [root for root in roots if root not in polled], polled
