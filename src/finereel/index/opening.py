"""Find the index in use in a library folder, also after a crash or damage to `library.json`."""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from finereel.errors import ConfigError, LibraryError, ModelMismatchError
from finereel.index.bank import remove_bank
from finereel.index.journal import NAME as JOURNAL
from finereel.index.manifest import (
    Manifest,
    begin_manifest,
    index_folders,
    read_manifest,
    write_manifest,
)
from finereel.index.presence import NAME
from finereel.index.protocols import IndexedModel, SearchModel
from finereel.index.remote_store import RemoteClipStore
from finereel.index.settle import settle
from finereel.index.store import ClipStore
from finereel.io.atomic import sync_folder
from finereel.io.storage.lease import leased
from finereel.io.storage.places import Place, StorePath, local, place_of
from finereel.io.storage.probe import require_conditions
from finereel.models.choice import BUNDLED

BUILDING = "building"
"""A file that marks an index folder which is not complete enough to answer (a rebuild under way).
"""


def absolute(path: str | Path) -> Path:
    """The path as the library keeps it: absolute, `~` expanded, links left as they are."""
    # abspath, not resolve: a video found through a link keeps the name its owner knows.
    return Path(os.path.abspath(os.path.expanduser(os.fspath(path))))  # noqa: PTH100, PTH111


def library_place(path: str | Path | StorePath) -> Place:
    """Where a library is: the address of one in an object store, or an absolute path."""
    place = place_of(path)
    return place if isinstance(place, StorePath) else absolute(place)


def kind_of_store(folder: Place) -> type[ClipStore]:
    """What opens the table in an index folder."""
    return RemoteClipStore if isinstance(folder, StorePath) else ClipStore


def open_store(library: Place) -> ClipStore | None:
    """The live index, None where no library was ever begun.

    A damaged `library.json` does not matter as long as a table is there. Raises LibraryError when
    the folder is a library but its table is gone or unreadable: a library never silently turns into
    an empty one.
    """
    manifest = read_manifest(library)
    if manifest is not None:
        return _open_named(library, manifest)
    known = index_folders(library) if isinstance(library, Path) else []
    complete = [folder for folder in known if not (folder / BUILDING).exists()]
    # A table without data and without a whole version is one whose making was interrupted: nothing
    # was ever in it.
    committed = [folder for folder in complete if settle(folder) is not None or any_data(folder)]
    if committed:
        return ClipStore.open(committed[-1])
    if (library / NAME).exists():
        manifest = read_manifest(library)  # another writer may have begun it meanwhile
        if manifest is not None:
            return _open_named(library, manifest)
        raise LibraryError(
            f"{library / NAME} is damaged and there is no clip table beside it; restore the folder "
            "from a backup, "
            "or delete it and index again"
        )
    return None


def newest_commit(library: Place) -> tuple[str, int] | None:
    """The index folder in use and the number of its newest commit, without opening its table; None
    where no library was ever begun.
    """
    manifest = read_manifest(library)
    version = None if manifest is None else settle(library / manifest.folder)
    if manifest is not None and version is not None:
        return manifest.folder, version
    store = open_store(library)
    return None if store is None else (store.folder.name, store.version())


def any_data(folder: Path) -> bool:
    """Whether an index folder holds a clip, or a part of one."""
    return any((folder / "clips.lance" / "data").glob("*"))


def begin_library(library: Place, manifest: Manifest) -> ClipStore:
    """A new, empty library; the caller holds the lock. In an object store another writer may have
    made it meanwhile: then it is that one.
    """
    folder = library / manifest.folder
    if isinstance(library, StorePath):
        # Of two that make a table at once, Lance lets the second overwrite what the first put in.
        with leased(library):
            begun = open_store(library)
            if begun is None:
                begun = RemoteClipStore.create(folder, manifest)
                begin_manifest(library, manifest)
        return begun
    store = ClipStore.create(folder, manifest)
    write_manifest(library, manifest)
    with suppress(
        PermissionError
    ):  # it may be forbidden to read the folder that the library stands in
        sync_folder(library.parent)
    return store


def prepare_place(library: Place) -> None:
    """Before a library is made or changed: its folder, or a check that its store can hold one."""
    if isinstance(library, StorePath):
        require_conditions(library)
    else:
        library.mkdir(parents=True, exist_ok=True)


def require_folder(library: Place, what: str) -> Path:
    """The folder of a library. Raises LibraryError where it is in an object store, which cannot do
    `what`.
    """
    if isinstance(library, StorePath):
        raise LibraryError(
            f"{library}: {what} works on a library in a local folder only; index the videos into "
            "another library instead"
        )
    return library


def prepare_writing(library: Place, store: ClipStore) -> None:
    """Before the first change: what a crash left, the columns of this version, and `library.json`
    where it is damaged.

    The caller holds the lock.
    """
    store.prepare()
    if isinstance(library, Path) and read_manifest(library) is None:
        write_manifest(library, store.manifest)


