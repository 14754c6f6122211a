"""What is said where there is no library, without opening anything."""

from pathlib import Path

import pytest

from finereel.errors import LibraryNotFoundError
from finereel.index.presence import nearest_library, require_library


def begin(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "library.json").write_text("{}", encoding="utf-8")
    return folder


def test_the_nearest_library_is_named(tmp_path: Path) -> None:
    holiday = begin(tmp_path / "holiday.library")
    with pytest.raises(LibraryNotFoundError, match=r"did you mean `--library .*holiday.library`"):
        require_library(tmp_path / "holidy.library")
    require_library(holiday)


@pytest.mark.parametrize("missing", ["a/lib/inside/deeper", "a", "a/other"])
def test_inside_above_and_beside(tmp_path: Path, missing: str) -> None:
    assert nearest_library(tmp_path / missing) is None
    library = begin(tmp_path / "a" / "lib")
    assert nearest_library(tmp_path / missing) == library


def test_a_library_without_its_manifest_is_one(tmp_path: Path) -> None:
    (tmp_path / "index-0123" / "clips.lance").mkdir(parents=True)
    require_library(tmp_path)
