"""Causes in words, files and folders that are the old or the new ones, and writers that fail in a
typed way.
"""

import errno
import os
import shutil
import signal
import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from finereel.data.base import ClipArrays
from finereel.data.features import write_token_file
from finereel.errors import FinereelError, StorageError, TrainingError
from finereel.evaluation.archive import write_archive
from finereel.evaluation.gallery import FeatureCache
from finereel.finegrain.files.base import write_text
from finereel.finegrain.make.proposals.cache import AnswerCache
from finereel.finegrain.review.label_studio import export_tasks
from finereel.io import atomic
from finereel.io.atomic import (
    CAUSES,
    cause_of,
    recover_folder,
    replace_file,
    replace_folder,
    storage_errors,
    sync_folder,
    write_file,
)
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.saving import save
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


def test_a_folder_that_cannot_be_synced_is_no_error_but_a_broken_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", _refuse(errno.EINVAL))
    sync_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", _refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        sync_folder(tmp_path)


def _log(place: Path) -> None:
    with open_log(place, 0, 0) as log:
        log.write("train", 1, {"loss": 1.0})
        log.synced()


CLIPS = ClipArrays(np.zeros((1, 1, 2, 3), np.float32), np.ones((1, 1), bool))


def features() -> tuple[TextFeatures, VideoFeatures]:
    ones = torch.ones
    text = TextFeatures(ones(1, 2), ones(1, 1, 2), ones(1, 1).bool())
    masks = ones(1, 1).bool(), ones(1, 1).bool()
    return text, VideoFeatures(ones(1, 2), ones(1, 1, 2), ones(1, 1, 2), *masks, ones(1, 1, 2))


WRITERS: dict[str, Callable[[Path], object]] = {
    "model": lambda place: save(tiny_model(), place),
    "record": lambda place: write_archive(place, {}, {"a": b"1"}),
    "negatives": lambda place: write_text(["line\n"], place / "n.jsonl"),
    "cache": lambda place: AnswerCache(place / "answers.sqlite"),
    "video": lambda place: export.write_video(
        place / "v.mp4", np.zeros((2, 16, 16, 3), np.uint8), 8
    ),
    "tasks": lambda place: export_tasks([], {}, place / "tasks.json"),
    "tokens": lambda place: write_token_file(place / "t.safetensors", ["a"], CLIPS),
    "features": lambda place: FeatureCache(place, "m", "s", {}).write(*features()),
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


NEW, OLD = "new content", "old content"


def _file(place: Path) -> None:
    write_file(place / "name", NEW)


def _folder(place: Path) -> None:
    with replace_folder(place / "name") as fresh:
        (fresh / "one").write_text(NEW)
        (fresh / "inner").mkdir()
        (fresh / "inner" / "other").write_text(NEW)


def _contents(place: Path) -> set[str]:
    files = [path for path in place.rglob("*") if path.is_file()]
    return {path.read_text() for path in files}


def _old(kind: str, place: Path) -> None:
    place.mkdir()
    if kind == "folder":
        (place / "name").mkdir()
    (place / "name" / "one" if kind == "folder" else place / "name").write_text(OLD)


WAYS: dict[str, Callable[[Path], None]] = {"file": _file, "folder": _folder}


@pytest.mark.parametrize("kind", WAYS)
def test_what_fails_at_any_step_leaves_the_old_or_the_new_and_nothing_else(
    kind: str, tmp_path: Path
) -> None:
    _old(kind, tmp_path / "count")
    with failing_disk(tmp_path) as counter:
        WAYS[kind](tmp_path / "count")
    assert _contents(tmp_path / "count") == {NEW}
    assert counter.calls >= 4  # open or mkdir, two syncs, a rename
    seen = set()
    for nth in range(1, counter.calls + 1):
        place = tmp_path / f"{nth}"
        _old(kind, place)
        with suppress(OSError), failing_disk(tmp_path, nth):
            WAYS[kind](place)
        shutil.rmtree(place / "name.before", ignore_errors=True)  # its removal may have failed
        assert [path.name for path in place.iterdir()] == ["name"], f"call {nth}"
        [content] = _contents(place)
        seen.add(content)
        WAYS[kind](place)
        assert [path.name for path in place.iterdir()] == ["name"]
        assert _contents(place) == {NEW}
    assert seen == {OLD, NEW}


@pytest.mark.parametrize("kind", WAYS)
def test_an_error_of_the_writer_changes_nothing(kind: str, tmp_path: Path) -> None:
    _old(kind, tmp_path / "place")
    way = replace_file if kind == "file" else replace_folder

    def half(error: type[BaseException]) -> None:
        with way(tmp_path / "place" / "name") as fresh:
            (fresh if kind == "file" else fresh / "one").write_text("half")
            raise error

    for error in (ZeroDivisionError, KeyboardInterrupt):
        with pytest.raises(error):
            half(error)
    assert _contents(tmp_path / "place") == {OLD}
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["name"]


@pytest.mark.parametrize("kind", WAYS)
def test_content_is_forced_to_disk_before_its_name_and_the_name_after_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace, rename = os.fsync, Path.replace, Path.rename

    def synced(descriptor: int) -> None:
        done.append(str(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(tmp_path)))
        sync(descriptor)

    def moved(self: Path, target: Path) -> Path:
        done.append("moved")
        return (replace if self.is_file() else rename)(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", moved)
    monkeypatch.setattr(Path, "rename", moved)
    WAYS[kind](tmp_path)
    before, after = done[: done.index("moved")], done[done.index("moved") + 1 :]
    assert after == ["."]
    names = ["/".join(Path(name).parts[1:]) for name in before]
    assert names == [""] if kind == "file" else sorted(names) == ["", "inner", "inner/other", "one"]
    assert names[-1] == ""  # the folder itself after what is in it


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_file_has_the_permissions_that_the_process_gives(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        with replace_file(tmp_path / "name") as fresh:
            fresh.unlink()
            fresh.touch(0o600)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "name").stat().st_mode) == 0o666 & ~mask


def test_what_killed_processes_left_is_removed_and_what_others_write_stays(tmp_path: Path) -> None:
    if (child := os.fork()) == 0:
        with replace_file(tmp_path / "name"), replace_folder(tmp_path / "other"):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(list(tmp_path.iterdir())) == 2
    far = [tmp_path / f".name.{'0' * 8}-{child}-{number}.part" for number in (1, 2)]
    for path in far:
        path.touch()
    os.utime(far[0], (1.0, 1.0))  # of another machine, long ago
    living = tmp_path / atomic.growth_name("name").replace(f"-{os.getpid()}-", "-1-")
    living.touch()  # of the first process, which lives
    with replace_file(tmp_path / "name") as mine:
        assert set(tmp_path.iterdir()) == {mine, far[1], living}
    assert set(tmp_path.iterdir()) == {tmp_path / "name", far[1], living}


def test_many_at_a_time_do_not_meet(tmp_path: Path) -> None:
    texts = [f"{number}" * 10_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: write_file(tmp_path / "name", text), texts * 5))
    assert (tmp_path / "name").read_text() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit((tmp_path / "pipe").read_text)
        write_file(tmp_path / "pipe", NEW)
    assert read.result() == NEW


