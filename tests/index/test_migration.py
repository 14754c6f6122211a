"""A library of the last release opens, answers as before, and becomes one of this version without
any encoding, wherever the migration is killed.
"""

import json
import random
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from finereel.errors import LibraryError
from finereel.index import migration, token_migration
from finereel.index import store as store_module
from finereel.index.manifest import read_manifest
from finereel.index.migration import MigrationSettings
from finereel.index.store import ClipStore
from finereel.library import Library
from finereel.types import Hit
from golden.derive_library import LATER, QUERIES, VIDEOS, MemorySource
from index.doubles import ToyModel
from kill_points import FORK, Points

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
ANSWERS: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(
    (GOLDEN / "library_version_1.json").read_text()
)
ONE_BY_ONE = MigrationSettings(commit_videos=1)
NEW = ("thumbnail", "window", "moments", "fits", "source", "said")
"""What hits had not when the answers were stored."""
KNOWN = {Path(path).name for path in VIDEOS | LATER} - {"broken.toy"}


def version_1(folder: Path) -> Library:
    """The library of the last release, with the toy videos it was made of."""
    with zipfile.ZipFile(GOLDEN / "library_version_1.zip") as archive:
        archive.extractall(folder / "library")
    return opened(folder)


def opened(folder: Path) -> Library:
    return Library.open(folder / "library", ToyModel(), MemorySource(VIDEOS | LATER, folder))


def store_of(library: Library) -> ClipStore:
    return ClipStore.open(next(library.path.glob("index-*")))


def hits_of(library: Library) -> Iterator[tuple[str, list[Hit]]]:
    for query in QUERIES:
        for candidates in (None, 4):
            yield (
                f"{query} {candidates}",
                library.search(query, 5, candidates=candidates, per_video=None),
            )


def answers(library: Library) -> dict[str, list[dict[str, Any]]]:
    """As the last release stored them."""
    return {
        name: [
            {key: value for key, value in asdict(hit).items() if key not in NEW}
            | {"copies": list(hit.copies)}
            for hit in hits
        ]
        for name, hits in hits_of(library)
    }


def facts_by_name(library: Library) -> dict[str, Any]:
    snapshot = store_of(library).snapshot()
    facts = snapshot.facts()
    return {
        Path(path).name: facts[file.file_id]
        for path, file in snapshot.files().items()
        if file.file_id in facts and facts[file.file_id].known
    }


def is_whole(library: Library) -> bool:
    return set(facts_by_name(library)) == KNOWN


def test_a_library_of_the_last_release_answers_to_the_bit(tmp_path: Path) -> None:
    library = version_1(tmp_path)
    assert store_of(library).manifest.format == 1
    assert answers(library) == ANSWERS["bank"]
    library.remove_normalization()
    assert answers(library) == ANSWERS["plain"]
    assert library.doctor(verify=True)[0].path == "/videos/broken.toy"


def test_a_migration_changes_no_answer_and_encodes_nothing(tmp_path: Path) -> None:
    library = version_1(tmp_path)
    pictures = [hit.thumbnail for _, hits in hits_of(library) for hit in hits]
    model = library._load_model()
    told: list[tuple[str, int, int]] = []
    report = library.migrate(on_progress=lambda *step: told.append(step))
    assert (report.videos, report.skipped, report.interrupted) == (len(KNOWN), 0, False)
    assert ("reading videos", len(KNOWN), len(KNOWN)) in told
    assert told[-1] == ("storing tokens", report.clips, report.clips)
    assert report.clips == store_of(library).snapshot().count > 0
    assert isinstance(model, ToyModel)
    assert model.encoded == 0
    assert answers(library) == ANSWERS["bank"]
    assert [hit.thumbnail for _, hits in hits_of(library) for hit in hits] == pictures
    assert is_whole(library)
    facts = facts_by_name(library)["film.toy"]
    assert (facts.duration, facts.video_codec, facts.audio_codec) == (18.0, "toy", "none")
    assert facts.taken_at == datetime(2026, 3, 1, tzinfo=UTC)
    manifest = read_manifest(library.path)
    assert manifest is not None
    assert (manifest.format, store_of(library).manifest.format) == (3, 3)
    assert not [problem for problem in library.doctor(verify=True) if "lance" in problem.path]
    library.remove_normalization()
    assert answers(library) == ANSWERS["plain"]


