"""`library.json`: which table of a library folder is in use, and which model it belongs to.

    LIBRARY/
      settings.json         what a person decided, see `finereel.index.settings`
      library.json          this file, replaced as a whole (write beside, fsync, rename)
      lock                  the writer's operating-system lock
      index-<fingerprint>/  one per model: clips.lance, head.json, failures.jsonl, bank.npz,
                                        null.npz
      quarantine/           damaged files, set aside

The same facts stand in the table's own metadata, so a damaged `library.json` is rebuilt from there.
While a library is rebuilt for another model there are two index folders; `library.json` names the
one that answers.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from finereel.errors import LibraryError
from finereel.index.presence import NAME
from finereel.index.protocols import IndexedModel, StoredTokens
from finereel.io.atomic import read_stored_json, write_file
from finereel.io.storage.places import Place, StorePath

FORMAT = 3
"""Version of the table's schema: 2 has what a file is, its tags, and what is said in a clip; 3 has
tokens as the head reads them, each once (`finereel.index.protocols.StoredTokens`).
"""
TOKENS_SINCE = 3
READABLE = tuple(range(1, FORMAT + 1))
METADATA_KEY = b"finereel"


@dataclass(frozen=True)
class Manifest:
    """The live index of a library. format: version of its table's schema, see FORMAT."""

    model: IndexedModel
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format < TOKENS_SINCE:
            object.__setattr__(self, "model", replace(self.model, stored=StoredTokens()))

    @property
    def folder(self) -> str:
        """The name of the index folder."""
        return f"index-{self.model.fingerprint}"

    def to_json(self) -> bytes:
        """As `library.json` and the table's metadata hold it."""
        described = asdict(self)
        if self.format < TOKENS_SINCE:
            del described["model"]["stored"]  # programs of that version do not know it
        return (json.dumps(described, indent=2) + "\n").encode()

    @classmethod
    def parse(cls, text: bytes, where: Place) -> "Manifest":
        """The inverse of `to_json`."""
        return cls.from_json(json.loads(text), where)

    @classmethod
    def from_json(cls, value: dict[str, object], where: Place) -> "Manifest":
        """Raises LibraryError for another format version or missing entries."""
        version = value.get("format")
        if version not in READABLE:
            raise LibraryError(
                f"{where} has format {version!r}, this program reads {READABLE[0]} to {FORMAT}; "
                "update finereel, or index again into a new library"
            )
        try:
            model = dict(value["model"])  # type: ignore[call-overload]
            stored = dict(model.pop("stored", {}))
            stored["raw"] = tuple(stored.get("raw", ()))
            return cls(IndexedModel(**model, stored=StoredTokens(**stored)), version)
        except (KeyError, TypeError) as error:
            raise LibraryError(
                f"{where} does not name its model ({error}); index again into a new library"
            ) from error


def write_manifest(library: Place, manifest: Manifest) -> None:
    """Make `manifest.folder` the live index: before the rename the old one answers, after it the
    new one.
    """
    write_file(library / NAME, manifest.to_json())


def read_manifest(library: Place) -> Manifest | None:
    """The manifest, or None when `library.json` is absent or damaged (a torn or zero-byte file)."""
    value = read_stored_json(library / NAME)
    return None if value is None else Manifest.from_json(value, library / NAME)


def begin_manifest(library: StorePath, manifest: Manifest) -> bool:
    """Write the first manifest of a library in an object store; False where another writer
    did.
    """
    return (library / NAME).create(manifest.to_json()) is not None


def index_folders(library: Path) -> list[Path]:
    """Index folders that hold a table, oldest first."""
    folders = [path.parent for path in library.glob("index-*/clips.lance")]
    return sorted(folders, key=lambda folder: folder.stat().st_ctime_ns)
