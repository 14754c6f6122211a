"""What a look through folders left out is reported, remembered for `doctor`, and forgotten when it
changed.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest

from finereel.errors import ConfigError, NotAVideoError
from finereel.index.events import AddSettings, FileIndexed
from finereel.index.status import NAME, LeftOut
from finereel.library import Library
from finereel.video.find import Found
from index.doubles import ToyModel, ToySource, write_video


class Picky(ToySource):
    """Leaves out what it is told to."""

    unknown: tuple[Path, ...] = ()
    unreadable: tuple[tuple[Path, str], ...] = ()

    def find(self, paths: Iterable[Path]) -> Found:
        videos = [video for path in paths for video in path.rglob("*.toy")]
        return Found(tuple(sorted(videos)), self.unknown, self.unreadable)


def problems(library: Library) -> dict[str, str]:
    return {Path(problem.path).name: problem.error for problem in library.doctor()}


def test_index_and_doctor_name_it_until_it_changes(tmp_path: Path) -> None:
    videos, source = tmp_path / "v", Picky()
    write_video(videos / "a.toy", "dog")
    source.unknown = (videos / "b.xyz", videos / "c.xyz")
    source.unreadable = ((videos / "private", "Permission denied"),)
    library = Library.open(tmp_path / "library", ToyModel(), source)
    report = library.add([videos])
    assert report.unknown == (str(videos / "b.xyz"), str(videos / "c.xyz"))
    assert report.unreadable == ((str(videos / "private"), "Permission denied"),)
    found = problems(library)
    assert found["b.xyz"].startswith(
        "2 files, of which this is the first, of unknown kind left out (.xyz 2)"
    )
    assert found["private"].startswith("this folder cannot be read (Permission denied)")
    write_video(tmp_path / "w" / "z.toy", "cat")
    source.unknown, source.unreadable = (), ()
    library.add([tmp_path / "w"])
    assert set(problems(library)) == {"b.xyz", "private"}, (
        "another folder says nothing about this one"
    )
    library.add([videos])
    assert problems(library) == {}


def test_a_folder_without_videos_says_what_was_left_out(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    source = Picky()
    source.unknown = (tmp_path / "v" / "b.xyz",)
    library = Library.open(tmp_path / "library", ToyModel(), source)
    with pytest.raises(NotAVideoError, match=r"files of unknown kind were left out \(\.xyz 1\)"):
        library.add([tmp_path / "v"])


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"unknown": 3}', b'{"unreadable": [["a"]]}']
)
def test_a_damaged_memory_is_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    assert LeftOut.load(tmp_path) == LeftOut()


def test_names_that_are_not_text_are_remembered(tmp_path: Path) -> None:
    left_out = LeftOut(("/v/caf\udce9\n.xyz",), (("/v/\udce9", "no permission"),))
    left_out.save(tmp_path)
    assert LeftOut.load(tmp_path) == left_out


def test_a_video_read_by_keyframes_is_indexed_with_a_note(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v" / "a.toy", "dog", "cat")
    path.write_text(path.read_text() + "? read by keyframes only from 0 s on\n")
    events: list[object] = []
    library = Library.open(tmp_path / "library", ToyModel(), ToySource())
    report = library.add([tmp_path / "v"], on_event=events.append)
    assert (report.indexed, report.clips, report.coarse, report.failed) == (1, 2, 1, 0)
    assert [event.note for event in events if isinstance(event, FileIndexed)] == [
        "read by keyframes only from 0 s on"
    ]
    assert problems(library) == {"a.toy": "read by keyframes only from 0 s on"}
    assert (library.status().videos, library.status().failed) == (1, 0)
    assert library.add([tmp_path / "v"]).unchanged == 1


def test_an_unknown_mode_is_refused_with_the_known_ones() -> None:
    assert AddSettings(mode="exact") != AddSettings()
    with pytest.raises(ConfigError, match="expected one of auto, exact, keyframes"):
        AddSettings(mode="fast")


def test_status_tells_what_a_clip_takes_and_in_which_form(tmp_path: Path) -> None:
    library = Library.open(tmp_path / "library", ToyModel(), ToySource())
    write_video(tmp_path / "v" / "a.toy", "dog", "cat", "cow")
    library.add([tmp_path / "v"])
    status = library.status()
    assert (status.tokens, status.preset, status.schema) == ("fp16", "fast", 3)
    tokens = 2 * ToyModel().dim * (1 + 3 * ToyModel().num_frames)
    assert tokens <= status.bytes_per_clip < status.disk_bytes_per_clip
    assert status.disk_bytes_per_clip < status.bytes / status.clips
