"""Check for common mistakes before heavy imports: no library, unknown model, missing video.

Where the library's module is loaded there is no import to save, and the library says the same by
itself.
"""

import difflib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from finereel.cli.output import shown
from finereel.errors import ConfigError, ModelNotFoundError, NotAVideoError
from finereel.imports import UNUSED_PARTS, postpone
from finereel.io.storage.places import Place, StorePath, place_of

if TYPE_CHECKING:
    from finereel.library import Library


def open_library(library: Path) -> "Library":
    """A library that exists; LibraryNotFoundError, without importing torch, where there is none."""
    if "finereel.library" not in sys.modules:
        from finereel.index.presence import require_library

        require_library(_place(library))
        for part in UNUSED_PARTS:
            postpone(part)
    from finereel.library import Library

    return Library.open(library)


@contextmanager
def needing(extra: str, what: str) -> Iterator[None]:
    """Raises ConfigError that names the extra, where an import within the block fails for lack of
    it.
    """
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"{what} needs packages that are not installed ({error}); run "
            f"`pip install 'finereel[{extra}]'`"
        ) from error


def check_model(model: str | None) -> None:
    """Raises ModelNotFoundError for a model named by a path where there is no folder; a hub id is
    left to the hub.
    """
    given = _folder_of(model)
    if given is None or not _is_path(given) or _absolute(Path(given)).is_dir():
        return
    folder = _absolute(Path(given))
    kind = "is a file, not a model directory" if folder.exists() else "does not exist"
    beside = (
        [child.name for child in sorted(folder.parent.iterdir()) if child.is_dir()]
        if _listable(folder)
        else []
    )
    near = difflib.get_close_matches(folder.name, beside, n=1)
    hint = f"Did you mean {folder.parent / near[0]}? " if near else ""
    raise ModelNotFoundError(
        f"the model directory {folder} {kind}. {hint}Models that are here: `finereel models`. To "
        "bring one: "
        "`hf download openai/clip-vit-base-patch32 --local-dir MODEL` on a machine with a network, "
        "then `--model MODEL`"
    )


def announce_download(model: str | None) -> None:
    """Say on stderr that a model which was named will be downloaded; its size is on the bar."""
    if model is None or _is_path(_folder_of(model) or ""):
        return
    from finereel.models.choice import full_name, require_here

    try:
        require_here(model)
    except ModelNotFoundError:
        typer.echo(f"downloading {shown(full_name(model))} from the hub", err=True)


def check_sources(paths: Iterable[Path], library: Path) -> None:
    """Raises NotAVideoError for a path that does not exist, where no library could remember it."""
    if "finereel.library" in sys.modules:
        return
    from finereel.index.presence import is_library

    missing = [path for path in map(_absolute, paths) if not (path.exists() or path.is_symlink())]
    if missing and not is_library(_place(library)):
        raise NotAVideoError(f"{missing[0]}: there is no such file or folder; check the spelling")


def _place(library: Path) -> Place:
    place = place_of(library)
    return place if isinstance(place, StorePath) else _absolute(place)


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _folder_of(model: str | None) -> str | None:
    """What a model is called without the mark of those of sentence-transformers."""
    from finereel.models.choice import ENCODED

    return None if model is None else model.removeprefix(ENCODED)


def _is_path(model: str) -> bool:
    """A hub id is `name` or `owner/name`; anything else with a slash, and what begins like a path,
    is one.
    """
    return model.startswith((".", "/", "~")) or model.count("/") > 1 or model.endswith("/")


def _listable(folder: Path) -> bool:
    try:
        return any(folder.parent.iterdir())
    except OSError:
        return False
