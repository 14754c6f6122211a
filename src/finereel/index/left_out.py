"""What the last look through each folder left out: files of unknown kind and folders that could not
be read.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from finereel.index.folders import is_below
from finereel.io.atomic import read_stored_json, write_file
from finereel.types import Problem
from finereel.video.find import Found, extensions

NAME = "left-out.json"


@dataclass(frozen=True)
class LeftOut:
    """unknown: paths of files of unknown kind. unreadable: folders that could not be read, each
    with the reason.
    """

    unknown: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, found: Found) -> "LeftOut":
        """What a look through folders left out."""
        folders = tuple((str(folder), reason) for folder, reason in found.unreadable)
        return cls(tuple(map(str, found.unknown)), folders)

    @classmethod
    def load(cls, library: Path) -> "LeftOut":
        """What the library at `library` remembers; nothing where it remembers nothing readable."""
        stored = read_stored_json(library / NAME) or {}
        try:
            folders = tuple(
                (str(folder), str(reason)) for folder, reason in stored.get("unreadable", ())
            )
            return cls(tuple(map(str, stored.get("unknown", ()))), folders)
        except (TypeError, ValueError):
            return cls()

    def after(self, roots: Sequence[str], newer: "LeftOut") -> "LeftOut":
        """What holds once the folders and files `roots` were looked at again, with `newer` as the
        result.
        """
        unknown = (path for path in self.unknown if not _any_below(path, roots))
        unreadable = (entry for entry in self.unreadable if not _any_below(entry[0], roots))
        return LeftOut((*unknown, *newer.unknown), (*unreadable, *newer.unreadable))

    def save(self, library: Path) -> None:
        """Remember this, unless it is remembered already."""
        if self != LeftOut.load(library):
            stored = {"unknown": self.unknown, "unreadable": self.unreadable}
            write_file(library / NAME, json.dumps(stored))

    def problems(self) -> list[Problem]:
        """One problem per folder that cannot be read, and one per unknown extension."""
        found = [
            Problem(
                folder, f"this folder cannot be read ({reason}); allow reading it, then index again"
            )
            for folder, reason in self.unreadable
        ]
        by_extension: dict[str, list[str]] = {}
        for path in sorted(self.unknown):
            by_extension.setdefault(Path(path).suffix.lower(), []).append(path)
        for paths in by_extension.values():
            kind = (
                "one file"
                if len(paths) == 1
                else f"{len(paths)} files, of which this is the first,"
            )
            advice = "to have a file read all the same, name it: finereel index FILE"
            found.append(
                Problem(
                    paths[0], f"{kind} of unknown kind left out ({extensions(paths)}); {advice}"
                )
            )
        return found


def _any_below(path: str, roots: Iterable[str]) -> bool:
    return any(is_below(path, root) for root in roots)