def _open_named(library: Place, manifest: Manifest) -> ClipStore:
    folder = library / manifest.folder
    remote = isinstance(folder, StorePath)
    if settle(folder) is None if remote else not local(folder / "clips.lance").is_dir():
        raise LibraryError(
            f"{library} should hold {manifest.folder}/clips.lance, which is gone; restore it from "
            "a backup, "
            f"or run `finereel doctor --repair --library {library}` and index again"
        )
    return kind_of_store(folder).open(folder)


# Two index folders for a while: the new one grows beside the one that answers, then takes its
# place.
REPLACED = "replaced-"
"""How the name of an index folder begins that no longer answers and is being removed."""


def begin_rebuild(library: Path, old: ClipStore, model: IndexedModel) -> ClipStore:
    """The growing index for `model`, as an interrupted rebuild left it, or the old one when it is
    for that model.
    """
    manifest = Manifest(model)
    folder = library / manifest.folder
    if manifest.folder == old.manifest.folder:
        old.prepare()
        return old
    if (folder / BUILDING).exists() and any((folder / "clips.lance" / "_versions").glob("*")):
        # The bank of an attempt that ended late would mark new rows with a bias that is only nearly
        # right.
        remove_bank(folder)
        store = ClipStore.open(folder)
        store.prepare()
        return store
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BUILDING).touch()
    if (old.folder / JOURNAL).exists():
        shutil.copyfile(local(old.folder) / JOURNAL, folder / JOURNAL)
    return ClipStore.create(folder, manifest)


def finish_rebuild(library: Path, store: ClipStore) -> None:
    """Let the new index answer, then drop the others. Before that one step a crash leaves the old,
    after it the new.
    """
    write_manifest(library, store.manifest)
    (store.folder / BUILDING).unlink(missing_ok=True)
    for folder in index_folders(library):
        if folder != store.folder:
            _drop(folder)


def drop_replaced(library: Place, store: ClipStore) -> None:
    """Remove what a rebuild that was killed after its switch left behind; an index that still grows
    stays.
    """
    if isinstance(library, StorePath) or isinstance(store.folder, StorePath):
        return
    manifest = read_manifest(library)
    if manifest is None or manifest.folder != store.folder.name:
        return
    (store.folder / BUILDING).unlink(missing_ok=True)
    for folder in index_folders(library):
        if folder != store.folder and not (folder / BUILDING).exists():
            _drop(folder)
    for folder in library.glob(f"{REPLACED}*"):
        shutil.rmtree(folder)


def _drop(folder: Path) -> None:
    """Remove an index folder. Renamed first: one that is half removed must not be taken for one
    that answers.
    """
    doomed = folder.with_name(REPLACED + folder.name)
    folder.rename(doomed)
    shutil.rmtree(doomed)


def described(model: SearchModel, tokens: str | None = None) -> IndexedModel:
    """Describe a model for the manifest; a directory gets its absolute path. tokens: the format of
    a new table's tokens, None for the default.
    """
    indexed = IndexedModel.of(model)
    if tokens is not None:
        indexed = replace(indexed, stored=replace(indexed.stored, format=tokens))
    return (
        replace(indexed, name=str(absolute(indexed.name)))
        if indexed.name not in BUNDLED and Path(indexed.name).is_dir()
        else indexed
    )


def require_same_tokens(store: ClipStore, wanted: str | None, library: Place) -> None:
    """Raise ConfigError where a library keeps tokens in another format than the wanted one."""
    own = store.manifest.model.stored.format
    if wanted not in (None, own):
        raise ConfigError(
            f"{library} keeps tokens as {own}, got {wanted}: leave --tokens out, index into another "
            f"library (`--library NEW --tokens {wanted}`), or make this one's smaller with "
            f"`finereel migrate --library {library} --tokens {wanted}`"
        )


def require_same_model(store: ClipStore, model: SearchModel, library: Place) -> None:
    """Raise ModelMismatchError where a library was made with another model."""
    ours = store.manifest.model
    if model.fingerprint != ours.fingerprint:
        raise ModelMismatchError(
            f"{library} was indexed with {ours.name} ({ours.fingerprint}), got {model.name} "
            f"({model.fingerprint}): "
            "their features do not compare. Use the library's own model (leave --model out), index "
            "into another "
            f"library (`--library NEW --model {model.name}`), or change this one's model with "
            f"`finereel rebuild --library {library} --model {model.name}`"
        )


@contextmanager
def meanwhile(check: Callable[[], None]) -> Iterator[None]:
    """Run a check in another thread while the block runs; where it fails, its error is what counts.

    The first fingerprint of a model takes as long as a search, and needs no lock of Python.
    """
    with ThreadPoolExecutor(1) as beside:
        checked = beside.submit(check)
        try:
            yield
        finally:
            checked.result()
