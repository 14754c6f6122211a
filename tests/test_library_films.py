"""Long films: searchable while they are read, gone on with after a stop, never doubled, never taken
for complete.
"""

import os
import shutil
import signal
from pathlib import Path

import pytest

from finereel.errors import VideoLimitError
from finereel.index import events
from finereel.index.events import AddReport, AddSettings
from finereel.index.store import ClipStore
from finereel.library import Library
from finereel.types import Window
from finereel.video.plan import VideoInfo
from index.doubles import ToyModel, ToySource, ToyStream, write_video

SMALL = AddSettings(commit_clips=2, batch_clips=2)
SCENES = [f"scene{number}" for number in range(11)]


class FilmSource(ToySource):
    """Says how long a film is."""

    def clips(self, path, plan):  # type: ignore[no-untyped-def]
        stream = super().clips(path, plan)
        lines = path.read_text(encoding="utf-8").splitlines()
        stream.info = VideoInfo(2.0 * len(lines), 25.0, 8, 8, 0, "toy", "toy", None, False)
        return stream


class Film:
    """A folder with one film of 11 clips and a short video, and a library that commits every two
    clips.
    """

    def __init__(self, root: Path) -> None:
        self.videos = root / "videos"
        self.path = write_video(self.videos / "film.toy", *SCENES)
        write_video(self.videos / "short.toy", "dog")
        self.model, self.source = ToyModel(), FilmSource()
        self.library = Library.open(root / "library", self.model, self.source)
        self.events: list[events.AddEvent] = []

    def add(self, stop_at: float | None = None) -> AddReport:
        """Index; Ctrl-C once the film is encoded up to `stop_at` seconds."""
        self.events.clear()

        def note(event: events.AddEvent) -> None:
            self.events.append(event)
            if (
                isinstance(event, events.FileAdvanced)
                and stop_at is not None
                and event.seconds >= stop_at
            ):
                os.kill(os.getpid(), signal.SIGINT)

        return self.library.add([self.videos], on_event=note, settings=SMALL)

    def windows(self) -> list[tuple[str, float]]:
        """Every clip that can be found, in order."""
        snapshot = ClipStore.open(next(self.library.path.glob("index-*"))).snapshot()
        rows = snapshot.take(snapshot.row_ids())
        return [
            (Path(path).name, start)
            for path, start in zip(rows.paths, rows.rows["start"].to_pylist(), strict=True)
        ]

    def problems(self) -> dict[str, str]:
        return {Path(problem.path).name: problem.error for problem in self.library.doctor()}

    def is_complete(self, name: str = "film.toy") -> bool:
        status = self.library.status()
        whole = [(name, 2.0 * number) for number in range(11)]
        return [clip for clip in self.windows() if clip[0] == name] == whole and (
            status.unfinished,
            self.problems(),
        ) == (0, {})


@pytest.fixture
def film(tmp_path: Path) -> Film:
    return Film(tmp_path)


def test_a_film_is_searchable_while_it_is_read_and_the_bar_moves(film: Film) -> None:
    reader = Library.open(film.library.path, film.model, film.source)
    seen = []

    def look(event: events.AddEvent) -> None:
        if isinstance(event, events.FileAdvanced):
            seen.append(
                (
                    event.seconds,
                    event.duration,
                    event.seconds > 4 and len(reader.search("x", 50, per_video=None)),
                )
            )

    film.library.add([film.videos], on_event=look, settings=SMALL)
    assert seen == [(4, 22, False), (8, 22, 2), (12, 22, 4), (16, 22, 6), (20, 22, 8)]
    assert film.is_complete()


def test_ctrl_c_keeps_the_clips_and_the_next_run_encodes_the_rest_only(film: Film) -> None:
    report = film.add(stop_at=12)
    assert (report.interrupted, report.indexed, report.clips, report.unfinished) == (True, 0, 6, 1)
    status = film.library.status()
    assert (status.videos, status.clips, status.unfinished) == (1, 6, 1)
    assert film.problems()["film.toy"].startswith("not finished")
    assert film.library.search("scene5", 1)[0].start == 10
    before = film.model.encoded
    report = film.add()
    assert (report.indexed, report.clips, film.model.encoded - before) == (2, 6, 6)
    assert [event.clips for event in film.events if isinstance(event, events.FileIndexed)] == [
        11,
        1,
    ]
    assert film.is_complete()
    assert film.add().unchanged == 2


def test_the_clips_of_a_film_that_was_stopped_are_those_of_one_that_was_not(
    film: Film, tmp_path: Path
) -> None:
    for stop in (4, 8, 16):
        film.add(stop_at=stop)
    film.add()
    whole = Library.open(tmp_path / "whole", film.model, film.source)
    whole.add([film.videos])
    for word in ("scene3", "scene10", "dog"):
        hits = [library.search(word, 20, per_video=None) for library in (film.library, whole)]
        assert hits[0] == hits[1]


