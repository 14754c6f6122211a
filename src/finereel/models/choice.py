"""Which models are on this machine, and which one answers where none is named. Without torch.

The default is a CLIP model that is here already, else the bundled `everyday`. Nothing is downloaded
unless it was asked for by name.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finereel.io import ASSETS
from finereel.io.foreign_files import is_folder
from finereel.models.hub import CLIP as CLIP
from finereel.models.hub import cached_models, find_cached, in_cache, not_here
from finereel.models.speed import recorded_speed

LARGER_CLIP = "openai/clip-vit-large-patch14"
EVERYDAY, DRAWN = "everyday", "reelworld-tiny"
BUNDLED = {EVERYDAY: ASSETS / EVERYDAY, DRAWN: ASSETS / DRAWN}
SHORT_NAMES = {"clip": CLIP}
"""What a command takes in place of a hub id."""

ENCODED = "st:"
"""What stands before the name or the folder of a model that sentence-transformers loads."""

_SETTINGS = ("format", "version", "model", "card")


@dataclass(frozen=True)
class ModelEntry:
    """A model that `--model` can name.

    Attributes:
        name: What to call it.
        kind: Its encoder, such as `clip`; empty where its settings cannot be read.
        bundled: Whether it ships with the package.
        here: Whether it is on this machine.
        bytes: Size of its files; 0 if it is not here.
        default: Whether a new library takes it unless another one is named.
        path: Its folder; empty if it is not here.
        megabytes: The same size in MB.
        languages: Languages of its texts, as its card says; empty where that is not known.
        quality: What was measured, as its card says.
        milliseconds_per_frame: Time to encode a frame on this machine, None before it was measured.
    """

    name: str
    kind: str
    bundled: bool
    here: bool
    bytes: int
    default: bool
    path: str
    megabytes: float
    languages: tuple[str, ...]
    quality: Any
    milliseconds_per_frame: float | None


def full_name(name: str) -> str:
    """The hub id that a short name stands for; any other name stays, and so does that of a folder
    that is here.

    >>> full_name("clip"), full_name("everyday")
    ('openai/clip-vit-base-patch32', 'everyday')
    """
    return name if is_folder(Path(name)) else SHORT_NAMES.get(name, name)


def bundled_here() -> list[str]:
    """The names of the models that ship with this copy of the package."""
    return [name for name, folder in BUNDLED.items() if is_folder(folder)]


def default_model() -> str:
    """The name of the model of a new library.

    A CLIP model in the hub's cache (OpenAI's ViT-B/32 before others), else `everyday`.

    Returns:
        Its name. Where there is neither, the name of a CLIP model that is not here.
    """
    cached = [name for name, folder in cached_models().items() if _kind(folder) == "clip"]
    if cached:
        return CLIP if CLIP in cached else cached[0]
    return EVERYDAY if is_folder(BUNDLED[EVERYDAY]) else CLIP


def require_here(name: str) -> str:
    """Check that a model can be loaded without a download.

    Args:
        name: A bundled name, a hub id or a folder.

    Returns:
        The same name.

    Raises:
        ModelNotFoundError: If it is not on this machine.
    """
    name = full_name(name)
    if name.startswith(ENCODED):
        given = name.removeprefix(ENCODED)
        if not is_folder(Path(given)) and not in_cache(given):
            raise not_here(given, bundled_here())
        return name
    if not is_folder(BUNDLED.get(name, Path(name))) and find_cached(name) is None:
        raise not_here(name, bundled_here())
    return name


def models_here() -> list[ModelEntry]:
    """The bundled and the cached models, and CLIP where it is not here yet.

    Models in the hub's cache that Finereel cannot load are left out.
    """
    default = default_model()
    places: dict[str, Path | None] = {name: BUNDLED[name] for name in bundled_here()}
    places |= {
        name: folder for name, folder in cached_models().items() if _kind(folder) in _LOADABLE
    }
    places.setdefault(CLIP, None)
    return [_entry(name, folder, name == default) for name, folder in places.items()]


# The plain directories that `finereel.models.encoders.plain` reads, known here without torch.
_LOADABLE = ("clip", "siglip", "siglip2", "chinese_clip")


def _entry(name: str, folder: Path | None, default: bool) -> ModelEntry:
    size = 0 if folder is None else _bytes(folder)
    card = {} if folder is None else _card(folder)
    languages = card.get("languages") or (("English",) if name == CLIP else ())
    speed = recorded_speed(name)
    return ModelEntry(
        name=name,
        kind="clip" if folder is None else _kind(folder),
        bundled=name in BUNDLED,
        here=folder is not None,
        bytes=size,
        default=default,
        path="" if folder is None else str(folder),
        megabytes=round(size / 1e6, 1),
        languages=tuple(map(str, languages)) if isinstance(languages, list | tuple) else (),
        quality=card.get("quality"),
        milliseconds_per_frame=None if speed is None else round(speed.milliseconds, 2),
    )


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _described(folder: Path) -> Mapping[str, Any]:
    try:
        described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return described if isinstance(described, dict) else {}


def _card(folder: Path) -> Mapping[str, Any]:
    card = _described(folder).get("card")
    return card if isinstance(card, dict) else {}


def _kind(folder: Path) -> str:
    """The kind of a model's encoder: the key that describes it, or a plain model's `model_type`."""
    described = _described(folder)
    if "model_type" in described:
        return str(described["model_type"])
    keys = [key for key in described if key not in _SETTINGS and isinstance(described[key], dict)]
    return keys[0] if keys else ""


def which_model(name: str, library: str = "") -> str:
    """One line: which model answers, and how to get a better one.

    Args:
        name: The model's name.
        library: What a command needs to find the library, such as ` --library DIR`.

    Returns:
        The line; without advice for a model of the user's own.
    """
    if name == LARGER_CLIP or name not in (*BUNDLED, CLIP):
        return name
    better = LARGER_CLIP if name == CLIP else CLIP
    here = find_cached(better) is not None
    short = "clip" if better == CLIP else better
    get = "" if here else f"`finereel models get {short}`, then "
    return f"{name} ({_KNOWS[name]}); better: {get}`finereel rebuild --model {short}{library}`"


_KNOWS = {
    EVERYDAY: "bundled, knows everyday things, English",
    DRAWN: "bundled, knows drawn scenes only",
    CLIP: "English",
}