def test_status_and_index_offer_the_migration_with_its_cost_until_it_is_done(
    tmp_path: Path,
) -> None:
    library = version_1(tmp_path)
    status = library.status()
    assert status.schema == 1
    for count, offered in (
        (len(KNOWN), status.migration),
        (len(KNOWN) - 1, library.add(list(LATER)).migration),  # one that is gone by now
    ):
        assert (
            f"{count} videos are not known, so that no filter finds them: `finereel migrate "
            f"--library {library.path}` reads them in about 1 s"
        ) in offered
    assert store_of(library).manifest.format == 1
    with pytest.raises(LibraryError, match=r"has no tags yet.*finereel migrate"):
        library.tag(["/videos"], ["holiday"])
    library.migrate()
    assert (library.status().schema, library.status().migration) == (3, "")
    assert library.add(list(LATER)).migration == ""
    assert library.migrate().videos == 0


def test_new_videos_are_added_to_a_library_of_the_last_release_and_migrated_with_it(
    tmp_path: Path,
) -> None:
    version_1(tmp_path)
    more = {"/videos/new.toy": "2 newt\n"}
    source = MemorySource(VIDEOS | LATER | more, tmp_path)
    library = Library.open(tmp_path / "library", ToyModel(), source)
    assert library.add(list(more)).indexed == 1
    assert library.search("newt", 1)[0].video == "/videos/new.toy"
    assert library.migrate().videos == len(KNOWN) + 1
    assert library.search("newt", 1)[0].video == "/videos/new.toy"


def test_videos_that_are_gone_or_changed_are_left_to_the_next_index(tmp_path: Path) -> None:
    version_1(tmp_path)
    here = {path: text for path, text in (VIDEOS | LATER).items() if "cat" not in path}
    changed = here | {"/videos/dog.toy": "2 wolf\n"}
    library = Library.open(tmp_path / "library", ToyModel(), MemorySource(changed, tmp_path))
    report = library.migrate()
    assert (report.videos, report.skipped) == (len(KNOWN) - 2, 2)
    assert answers(library) == ANSWERS["bank"]
    assert "2 videos are not known" in library.status().migration
    assert opened(tmp_path).migrate().videos == 2


def test_a_library_of_a_version_to_come_is_refused(tmp_path: Path) -> None:
    library = version_1(tmp_path)
    path = library.path / "library.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 4'))
    with pytest.raises(LibraryError, match="has format 4, this program reads 1 to 3; update"):
        library.status()


def _migrate(folder: Path, fatal: int, out: Any) -> None:
    points = Points(fatal)
    for name in ("migrate", "say", "tidy", "refresh_ann", "overwrite"):
        points.around(ClipStore, name)
    points.around(migration, "write_manifest")
    points.around(token_migration, "write_manifest")
    points.around(store_module, "seal")
    opened(folder).migrate(settings=ONE_BY_ONE)
    out.send(points.count)


def _migrate_and_kill(folder: Path, fatal: int) -> int | None:
    """Migrate in a process that is killed at a point; the number of points when it ends."""
    receiver, sender = FORK.Pipe(duplex=False)
    child = FORK.Process(target=_migrate, args=(folder, fatal, sender))
    child.start()
    sender.close()
    child.join(600)
    return None if child.exitcode else int(receiver.recv())


def _check_kills(tmp_path: Path, kills: int) -> None:
    version_1(tmp_path / "all")
    count = _migrate_and_kill(tmp_path / "all", -1)
    assert count is not None
    assert is_whole(opened(tmp_path / "all"))
    assert count >= 40
    for point in sorted(random.Random(0).sample(range(count), kills)):
        folder = tmp_path / str(point)
        version_1(folder)
        assert _migrate_and_kill(folder, point) is None, point
        library = opened(folder)
        assert answers(library) == ANSWERS["bank"], f"after the kill at {point}"
        assert not [found for found in library.doctor(verify=True) if "lance" in found.path]
        assert library.migrate(settings=ONE_BY_ONE).skipped == 0
        assert is_whole(library), point
        assert answers(library) == ANSWERS["bank"], f"after the migration from {point}"
        assert library.status().migration == ""


def test_a_migration_that_is_killed_ends_whole(tmp_path: Path) -> None:
    _check_kills(tmp_path, 3)


@pytest.mark.slow
def test_a_migration_that_is_killed_at_twenty_points_ends_whole(tmp_path: Path) -> None:
    _check_kills(tmp_path, 20)


def test_readers_see_one_state_while_a_library_is_migrated(tmp_path: Path) -> None:
    library = version_1(tmp_path)
    ended = threading.Event()
    seen: list[bool] = []

    def read() -> None:
        reader = opened(tmp_path)
        while not ended.is_set():
            hits = reader.search("dog", 5, candidates=None, per_video=None)
            expected = ANSWERS["bank"]["dog None"]
            seen.append([hit.score for hit in hits] == [hit["score"] for hit in expected])

    reading = threading.Thread(target=read)
    reading.start()
    try:
        library.migrate(settings=ONE_BY_ONE)
    finally:
        ended.set()
        reading.join()
    assert len(seen) > 1
    assert all(seen)
