"""Clip files: names, what is there after trouble, and that nothing is overwritten."""

import errno
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import StorageError
from finereel.export.clip_files import (
    ClipSettings,
    MissingClip,
    WrittenClip,
    clip_paths,
    form_of,
    safe_name,
    write_clips,
)
from finereel.export.moments import ExportList
from finereel.index.facts import FileFacts
from finereel.video.reader import VideoReader
from support.failing_disk import failing_disk
from support.media import Recipe, make_video


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("films")
    return [
        make_video(folder / f"{name}.mp4", Recipe(frames=75, options={"g": "25"}))
        for name in ("one", "two", "three")
    ]


def listed(paths: list[Path], start: float = 1.5, end: float = 2.5) -> ExportList:
    hits = [{"video": str(path), "start": start, "end": end} for path in paths]
    facts = FileFacts(None, 3.0, 64, 48, 25.0, "mov,mp4,m4a", "h264", "none")
    return ExportList.of(
        {"query": "a", "hits": hits}, dict.fromkeys((str(path) for path in paths), facts)
    )


def test_a_file_per_moment_says_how_much_earlier_it_begins(
    films: list[Path], tmp_path: Path
) -> None:
    seen: list[float] = []
    made = list(
        write_clips(
            listed(films), tmp_path / "out", on_progress=lambda done, name: seen.append(done)
        )
    )
    assert [one.path.name for one in made if isinstance(one, WrittenClip)] == [
        *("0001 one 0-01.mp4", "0002 two 0-01.mp4", "0003 three 0-01.mp4")
    ]
    assert {round(one.earlier, 2) for one in made if isinstance(one, WrittenClip)} == {0.5}
    assert sorted(seen) == seen
    assert seen[-1] == 3.0
    with VideoReader() as reader:
        info = reader.probe(tmp_path / "out" / "0001 one 0-01.mp4")
    assert info.duration == pytest.approx(1.5, abs=0.2)


def test_broken_sources_are_named_and_the_others_go_on(films: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"\0\0\0\x20ftypisom" + bytes(500))
    chosen = listed([bad, films[0], tmp_path / "gone.mp4", films[1]])
    made = list(write_clips(chosen, tmp_path / "out"))
    assert [type(one) for one in made] == [MissingClip, WrittenClip, MissingClip, WrittenClip]
    assert isinstance(made[2], MissingClip)
    assert "there is no such file" in made[2].reason
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_nothing_is_overwritten_unless_asked(films: list[Path], tmp_path: Path) -> None:
    (tmp_path / "0002 two 0-01.mp4").write_text("mine")
    with pytest.raises(StorageError, match=r"1 of 3 files exist already.*--force"):
        list(write_clips(listed(films), tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["0002 two 0-01.mp4"]
    list(write_clips(listed(films), tmp_path, ClipSettings(force=True)))
    assert (tmp_path / "0002 two 0-01.mp4").stat().st_size > 1000


def test_a_request_to_stop_leaves_whole_files_only(films: list[Path], tmp_path: Path) -> None:
    made: list[Any] = []
    calls = 0

    def stop() -> bool:
        nonlocal calls
        calls += bool(made)
        return calls > 0

    for one in write_clips(listed(films), tmp_path, stop=stop):
        made.append(one)
    assert len(made) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["0001 one 0-01.mp4"]


def test_a_full_disk_is_told_and_leaves_no_half_file(films: list[Path], tmp_path: Path) -> None:
    with failing_disk(tmp_path) as counter:
        list(write_clips(listed(films[:1]), tmp_path / "whole"))
    told = 0
    for nth in range(1, counter.calls + 1):
        folder = tmp_path / f"full{nth}"
        made: list[Any] = []
        try:
            with failing_disk(folder, nth, errno.ENOSPC):
                made += write_clips(listed(films[:1]), folder)
        except StorageError as error:
            told += "No space left on the disk" in str(error)
        left = list(folder.iterdir()) if folder.exists() else []
        assert {one.path for one in made} <= {*left}
        assert all(path.stat().st_size > 1000 for path in left)
    assert told >= counter.calls - 2  # what only tidies up may fail in silence


@given(st.text(max_size=300))
def test_a_name_leads_nowhere_else(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert not set(safe) & set('/\\:*?"<>|\0\n\r\t')
    assert not safe.startswith((".", "-"))
    assert len(safe.encode()) <= 120
    (path,) = clip_paths(listed([Path("/v") / "x"]).moments, Path("/out"), ClipSettings())
    assert path.parent == Path("/out")


def test_names_from_elsewhere_stay_in_the_folder() -> None:
    chosen = listed([Path("/v/../../etc/passwd.mp4"), Path("/v/..mp4"), Path("/v/\udcff\x1b.mp4")])
    for path in clip_paths(chosen.moments, Path("/out"), ClipSettings()):
        assert path.parent == Path("/out")
        assert path.name.isprintable()


@pytest.mark.parametrize(
    ("container", "film", "sound", "suffix"),
    [
        ("mov,mp4,m4a,3gp,3g2,mj2", "h264", "aac", ".mp4"),
        ("mov,mp4,m4a,3gp,3g2,mj2", "prores", "pcm_s16le", ".mov"),
        ("matroska,webm", "vp9", "opus", ".webm"),
        ("matroska,webm", "h264", "aac", ".mkv"),
        ("mpegts", "h264", "aac", ".mp4"),
        ("avi", "mpeg4", "mp3", ".mkv"),
        (None, None, None, ".mkv"),
    ],
)
def test_a_copy_is_of_a_form_that_takes_it(
    container: str | None, film: str | None, sound: str | None, suffix: str
) -> None:
    facts = FileFacts(container=container, video_codec=film, audio_codec=sound)
    assert form_of(facts, exact=False).suffix == suffix
    assert form_of(facts, exact=True).suffix == ".mp4"
