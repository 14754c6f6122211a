"""What a file format consists of: a reader, a writer and a test that detects it; and the atomic
writing all formats share.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from finereel.data.base import Caption
from finereel.errors import ConfigError, DataError
from finereel.finegrain.types import Change, Negative
from finereel.io.atomic import replace_file, writes


@dataclass(frozen=True, slots=True)
class Known:
    """What a reader is told because some forms do not say it themselves.

    captions: the true captions by id, for forms that hold negatives alone; where a form has
    captions without ids, they find their id here by video and text. pos: what every negative of the
    file changes, None where the file or its name says so.
    """

    captions: Mapping[str, Caption] = field(default_factory=dict)
    pos: Change | None = None


UNTOLD = Known()
"""What a reader knows that was told nothing."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The first look at a file: its ending, what holds its records, and the first record.

    container: `lines` (JSONL), `object` (a JSON object of records), `list` (a JSON list) or `table`
    (the first record is the names of the columns).
    """

    ending: str
    container: str
    first: object

    def has(self, *names: str) -> bool:
        """Whether the first record has all these names.

        >>> Shape(".json", "list", {"caption": "a dog"}).has("caption")
        True
        """
        return isinstance(self.first, dict | list) and all(name in self.first for name in names)


@dataclass(frozen=True, slots=True)
class Format:
    """A form of file.

    read: its negatives in order, given what the file itself does not say. write: rows into a file,
    which then is whole; ConfigError where the form cannot hold them. fits: whether a file of this
    shape is of this form.
    """

    read: Callable[[Path, Known], Iterator[Negative]]
    write: Callable[[Iterable[Negative], Path], None]
    fits: Callable[[Shape], bool]


def write_lines(lines: Iterable[str], path: Path) -> None:
    """Write lines as UTF-8, each ended by a newline; under `path` stands the whole file or what
    stood there before.
    """
    write_text((line + "\n" for line in lines), path)


def check_target(path: Path, *sources: Path | None) -> None:
    """Make sure, before any work, that `path` can be written and is none of the files that are
    read.

    Nothing is left behind. Raises ConfigError where it is one of `sources`, DataError where it is a
    folder or a device, or its folder takes no files.
    """
    try:
        there = path.exists()
        if any(
            source and there and source.exists() and path.samefile(source) for source in sources
        ):
            raise ConfigError(
                f"{path} is read, and writing would overwrite it: name another file to write"
            )
        if there and not path.is_file():
            what = "a folder" if path.is_dir() else "no regular file"
            raise DataError(f"expected a file to write, {path} is {what}")
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}): name a file where you may write"
        ) from error


@writes("path")
def write_text(parts: Iterable[str], path: Path) -> None:
    """Write the parts of a text one after another, as `write_lines` does."""
    check_target(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as fresh, fresh.open("w", encoding="utf-8", newline="") as file:
        file.writelines(parts)


def only_pos(rows: Iterable[Negative], form: str) -> list[Negative]:
    """The rows, which must all change the same part of speech; ConfigError says how to write one
    file for each.
    """
    kept = list(rows)
    found = sorted({row.pos for row in kept})
    if len(found) > 1:
        raise ConfigError(
            f"a {form} file holds one part of speech, got {', '.join(found)}: write one file for "
            "each (--pos)"
        )
    return kept