def test_a_long_name_is_no_trouble(tmp_path: Path) -> None:
    write_file(tmp_path / ("ä" * 120), NEW)
    assert [path.read_text() for path in tmp_path.iterdir()] == [NEW]


def test_a_file_may_grow_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "quiet").mkdir()
    with replace_file(tmp_path / "quiet" / "name", within=tmp_path) as fresh:
        assert list((tmp_path / "quiet").iterdir()) == []
        fresh.write_text(NEW)
    assert (tmp_path / "quiet" / "name").read_text() == NEW


def test_the_first_of_two_folders_can_stay(tmp_path: Path) -> None:
    with replace_folder(tmp_path / "name", keep_existing=True) as fresh:
        (fresh / "one").write_text(NEW)
        _folder(tmp_path)
    assert (tmp_path / "name" / "inner").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["name"]
    (tmp_path / "file").touch()
    with (
        pytest.raises(NotADirectoryError),
        replace_folder(tmp_path / "file", keep_existing=True) as fresh,
    ):
        (fresh / "one").touch()


def _fill(folder: Path, text: str) -> None:
    with replace_folder(folder) as fresh:
        (fresh / "one").write_text(text)
        (fresh / "other").write_text(text)


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for text in ("old", "new"):
        _fill(tmp_path / "best", text)
    assert {path.read_text() for path in (tmp_path / "best").iterdir()} == {"new"}
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


@pytest.mark.parametrize("crash", range(4))
def test_a_crash_while_a_folder_is_replaced_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: int
) -> None:
    """Killed at the first, second, ... rename, or just before the old one is removed."""
    _fill(tmp_path / "best", "old")
    renames = iter(range(9))
    rename = Path.rename

    def killed(self: Path, target: Path) -> Path:
        if next(renames) >= crash:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", killed)
    try:
        _fill(tmp_path / "best", "new")
    except KeyboardInterrupt:
        monkeypatch.undo()
    recover_folder(tmp_path / "best")
    texts = {path.read_text() for path in (tmp_path / "best").iterdir()}
    assert texts == ({"old"} if crash < 2 else {"new"})
    monkeypatch.undo()
    _fill(tmp_path / "best", "newest")
    assert {path.read_text() for path in (tmp_path / "best").iterdir()} == {"newest"}
    assert [path.name for path in tmp_path.iterdir()] == ["best"]
