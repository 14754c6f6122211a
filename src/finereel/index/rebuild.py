"""Build a new index beside the one in use, then switch to it.

`library.json` names the one that answers, and its replacement is the only step that changes an
answer: table, bank and journal stand in one folder, which is complete before. The file `building`
marks a folder that is not.
"""

import shutil
from pathlib import Path

from finereel.index.bank import remove_bank
from finereel.index.journal import NAME as JOURNAL
from finereel.index.manifest import Manifest, index_folders, read_manifest, write_manifest
from finereel.index.opening import BUILDING
from finereel.index.protocols import IndexedModel
from finereel.index.store import ClipStore

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
        shutil.copyfile(old.folder / JOURNAL, folder / JOURNAL)
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


def drop_replaced(library: Path, store: ClipStore) -> None:
    """Remove what a rebuild that was killed after its switch left behind; an index that still grows
    stays.
    """
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
