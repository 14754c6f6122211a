"""`kill -9` while indexing, and damaged files: committed clips stay, none doubles, no library is
silently empty.
"""

import json
import os
import random
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from finereel.errors import FinereelError, LibraryError, LibraryNotFoundError
from finereel.index.events import AddSettings
from finereel.index.store import ClipStore
from finereel.library import Library
from finereel.types import Frames
from finereel.video.reader import DiskSource
from index.doubles import ToyModel, ToySource, write_video
from support.media import Recipe, make_video
from support.processes import FORK

KILLS = 20
FILES = 24
QUERIES = ("dog3", "cat11", "dog20 cat2", "nothing")


Answer = list[tuple[str, str, float, float, float]]


class SlowModel(ToyModel):
    """Takes a few milliseconds per clip, and any picture size."""

    def encode_video(self, clips):  # type: ignore[no-untyped-def]
        time.sleep(0.003 * len(clips))
        return super().encode_video([Frames(_small(clip.pixels), clip.seconds) for clip in clips])


def _small(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(
        pixels[:, :: max(1, pixels.shape[1] // 8), :: max(1, pixels.shape[2] // 8)][:, :8, :8]
    )


def _index(started: Connection, library: Path, videos: Path, real: bool) -> None:
    """What runs in the process that is killed."""
    opened = Library.open(library, SlowModel(), DiskSource() if real else ToySource())
    started.send(os.getpid())
    opened.add([videos], settings=AddSettings(commit_clips=1))


def _run_and_kill(
    library: Path, videos: Path, delay: float = 0.0, real: bool = False, commits: int = 0
) -> bool:
    """Index in a child; kill it after `delay` seconds, or once the table has had `commits`. Whether
    it came in time.
    """
    receiver, sender = FORK.Pipe(duplex=False)
    child = FORK.Process(target=_index, args=(sender, library, videos, real))
    child.start()
    assert receiver.poll(600)  # a busy machine may take long to start a process
    receiver.recv()
    time.sleep(delay)
    while child.is_alive() and len(list(library.glob("index-*/clips.lance/_versions/*"))) < commits:
        time.sleep(0.002)
    child.kill()
    child.join()
    return child.exitcode == -signal.SIGKILL


def _answers(library: Library) -> list[Answer]:
    found = [library.search(text, 100, candidates=None, per_video=None) for text in QUERIES]
    return [
        [(hit.clip_id, hit.video, hit.start, hit.end, hit.score) for hit in hits] for hits in found
    ]


def _committed(library: Path) -> dict[str, object]:
    """When each committed clip was added, by clip id."""
    for folder in library.glob("index-*"):
        rows = (
            ClipStore.open(folder)
            .snapshot()
            .table.search()
            .select(["clip_id", "added_at"])
            .limit(None)
            .to_arrow()
        )
        assert len(set(rows["clip_id"].to_pylist())) == len(rows), "a clip is there twice"
        return dict(zip(rows["clip_id"].to_pylist(), rows["added_at"].to_pylist(), strict=True))
    return {}


@pytest.fixture(scope="module")
def toy_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    videos = tmp_path_factory.mktemp("videos")
    for number in range(FILES):
        write_video(videos / f"v{number:02d}.toy", f"dog{number}", f"cat{number}")
    (videos / "bad.toy").write_text("! nonsense\n")
    return videos


@pytest.fixture(scope="module")
def undisturbed(
    toy_videos: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Answer], float]:
    """The answers of a run that nobody disturbs, and how long it takes from the moment it says it
    began.
    """
    folder = tmp_path_factory.mktemp("undisturbed")
    receiver, sender = FORK.Pipe(duplex=False)
    child = FORK.Process(target=_index, args=(sender, folder, toy_videos, False))
    child.start()
    assert receiver.poll(600)
    began = time.monotonic()
    child.join()
    duration = time.monotonic() - began
    assert child.exitcode == 0
    return _answers(Library.open(folder, SlowModel(), ToySource())), duration


def test_kill_at_random_moments(
    toy_videos: Path, undisturbed: tuple[list[Answer], float], tmp_path: Path
) -> None:
    expected, duration = undisturbed
    moments = random.Random(20)
    in_time, partial = 0, 0
    for number in range(KILLS):
        folder = tmp_path / f"library{number}"
        in_time += _run_and_kill(folder, toy_videos, moments.uniform(0, duration))
        before = _committed(folder) if any(folder.glob("index-*/clips.lance/_versions/*")) else {}
        partial += 0 < len(before) < 2 * FILES
        model = SlowModel()
        library = Library.open(folder, model, ToySource())
        library.add([toy_videos])
        after = _committed(folder)
        assert before.items() <= after.items(), "a committed clip was lost or written again"
        assert model.encoded == 2 * FILES - len(before)
        assert _answers(library) == expected
        assert (library.status().videos, library.status().failed) == (FILES, 1)
        assert len(library.doctor()) == 1
    assert in_time >= KILLS // 2, "the kills came too late to mean anything"
    assert partial >= KILLS // 4, "hardly any kill fell between the first commit and the last"


def test_kill_again_and_again_on_one_library(
    toy_videos: Path, undisturbed: tuple[list[Answer], float], tmp_path: Path
) -> None:
    expected, duration = undisturbed
    moments = random.Random(7)
    seen: dict[str, object] = {}
    for _ in range(6):
        _run_and_kill(tmp_path / "library", toy_videos, moments.uniform(0, duration / 3))
        now = _committed(tmp_path / "library")
        assert seen.items() <= now.items()
        seen = now
    library = Library.open(tmp_path / "library", SlowModel(), ToySource())
    library.add([toy_videos])
    assert _answers(library) == expected


def test_kill_while_real_videos_are_decoded(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for number in range(8):
        make_video(
            videos / f"{number}.mp4", Recipe(frames=10, colour=(30 * number, 200 - 20 * number, 90))
        )
    reference = Library.open(tmp_path / "reference", SlowModel(), DiskSource())
    began = time.monotonic()
    reference.add([videos])
    duration = time.monotonic() - began
    reference.close()
    for number, share in enumerate((0.4, 0.7, 0.9)):
        folder = tmp_path / f"library{number}"
        _run_and_kill(folder, videos, share * duration, real=True)
        library = Library.open(folder, SlowModel(), DiskSource())
        library.add([videos])
        library.close()
        assert _answers(library) == _answers(reference)
        assert library.status().videos == 8


def test_kill_in_the_middle_of_a_real_film(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    make_video(videos / "film.mp4", Recipe(frames=800, fps=2, options={"g": "20"}))
    reference = Library.open(tmp_path / "reference", SlowModel(), DiskSource())
    reference.add([videos])
    reference.close()
    begun = 0
    for number, commits in enumerate((4, 5, 6)):
        folder = tmp_path / f"library{number}"
        _run_and_kill(folder, videos, real=True, commits=commits)
        before = _committed(folder) if any(folder.glob("index-*/clips.lance/_versions/*")) else {}
        begun += 0 < len(before) < 40
        model = SlowModel()
        library = Library.open(folder, model, DiskSource())
        library.add([videos])
        library.close()
        assert before.items() <= _committed(folder).items()
        assert model.encoded == 40 - len(before)
        assert _answers(library) == _answers(reference)
    assert begun, "no kill fell into the film"


@pytest.fixture
def library(toy_videos: Path, tmp_path: Path) -> Library:
    opened = Library.open(tmp_path / "library", ToyModel(), ToySource())
    opened.add([toy_videos])
    return opened


@pytest.mark.parametrize("damage", [b"", b"{", b'{"format": 1, "mod', b"\0" * 200, b"[]", None])
def test_a_damaged_manifest_is_rebuilt_from_the_table(
    library: Library, toy_videos: Path, damage: bytes | None
) -> None:
    manifest = library.path / "library.json"
    sound = manifest.read_bytes()
    expected = _answers(library)
    if damage is None:
        manifest.unlink()
    else:
        manifest.write_bytes(damage)
    fresh = Library.open(library.path, ToyModel(), ToySource())
    assert _answers(fresh) == expected
    assert fresh.add([toy_videos]).indexed == 0
    assert manifest.read_bytes() == sound


def test_a_manifest_of_the_future_is_refused(library: Library) -> None:
    manifest = library.path / "library.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 99}))
    with pytest.raises(LibraryError, match=r"format 99.*update finereel"):
        Library.open(library.path, ToyModel()).status()


def test_a_lost_or_damaged_table_is_an_error_never_an_empty_library(
    library: Library, toy_videos: Path
) -> None:
    table = next(library.path.glob("index-*/clips.lance"))
    versions = sorted((table / "_versions").iterdir())
    away = table.with_name("away")
    table.rename(away)
    for use in (lambda: _answers(library), library.status, lambda: library.add([toy_videos])):
        with pytest.raises(LibraryError, match="gone"):
            use()
    away.rename(table)
    for damaged in (*versions, table.with_name("head.json")):
        damaged.write_bytes(b"\0" * 16)
    fresh = Library.open(library.path, ToyModel(), ToySource())
    for use in (fresh.status, lambda: fresh.add([toy_videos]), lambda: fresh.search("dog1")):
        with pytest.raises(LibraryError, match="cannot be read"):
            use()


def test_torn_data_files_are_an_error_that_names_the_library(library: Library) -> None:
    for data in library.path.glob("index-*/clips.lance/data/*"):
        data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    with pytest.raises(LibraryError, match=str(library.path)):
        Library.open(library.path, ToyModel(), ToySource()).search("dog1")


@pytest.mark.parametrize(
    "tail", [b'{"path": "/x", "si', b"\0\0\0", b"[1]\n", b'{"path": 1}\n', b"\xff\xfe"]
)
def test_a_torn_journal_costs_at_most_a_retry(
    library: Library, toy_videos: Path, tail: bytes
) -> None:
    journal = next(library.path.glob("index-*/failures.jsonl"))
    with journal.open("ab") as stream:
        stream.write(tail)
    assert len(library.doctor()) == 1
    (toy_videos / "worse.toy").write_text("! worse\n")
    try:
        assert library.add([toy_videos]).failed == 1
    finally:
        (toy_videos / "worse.toy").unlink()
    assert len(library.doctor()) == 2
    journal.unlink()
    assert library.add([toy_videos]).failed == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 100])
def test_a_damaged_bank_is_an_error_that_says_what_to_do(library: Library, content: bytes) -> None:
    library.fit_normalization(["dog1", "cat2"])
    next(library.path.glob("index-*/bank.npz")).write_bytes(content)
    with pytest.raises(LibraryError, match="delete that file"):
        library.search("dog1")
    library.fit_normalization(["dog1", "cat2"])
    assert library.search("dog1")


def test_a_folder_where_a_crash_came_before_the_first_commit(
    tmp_path: Path, toy_videos: Path
) -> None:
    library = Library.open(tmp_path / "library", ToyModel(), ToySource())
    (library.path / f"index-{ToyModel().fingerprint}" / "clips.lance" / "data").mkdir(parents=True)
    with pytest.raises(LibraryNotFoundError):
        library.status()
    assert library.add([toy_videos]).indexed == FILES


def test_a_manifest_without_a_table_is_an_error(tmp_path: Path, toy_videos: Path) -> None:
    (tmp_path / "library.json").write_bytes(b"")
    with pytest.raises(FinereelError, match="damaged"):
        Library.open(tmp_path, ToyModel(), ToySource()).add([toy_videos])


def test_interrupt_commits_what_is_finished_and_the_next_run_goes_on(
    tmp_path: Path, toy_videos: Path
) -> None:
    library = Library.open(tmp_path / "library", SlowModel(), ToySource())
    began = []

    def interrupt(event: object) -> None:
        if type(event).__name__ == "FileStarted":
            began.append(event)
            if len(began) == 9:
                os.kill(os.getpid(), signal.SIGINT)

    report = library.add([toy_videos], on_event=interrupt)
    assert report.interrupted
    assert 0 < report.indexed < FILES
    assert library.status().videos == report.indexed
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert library.add([toy_videos]).indexed == FILES - report.indexed


def test_an_interrupted_rebuild_goes_on_while_the_old_index_answers(
    tmp_path: Path, toy_videos: Path
) -> None:
    library = Library.open(tmp_path / "library", SlowModel(), ToySource())
    library.add([toy_videos])
    reader = Library.open(tmp_path / "library", SlowModel(), ToySource())
    expected = _answers(reader)
    began = []

    def interrupt(event: object) -> None:
        if type(event).__name__ == "FileStarted":
            began.append(event)
            if len(began) == 9:
                os.kill(os.getpid(), signal.SIGINT)

    first = library.rebuild(
        SlowModel(seed=1), on_event=interrupt, settings=AddSettings(commit_clips=1)
    )
    assert first.interrupted
    assert _answers(reader) == expected
    (reader.path / "library.json").write_bytes(b"")
    assert _answers(Library.open(reader.path, SlowModel(), ToySource())) == expected
    second = Library.open(reader.path, SlowModel(), ToySource()).rebuild(SlowModel(seed=1))
    assert first.indexed + second.indexed == FILES
    assert (
        Library.open(reader.path, SlowModel(seed=1), ToySource())
        .search("dog3", 1)[0]
        .video.endswith("v03.toy")
    )