def test_another_film_under_the_same_name_leaves_no_stale_clips(film: Film) -> None:
    film.add(stop_at=12)
    write_video(film.path, "owl", "gnu", "elk")
    film.add()
    assert [start for name, start in film.windows() if name == "film.toy"] == [0, 2, 4]
    assert film.problems() == {}
    write_video(film.path, *SCENES)
    film.add(stop_at=4)
    assert [start for name, start in film.windows() if name == "film.toy"] == [0, 2]
    film.add()
    assert film.is_complete()


def test_an_unfinished_film_that_was_renamed_is_gone_on_with(film: Film) -> None:
    film.add(stop_at=12)
    film.path.rename(film.videos / "renamed.toy")
    before = film.model.encoded
    report = film.add()
    assert (report.renamed, report.missing, film.model.encoded - before) == (1, 0, 6)
    assert film.is_complete("renamed.toy")


@pytest.mark.parametrize("name", ["a-copy.toy", "z-copy.toy"])
def test_a_copy_of_an_unfinished_film_is_made_once_that_is_finished(film: Film, name: str) -> None:
    film.add(stop_at=12)
    shutil.copy(film.path, film.videos / name)
    before = film.model.encoded
    report = film.add()
    assert (report.copied, film.model.encoded - before) == (1, 6)
    assert film.is_complete()
    assert film.is_complete(name)


def test_an_unfinished_film_that_is_gone_and_comes_back_is_gone_on_with(
    film: Film, tmp_path: Path
) -> None:
    film.add(stop_at=12)
    away = film.path.rename(tmp_path / "away.toy")
    assert film.add().missing == 1
    assert film.add().unfinished == 0
    away.rename(film.path)
    before = film.model.encoded
    film.add()
    assert film.model.encoded - before == 5
    assert film.is_complete()


def test_a_touched_unfinished_film_is_gone_on_with(film: Film) -> None:
    film.add(stop_at=12)
    os.utime(film.path, ns=(1, 1))
    film.add()
    assert film.is_complete()
    assert film.add().unchanged == 2


def test_a_film_that_hits_a_limit_keeps_what_came_before(
    film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ToyStream._read

    def limited(self: ToyStream):  # type: ignore[no-untyped-def]
        for clip in read(self):
            if clip.window == Window(14.0, 16.0):
                raise VideoLimitError(f"{self._path}: no clip within 30 s")
            yield clip

    with monkeypatch.context() as patch:
        patch.setattr(ToyStream, "_read", limited)
        report = film.add()
    assert (report.indexed, report.failed, report.clips) == (2, 0, 8)
    assert film.problems() == {"film.toy": f"partly read: {film.path}: no clip within 30 s"}
    assert (film.library.status().partial, film.add().unchanged) == (1, 2)
    film.library.add([film.videos], settings=AddSettings(retry_failed=True))
    assert film.is_complete()


def test_features_that_are_not_finite_leave_nothing_of_a_film(film: Film) -> None:
    encode = film.model.encode_video

    def spoil(clips):  # type: ignore[no-untyped-def]
        features = encode(clips)
        if clips[0].seconds[0] == 12:
            features.frames[0, 0, 0] = float("inf")
        return features

    film.model.encode_video = spoil  # type: ignore[method-assign]
    report = film.add()
    assert (report.indexed, report.failed) == (1, 1)
    assert {name for name, _ in film.windows()} == {"short.toy"}
    assert "not finite" in film.problems()["film.toy"]
    assert film.add().known_bad == 1


def test_the_features_of_a_film_are_not_all_held(film: Film) -> None:
    """Peak of clips that are decoded and not committed: a queue, a batch and a commit, whatever the
    length.
    """
    write_video(film.videos / "long.toy", *["dog"] * 400)
    held = []

    def look(event: events.AddEvent) -> None:
        if isinstance(event, events.FileAdvanced):
            status = film.library.status()
            held.append(event.seconds / 2 - status.clips)

    Library.open(film.library.path, film.model, film.source).add(
        [film.videos / "long.toy"],
        on_event=look,
        settings=AddSettings(commit_clips=40, batch_clips=20),
    )
    assert max(held) <= 60


def test_many_commits_of_a_film_are_compacted(film: Film) -> None:
    write_video(film.path, *[f"w{number}" for number in range(90)])
    film.library.add([film.path], settings=AddSettings(commit_clips=1, batch_clips=1))
    table = ClipStore.open(next(film.library.path.glob("index-*"))).snapshot().table
    assert table.stats()["fragment_stats"]["num_fragments"] < 40
