"""Find one video under two names: spelled differently, linked, or copied byte for byte."""

import hashlib
import posixpath
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, groupby
from pathlib import Path

from finereel.data.base import Dataset
from finereel.io.tables import quoted

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Listed:
    """A video as a split lists it."""

    split: str
    video: str

    def __str__(self) -> str:
        return f"{self.split} {quoted(self.video)}"


@dataclass(frozen=True)
class Twice:
    """Two listed videos that are one. reason: how that is known, as the end of a sentence."""

    first: Listed
    second: Listed
    reason: str

    @property
    def leak(self) -> bool:
        """Whether one is for training and the other for evaluation, or one chooses and the other
        measures.
        """
        return role(self.first.split) != role(self.second.split)

    def __str__(self) -> str:
        advice = "give both one split, or remove one" if self.leak else "remove one"
        return f"{self.first} and {self.second} {self.reason}: {advice}"


def role(split: str) -> str:
    """What a split is for: two training lists, or two tests, may overlap.

    >>> role("train_7k") == role("train_9k"), role("train") == role("test")
    (True, False)
    """
    return split.split("_")[0]


def spelling(video: str) -> str:
    """The one spelling of a path that can be written in several ways; the ending and the case stay.

    >>> spelling("./a//b/../c.mp4")
    'a/c.mp4'
    """
    return unicodedata.normalize("NFC", posixpath.normpath(video))


def same_but_case(dataset: Dataset) -> Iterator[Twice]:
    """Videos of splits with other roles whose names differ in upper and lower case alone."""
    listed = sorted(_listed(dataset), key=lambda one: spelling(one.video).casefold())
    for _, group in groupby(listed, key=lambda one: spelling(one.video).casefold()):
        for first, second in combinations(group, 2):
            found = Twice(
                first, second, "differ in upper and lower case alone, which many disks ignore"
            )
            if found.leak and first.video != second.video:
                yield found


def same_file(dataset: Dataset, files: Mapping[str, Path]) -> Iterator[Twice]:
    """Videos with other ids that are one file, links to one, or files of the same bytes; each with
    the first such.

    files: by video id, as `finereel.data.videos.find_videos` gives them. Only files of equal size
    are read. A video that several splits list under one id is not reported here, nor is a file that
    cannot be read.
    """
    listed = [one for one in _listed(dataset) if one.video in files]
    groups: dict[tuple[str, ...], list[Listed]] = {}
    contents = _contents(files[video] for video in dict.fromkeys(one.video for one in listed))
    for one in listed:
        if files[one.video] in contents:
            groups.setdefault(contents[files[one.video]], []).append(one)
    for group in groups.values():
        for first, second in _pairs(group):
            paths = files[first.video], files[second.video]
            reason = "have the same bytes" if _apart(*paths) else "are one file"
            yield Twice(first, second, f"{reason} ({' and '.join(dict.fromkeys(map(str, paths)))})")


def _pairs(group: list[Listed]) -> Iterator[tuple[Listed, Listed]]:
    """Each video after the first with one of another role where there is one, else with the
    first.
    """
    for number, second in enumerate(group):
        before = [one for one in group[:number] if one.video != second.video]
        if before:
            yield (
                next((one for one in before if role(one.split) != role(second.split)), before[0]),
                second,
            )


def _listed(dataset: Dataset) -> list[Listed]:
    return [Listed(name, video) for name, split in dataset.splits.items() for video in split.videos]


def _apart(one: Path, other: Path) -> bool:
    """Whether two files are stored twice, not linked."""
    try:
        return not one.samefile(other)
    except OSError:
        return True


def _contents(paths: Iterable[Path]) -> dict[Path, tuple[str, ...]]:
    """What is equal where two files hold the same: their size, or for several files of one size a
    digest as well.
    """
    by_size: dict[int, list[Path]] = {}
    for path in dict.fromkeys(paths):
        try:
            by_size.setdefault(path.stat().st_size, []).append(path)
        except OSError:
            continue
    found: dict[Path, tuple[str, ...]] = {}
    for size, same in by_size.items():
        for path in same:
            digest = _digest(path) if len(same) > 1 else ""
            if digest is not None:
                found[path] = (str(size), digest)
    return found


def _digest(path: Path) -> str | None:
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()
