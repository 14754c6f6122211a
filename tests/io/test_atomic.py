"""Causes in words, locks and syncs where the file system lacks them, and writers that fail in a
typed way.
"""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from finereel.errors import FinereelError, LibraryBusyError, StorageError, TrainingError
from finereel.evaluation.archive import write_archive
from finereel.finegrain.files.base import write_text
from finereel.finegrain.make.proposals.cache import AnswerCache
from finereel.io import atomic
from finereel.io.atomic import (
    CAUSES,
    cause_of,
    has_hard_links,
    locked,
    sharing,
    sole_use,
    storage_errors,
    sync_folder,
)
from finereel.reelworld import export
from finereel.training.log import open_log
from support.failing_disk import failing_disk
from tiny_models import tiny_model

ERRORS = (
    "ENOSPC",
    "EIO",
    "EROFS",
    "EMFILE",
    "EACCES",
    "EDQUOT",
    "ENAMETOOLONG",
    "ESTALE",
    "ETIMEDOUT",
)


@pytest.mark.parametrize("name", ERRORS)
def test_every_cause_has_its_words_also_where_only_the_text_has_its_number(name: str) -> None:
    number = getattr(errno, name)
    own = cause_of(OSError(number, os.strerror(number)))
    assert own == CAUSES[number]
    assert (
        cause_of(RuntimeError(f"LanceError(IO): it failed (os error {number}), /x/io.rs:1:2"))
        == own
    )
    assert own is not None
    assert str(number) not in own.words


def test_what_is_no_fault_of_the_disk_passes() -> None:
    assert cause_of(ValueError("shapes differ")) is None
    with pytest.raises(ZeroDivisionError), storage_errors(Path("/x")):
        1 / 0  # noqa: B018
    with pytest.raises(BrokenPipeError), storage_errors(Path("/x")):
        raise BrokenPipeError(errno.EPIPE, "gone")


def test_sqlite_says_it_in_its_own_words() -> None:
    assert cause_of(sqlite3.OperationalError("database or disk is full")) == CAUSES[errno.ENOSPC]


def test_a_message_is_one_line_with_path_cause_and_advice() -> None:
    with pytest.raises(StorageError) as caught, storage_errors(Path("/data/out")):
        raise OSError(errno.ENOSPC, "No space left on device", "/data/out/part")
    assert str(caught.value) == (
        "/data/out could not be written: No space left on the disk (/data/out/part); free some "
        "space, "
        "then run the same command again"
    )


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
    monkeypatch.setattr(atomic.tempfile, "gettempdir", lambda: str(tmp_path))
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


def test_a_folder_that_cannot_be_synced_is_no_error_but_a_broken_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", _refuse(errno.EINVAL))
    sync_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", _refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        sync_folder(tmp_path)


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


def _log(place: Path) -> None:
    with open_log(place, 0, 0) as log:
        log.write("train", 1, {"loss": 1.0})
        log.synced()


WRITERS: dict[str, Callable[[Path], object]] = {
    "model": lambda place: tiny_model().save(place),
    "record": lambda place: write_archive(place, {}, {"a": b"1"}),
    "negatives": lambda place: write_text(["line\n"], place / "n.jsonl"),
    "cache": lambda place: AnswerCache(place / "answers.sqlite"),
    "video": lambda place: export.write_video(
        place / "v.mp4", np.zeros((2, 16, 16, 3), np.uint8), 8
    ),
    "captions": lambda place: export.write_text(place / "captions.jsonl", "{}\n"),
    "log": _log,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_fails_in_a_typed_way_at_every_call(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    (tmp_path / "count").mkdir()
    with failing_disk(tmp_path) as counter:
        WRITERS[name](tmp_path / "count")
    failed = 0
    for nth in range(1, counter.calls + 1):
        place = tmp_path / f"{nth}"
        place.mkdir()
        try:
            with failing_disk(tmp_path, nth):
                WRITERS[name](place)
        except (StorageError, TrainingError) as error:
            failed += "No space left" in str(error) and str(place) in str(error)
    assert (
        failed >= counter.calls // 2
    )  # a file that cannot be removed at the end is nothing to stop for


@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_fails_in_a_typed_way_below_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        with pytest.raises(FinereelError):
            WRITERS[name](place)
