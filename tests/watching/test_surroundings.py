"""Network mounts, the battery and times, from made-up inputs."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from finereel.errors import ConfigError
from finereel.watching.surroundings import (
    by_polling,
    end_of,
    file_system_of,
    needs_polling,
    on_battery,
    span_of,
)

MOUNTS = """\
/dev/sda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
nas:/video /mnt/nas nfs4 rw 0 0
//box/share /mnt/my\\040box cifs rw 0 0
/dev/sdb1 /media/usb fuseblk rw 0 0
me@host: /home/me/far fuse.sshfs rw 0 0
/dev/sdc1 /mnt/nas/local xfs rw 0 0
tmpfs /mnt/nas/local tmpfs rw 0 0
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind", "polled"),
    [
        ("/home/me/Videos", "ext4", False),
        ("/mnt/nas", "nfs4", True),
        ("/mnt/nas/a/b", "nfs4", True),
        ("/mnt/nasty", "ext4", False),
        ("/mnt/my box/films", "cifs", True),
        ("/media/usb/DCIM", "fuseblk", False),
        ("/home/me/far/away", "fuse.sshfs", True),
        ("/mnt/nas/local/x", "tmpfs", False),
    ],
)
def test_the_nearest_mount_decides(path: str, kind: str, polled: bool) -> None:
    assert file_system_of(path, MOUNTS) == kind
    assert needs_polling(path, MOUNTS) == polled


def test_where_nothing_is_known_the_system_is_believed() -> None:
    assert not needs_polling("/a", "")
    assert by_polling(["/a", "/b"], forced=True) == ([], ["/a", "/b"])


def _supply(folder: Path, name: str, **words: str) -> None:
    (folder / name).mkdir()
    for key, word in words.items():
        (folder / name / key).write_text(word + "\n")


@pytest.mark.parametrize(
    ("supplies", "expected"),
    [
        ({}, False),
        ({"BAT0": {"type": "Battery", "status": "Discharging"}}, True),
        ({"BAT0": {"type": "Battery", "status": "Charging"}}, False),
        (
            {
                "AC": {"type": "Mains", "online": "1"},
                "BAT0": {"type": "Battery", "status": "Discharging"},
            },
            False,
        ),
        (
            {
                "AC": {"type": "Mains", "online": "0"},
                "BAT0": {"type": "Battery", "status": "Full"},
                "BAT1": {"type": "Battery", "status": "Discharging"},
            },
            True,
        ),
        ({"mouse": {"type": "Battery", "status": "Discharging", "scope": "Device"}}, False),
        ({"odd": {}}, False),
    ],
)
def test_the_battery(tmp_path: Path, supplies: dict[str, dict[str, str]], expected: bool) -> None:
    for name, words in supplies.items():
        _supply(tmp_path, name, **words)
    assert on_battery(tmp_path) is expected
    assert on_battery(tmp_path / "none") is False


def test_times_that_people_write() -> None:
    now = datetime(2026, 5, 17, 23, 30, 12)
    assert end_of("06:30", now) == datetime(2026, 5, 18, 6, 30)
    assert end_of("23:31", now) == datetime(2026, 5, 17, 23, 31)
    assert end_of("23:30", now) == datetime(2026, 5, 18, 23, 30)
    assert end_of("+1h30m", now) == now + timedelta(minutes=90)
    assert span_of("45min") == timedelta(minutes=45)
    for text in ("soon", "25:00", "12:60", "+", "+0h", "6", ""):
        with pytest.raises(ConfigError):
            end_of(text, now)
    for text in ("", "0s", "h", "6x", "-1h"):
        with pytest.raises(ConfigError):
            span_of(text)
