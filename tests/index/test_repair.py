"""Damage of every kind: a typed error that says what to do, then a repair that keeps every whole
clip.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from finereel.errors import DamagedLibraryError, FinereelError, LibraryError
from finereel.index.events import AddSettings
from finereel.index.head import seal
from finereel.index.lance_files import manifest_files
from finereel.index.store import ClipStore
from finereel.library import Library
from index.doubles import ToyModel, ToySource, write_video

FILES = 6
QUERIES = ("dog1", "cat4 dog2")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of 6 videos with two clips each, committed one by one, one of them removed and
    added again.
    """
    root = tmp_path_factory.mktemp("made")
    for number in range(FILES):
        write_video(root / "videos" / f"{number}.toy", f"dog{number}", f"cat{number}")
    library = Library.open(root / "library", ToyModel(), ToySource())
    library.add([root / "videos"], settings=AddSettings(commit_clips=1))
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy of it; the videos stay where they are."""
    shutil.copytree(made / "library", tmp_path / "library")
    (tmp_path / "videos").symlink_to(made / "videos")
    return tmp_path


def library(root: Path, model: ToyModel | None = None) -> Library:
    return Library.open(root / "library", model or ToyModel(), ToySource())


def answers(root: Path) -> list[list[tuple[str, float, float, bytes]]]:
    found = [library(root).search(text, 100, candidates=None, per_video=None) for text in QUERIES]
    return [[(hit.clip_id, hit.start, hit.score, hit.thumbnail) for hit in hits] for hits in found]


def index_folder(root: Path) -> Path:
    return next((root / "library").glob("index-*"))


def table(root: Path) -> Path:
    return index_folder(root) / "clips.lance"


def newest(root: Path) -> Path:
    return max(manifest_files(table(root)).items())[1]


def flip(path: Path, place: float = 0.5) -> None:
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 0x10
    path.write_bytes(content)


def biggest_data(root: Path) -> Path:
    return sorted((table(root) / "data").iterdir())[0]


@pytest.mark.parametrize(
    "spoil", [Path.unlink, flip, lambda path: path.write_bytes(b"")], ids=["gone", "flip", "empty"]
)
@pytest.mark.parametrize("all_of_them", [False, True])
def test_a_lost_or_changed_manifest_comes_back_from_the_head(
    made: Path, root: Path, spoil: Callable[[Path], object], all_of_them: bool
) -> None:
    expected = answers(made)
    for path in manifest_files(table(root)).values() if all_of_them else [newest(root)]:
        spoil(path)
    assert answers(root) == expected
    assert library(root).status().videos == FILES
    assert library(root).add([made / "videos"]).indexed == 0


def test_without_a_head_a_torn_newest_manifest_costs_its_commit_alone(
    made: Path, root: Path
) -> None:
    (index_folder(root) / "head.json").unlink()
    newest(root).write_bytes(b"")
    opened = library(root)
    assert opened.status().videos == FILES - 1
    assert "lost in a power cut" in opened.status().note
    assert any("lost in a power cut" in problem.error for problem in opened.doctor())
    assert opened.search("dog1")
    assert opened.add([made / "videos"]).indexed == 1
    assert opened.status().note == ""
    assert answers(root) == answers(made)


@pytest.mark.parametrize("content", [b"", b"\0" * 200, None])
def test_a_commit_that_was_never_forced_to_disk_is_rolled_back(
    made: Path, root: Path, content: bytes | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = answers(root)
    write_video(tmp_path / "more" / "z.toy", "zebra")
    with monkeypatch.context() as patch:
        patch.setattr("finereel.index.store.seal", _refuse)
        with pytest.raises(LibraryError):
            library(root).add([tmp_path / "more"])
    path = max(manifest_files(table(root)).items())[1]
    if content is not None:
        path.write_bytes(content)
    else:
        for data in table(root).glob("data/*"):
            if (
                data.stat().st_mtime_ns >= path.stat().st_mtime_ns - 10**9
                and data.stat().st_size < 5000
            ):
                data.write_bytes(b"")
    assert answers(root) == expected
    assert library(root).add([made / "videos", tmp_path / "more"]).indexed == 1
    assert library(root).search("zebra")[0].video.endswith("z.toy")
    assert not [problem for problem in library(root).doctor() if "power cut" in problem.error]


def _refuse(folder: Path) -> None:
    if len(list(manifest_files(folder / "clips.lance"))) > FILES + 1:
        raise OSError(28, "No space left on device")
    seal(folder)


def test_a_changed_row_is_an_error_and_a_repair_indexes_its_video_again(
    made: Path, root: Path
) -> None:
    expected = answers(made)
    data = _spoil_a_value(root)
    with pytest.raises(DamagedLibraryError, match="finereel doctor --repair"):
        answers(root)
    assert any("--repair" in problem.error for problem in library(root).doctor(verify=True))
    report = library(root).repair()
    assert (report.clips, report.dropped) == (2 * FILES - 2, 2)
    assert list((root / "library" / "quarantine").rglob(data.name))
    model = ToyModel()
    assert library(root, model).add([made / "videos"]).indexed == 1
    assert model.encoded == 2
    assert [[hit[1:] for hit in hits] for hits in answers(root)] == [
        [hit[1:] for hit in hits] for hits in expected
    ]
    assert not [
        problem for problem in library(root).doctor(verify=True) if "--repair" in problem.error
    ]


def _spoil_a_value(root: Path) -> Path:
    """Change one number of a stored vector."""
    rows = ClipStore.open(index_folder(root)).snapshot().rows(["vector"])
    vector = rows["vector"][0].values.to_numpy().tobytes()
    for data in sorted((table(root) / "data").iterdir()):
        content = data.read_bytes()
        if vector in content:
            place = content.index(vector) + 4
            data.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            return data
    raise AssertionError("no file holds the vector")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a data file gone": lambda root: biggest_data(root).unlink(),
    "a data file empty": lambda root: biggest_data(root).write_bytes(b""),
    "the newest manifest": lambda root: newest(root).write_bytes(b"\0" * 500),
    "all manifests": lambda root: shutil.rmtree(table(root) / "_versions"),
    "the head": lambda root: (index_folder(root) / "head.json").write_bytes(b"{"),
    "library.json": lambda root: (root / "library" / "library.json").write_bytes(b"\0" * 9),
    "the fingerprint in library.json": lambda root: _replace(
        root / "library" / "library.json", b'int": "', b'int": "7'
    ),
    "the table": lambda root: shutil.rmtree(table(root)),
    "the journal": lambda root: (index_folder(root) / "failures.jsonl").write_bytes(b"\xff\0{"),
    "transactions": lambda root: shutil.rmtree(table(root) / "_transactions"),
}


def _replace(path: Path, old: bytes, new: bytes) -> None:
    path.write_bytes(path.read_bytes().replace(old, new))


@pytest.mark.parametrize("damage", DAMAGE)
def test_after_a_repair_the_next_index_makes_the_library_whole(
    made: Path, root: Path, damage: str
) -> None:
    expected = answers(made)
    DAMAGE[damage](root)
    library(root).doctor(verify=True)
    library(root).repair()
    library(root).add([made / "videos"])
    assert sorted(hit[1:] for hit in answers(root)[0]) == sorted(hit[1:] for hit in expected[0])
    assert library(root).status().videos == FILES
    assert not [
        problem for problem in library(root).doctor(verify=True) if "--repair" in problem.error
    ]


def test_deleted_rows_do_not_come_back_when_their_list_is_damaged(made: Path, root: Path) -> None:
    write_video(root / "other" / "two.toy", "yak", "gnu")
    opened = library(root)
    opened.add([root / "other"], settings=AddSettings(commit_clips=1))
    store = ClipStore.open(index_folder(root))
    store._table.delete("path LIKE '%two.toy' AND start > 1")
    seal(store.folder)
    lists = list((table(root) / "_deletions").iterdir())
    assert lists
    flip(lists[0], 0.6)
    with pytest.raises(DamagedLibraryError, match="_deletions"):
        library(root).search("dog1")
    videos = library(root).repair().videos
    assert str(root / "other" / "two.toy") in videos
    assert library(root).add([made / "videos", root / "other"]).indexed == len(videos) < FILES


@pytest.mark.parametrize(
    "spoil", [Path.unlink, flip, lambda path: path.write_bytes(b"")], ids=["gone", "flip", "empty"]
)
def test_a_lost_or_changed_bank_is_never_passed_over(
    root: Path, spoil: Callable[[Path], object]
) -> None:
    plain = answers(root)
    library(root).fit_normalization(["dog1", "cat2"])
    spoil(index_folder(root) / "bank.npz")
    with pytest.raises(DamagedLibraryError, match="normalisation"):
        answers(root)
    assert "fit it again" in " ".join(library(root).repair().mended)
    assert answers(root) == plain


def test_a_damaged_index_of_vectors_is_not_used_and_a_repair_drops_it(tmp_path: Path) -> None:
    for number in range(150):
        write_video(tmp_path / "videos" / f"{number}.toy", f"dog{number}", f"cat{number}")
    library(tmp_path).add([tmp_path / "videos"], settings=AddSettings(ann_threshold=100))
    expected = library(tmp_path).search("dog3", 5, candidates=20)
    indices = [path for path in (table(tmp_path) / "_indices").rglob("*") if path.is_file()]
    assert indices
    for path in indices:
        flip(path)
    assert library(tmp_path).search("dog3", 5, candidates=20) == expected
    assert any("_indices" in problem.path for problem in library(tmp_path).doctor())
    assert "indices of vectors" in " ".join(library(tmp_path).repair().mended)
    assert library(tmp_path).search("dog3", 5, candidates=20) == expected


def test_nothing_but_a_folder_of_ruins(root: Path) -> None:
    shutil.rmtree(table(root) / "_versions")
    for name in ("head.json", "../library.json"):
        (index_folder(root) / name).write_bytes(b"")
    with pytest.raises(FinereelError, match="quarantine"):
        library(root).repair()
