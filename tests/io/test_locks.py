"""Locks where the file system has none, readers that are counted, and hard links."""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from finereel.errors import LibraryBusyError
from finereel.io import locks
from finereel.io.locks import has_hard_links, locked, sharing, sole_use


def _refuse(number: int) -> Callable[..., None]:
    def call(*arguments: object) -> None:
        del arguments
        raise OSError(number, os.strerror(number))

    return call


def _taken(holder: str) -> LibraryBusyError:
    return LibraryBusyError(holder)


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK])
def test_a_file_system_without_locks_gets_one_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real = fcntl.flock

    def flock(descriptor: int, how: int) -> None:
        if str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith(str(tmp_path / "usb")):
            raise OSError(number, os.strerror(number))
        real(descriptor, how)

    (tmp_path / "usb").mkdir()
    monkeypatch.setattr(locks.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(fcntl, "flock", flock)
    lock = tmp_path / "usb" / "lock"
    with (
        locked(lock, _taken),
        pytest.raises(LibraryBusyError, match=str(os.getpid())),
        locked(lock, _taken),
    ):
        pass
    with locked(tmp_path / "usb" / "lock", _taken):
        pass
    with sole_use(tmp_path / "usb") as alone:
        assert not alone


def test_hard_links_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_hard_links(tmp_path)
    monkeypatch.setattr(os, "link", _refuse(errno.EPERM))
    assert not has_hard_links(tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(os, "link", _refuse(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        has_hard_links(tmp_path)


def test_nobody_is_alone_while_somebody_reads(tmp_path: Path) -> None:
    with sharing(tmp_path), sharing(tmp_path), sole_use(tmp_path) as alone:
        assert not alone
    with sole_use(tmp_path) as alone:
        assert alone
    with sharing(tmp_path / "absent"):
        pass
