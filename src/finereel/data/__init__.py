"""Data sets: texts and the clips they describe, one module per data set."""

from collections.abc import Callable, Mapping
from pathlib import Path

from finereel.data import (
    activitynet,
    didemo,
    everyday,
    flickr8k,
    folder,
    lsmdc,
    msrvtt,
    msvd,
    vatex,
    vln,
)
from finereel.data import reelworld as worlds
from finereel.data.base import Dataset, SplitSize
from finereel.errors import ConfigError, unknown_name

DATASETS: dict[str, Callable[[Path], Dataset]] = {
    "msrvtt": msrvtt.load,
    "msvd": msvd.load,
    "didemo": didemo.load,
    "activitynet": activitynet.load,
    "vatex": vatex.load,
    "lsmdc": lsmdc.load,
    "vln_uvo": vln.load_uvo,
    "vln_oops": vln.load_oops,
    "flickr8k": flickr8k.load,
    "msrvtt_frames": everyday.load_frames,
    "everyday": everyday.load,
    "folder": folder.load,
    "reelworld": worlds.load,
}
VIRTUAL: dict[str, Callable[[], Dataset]] = {"reelworld": worlds.virtual}
"""Those that need no annotations."""
PUBLISHED: dict[str, Mapping[str, SplitSize]] = {
    "msrvtt": msrvtt.PUBLISHED,
    "msvd": msvd.PUBLISHED,
    "didemo": didemo.PUBLISHED,
    "activitynet": activitynet.PUBLISHED,
    "vatex": vatex.PUBLISHED,
    "lsmdc": lsmdc.PUBLISHED,
    "vln_uvo": vln.PUBLISHED_UVO,
    "vln_oops": vln.PUBLISHED_OOPS,
    "flickr8k": flickr8k.PUBLISHED,
    "msrvtt_frames": everyday.PUBLISHED_FRAMES,
    "everyday": everyday.PUBLISHED,
    "folder": folder.PUBLISHED,
    "reelworld": worlds.PUBLISHED,
}
"""Split sizes in the papers; a user may hold fewer, and `finereel data check` says so."""


PICTURES = frozenset({"flickr8k", "msrvtt_frames", "everyday"})
"""Those whose clips are photos or key frames, see `finereel.data.pictures`."""


def load(name: str, annotations: Path | None = None) -> Dataset:
    """The data set called `name` from the folder (or, for "folder", the file) of its annotations.

    Raises ConfigError for an unknown name or a missing folder name, DataError for annotations that
    do not parse.

    >>> load("msvd")
    Traceback (most recent call last):
    finereel.errors.ConfigError: msvd needs the folder of its annotations
    """
    if name not in DATASETS:
        raise unknown_name("data set", name, DATASETS)
    if annotations is not None:
        return DATASETS[name](annotations)
    if name not in VIRTUAL:
        raise ConfigError(f"{name} needs the folder of its annotations")
    return VIRTUAL[name]()
