"""The settings of a library: the length of its clips, its preset, the folders to index, and what to
leave out.

`settings.json` stands beside `library.json` and is replaced as a whole; a rebuild keeps it.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from finereel.errors import ConfigError, LibraryError
from finereel.index.events import CLIP_SECONDS
from finereel.index.faults import storage_errors
from finereel.index.folders import is_below
from finereel.index.presets import DEFAULT_PRESET, preset_named
from finereel.index.snapshot import Snapshot
from finereel.io.atomic import write_file
from finereel.video.plan import TAIL

NAME = "settings.json"


@dataclass(frozen=True)
class LibrarySettings:
    """clip_seconds: length of a clip, None before anything was indexed. folders: those that `index`
    was given. preset: how its videos are read and encoded, see `finereel.index.presets.PRESETS`.
    excluded: files and folders that `index` leaves out. included: what it takes in although it lies
    in an excluded folder. All paths are absolute and sorted.

    >>> settings = LibrarySettings().exclude(["/v/private"]).name(["/v/private/party.mp4"])
    >>> settings.excludes("/v/private/a.mp4"), settings.excludes("/v/private/party.mp4"), settings.excludes("/v/b.mp4")
    (True, False, False)
    """

    clip_seconds: float | None = None
    folders: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    included: tuple[str, ...] = ()
    preset: str = DEFAULT_PRESET

    @classmethod
    def load(cls, library: Path) -> "LibrarySettings":
        """Read the settings of a library; without a file, nothing is decided yet. Raises
        LibraryError if the file is damaged.
        """
        path = library / NAME
        try:
            values = json.loads(path.read_bytes())
            seconds = values["clip_seconds"]
            folders, excluded, included = (
                _paths(values[name]) for name in ("folders", "excluded", "included")
            )
            preset = values.get("preset", DEFAULT_PRESET)  # absent before there were presets
            preset_named(preset)
            seconds = None if seconds is None else float(seconds)
            return cls(seconds, folders, excluded, included, preset)
        except (FileNotFoundError, NotADirectoryError):
            return cls()
        except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
            raise LibraryError(
                f"{path}, which says what `index` leaves out, cannot be read ({error!r}); restore "
                "it from a backup, "
                "or delete it and `finereel remove` again what is to be left out"
            ) from error

    def save(self, library: Path) -> None:
        """Write `settings.json`; the caller holds the lock."""
        with storage_errors(library, "written"):
            write_file(library / NAME, json.dumps(asdict(self), indent=2) + "\n")

    def cut(self, wanted: float | None, snapshot: Snapshot, library: Path) -> "LibrarySettings":
        """Return the settings with a clip length: their own, or `wanted` if there are no clips yet.

        Raises ConfigError when `wanted` is another length than that of the clips in it.
        """
        measured = measured_clip_seconds(snapshot, wanted)
        if measured is None:
            return replace(self, clip_seconds=wanted or self.clip_seconds or CLIP_SECONDS)
        own = self.clip_seconds or measured
        if wanted is not None and wanted != own:
            raise ConfigError(
                f"{library} cuts videos into clips of {own:g} s, got a length of {wanted:g} s: "
                "clips of two lengths do "
                f"not compare. Leave --clip-seconds out, or index the videos into another library "
                f"(`--library NEW --clip-seconds {wanted:g}`)"
            )
        return replace(self, clip_seconds=own)

    def name(self, roots: Iterable[str]) -> "LibrarySettings":
        """A person named `roots` to `index`: what is named is no longer left out."""
        excluded, included = set(self.excluded), set(self.included)
        named = set(roots)
        excluded -= named
        for root in named:
            if replace(self, excluded=_sorted(excluded), included=_sorted(included)).excludes(root):
                included.add(root)
        return replace(self, excluded=_sorted(excluded), included=_sorted(included))

    def exclude(self, paths: Iterable[str]) -> "LibrarySettings":
        """Leave out `paths` from now on, with everything in them; folders among them are no longer
        looked for.
        """
        gone = list(paths)

        def kept(known: Iterable[str]) -> list[str]:
            return [path for path in known if not any(is_below(path, root) for root in gone)]

        excluded = _sorted([*kept(self.excluded), *gone])
        folders, included = _sorted(kept(self.folders)), _sorted(kept(self.included))
        return replace(self, folders=folders, excluded=excluded, included=included)

    def remember(self, roots: Iterable[str]) -> "LibrarySettings":
        """Keep the folders among `roots` as places of the library."""
        return replace(
            self, folders=_sorted([*self.folders, *(root for root in roots if Path(root).is_dir())])
        )

    def excludes(self, path: str) -> bool:
        """Whether `index` leaves `path` out: the nearest folder (or the file itself) with a rule
        decides.
        """
        out = max((len(rule) for rule in self.excluded if is_below(path, rule)), default=-1)
        back = max((len(rule) for rule in self.included if is_below(path, rule)), default=-1)
        return out > back


def measured_clip_seconds(snapshot: Snapshot, wanted: float | None) -> float | None:
    """The length of a library's clips by its rows, for libraries of former versions; None when it
    has no clips.

    Where every video is a single clip, `wanted` is believed if none is too long for it.
    """
    rows = snapshot.rows(["file_id", "start", "end"]).to_pylist()
    starts = {(row["file_id"], row["start"]) for row in rows}
    lengths = Counter(
        row["end"] for row in rows if row["start"] == 0 and (row["file_id"], row["end"]) in starts
    )
    if lengths:
        return float(lengths.most_common(1)[0][0])
    longest = max((row["end"] - row["start"] for row in rows), default=None)
    if longest is None:
        return None
    return wanted if wanted is not None and longest <= (1 + TAIL) * wanted else CLIP_SECONDS


def _sorted(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(paths)))


def _paths(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"expected a list of paths, got {values!r}")
    return tuple(values)
