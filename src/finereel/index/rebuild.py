"""Two index folders for a while: the new one grows beside the one that answers, then takes its place."""

import shutil
from pathlib import Path

from finereel.index.journal import NAME as JOURNAL
from finereel.index.manifest import Manifest, index_folders, write_manifest
from finereel.index.opening import BUILDING
from finereel.index.ports import IndexedModel
from finereel.index.store import ClipStore


def begin_rebuild(library: Path, old: ClipStore, model: IndexedModel) -> ClipStore:
    """The growing index for `model`, as an interrupted rebuild left it, or the old one when it is for that model."""
    manifest = Manifest(model)
    folder = library / manifest.folder
    if manifest.folder == old.manifest.folder:
        return old
    if (folder / BUILDING).exists() and any((folder / "clips.lance" / "_versions").glob("*")):
        return ClipStore.open(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BUILDING).touch()
    if (old.folder / JOURNAL).exists():
        shutil.copyfile(old.folder / JOURNAL, folder / JOURNAL)
    return ClipStore.create(folder, manifest)


def finish_rebuild(library: Path, store: ClipStore) -> None:
    """Let the new index answer, then drop the others. A crash in between leaves one that answers, old or new."""
    (store.folder / BUILDING).unlink(missing_ok=True)
    write_manifest(library, store.manifest)
    for folder in index_folders(library):
        if folder != store.folder:
            shutil.rmtree(folder)
