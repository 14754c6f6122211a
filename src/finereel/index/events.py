"""What `add` tells while it works, what it is told beforehand, and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass

from finereel.errors import ConfigError, unknown_name
from finereel.video.plan import MODES


@dataclass(frozen=True)
class AddSettings:
    """How videos are cut, decoded and committed.

    clip_seconds: length of a clip. mode: decode mode, see `finereel.video.plan.MODES`. commit_clips, commit_seconds: a
    commit follows when either is reached (a video is never split over commits). queue_clips: decoded clips that may
    wait for the encoder. ann_threshold: number of clips from which the coarse stage uses an approximate index.
    retry_failed: try files again that failed before and have not changed.
    """

    clip_seconds: float = 10.0
    mode: str = "auto"
    batch_clips: int = 8
    commit_clips: int = 64
    commit_seconds: float = 5.0
    queue_clips: int = 16
    ann_threshold: int = 100_000
    retry_failed: bool = False

    def __post_init__(self) -> None:
        for name in ("clip_seconds", "batch_clips", "commit_clips", "queue_clips", "ann_threshold"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.mode not in MODES:
            raise unknown_name("decode mode", self.mode, MODES)


@dataclass(frozen=True)
class Planned:
    """The work ahead, known before the first file is decoded."""

    to_encode: int
    unchanged: int
    known_bad: int
    moved: int
    copied: int
    missing: int


@dataclass(frozen=True)
class FileStarted:
    """Decoding of file `number` (from 1) of `total` begins."""

    path: str
    number: int
    total: int


@dataclass(frozen=True)
class FileIndexed:
    """All clips of a file are committed and can be found. partial: why a damaged file gave only some
    clips, else empty. note: how a sound file was read other than planned, else empty."""

    path: str
    clips: int
    decode_seconds: float
    encode_seconds: float
    partial: str = ""
    note: str = ""


@dataclass(frozen=True)
class FileSkipped:
    """A file that needs no work; reason: `unchanged`, `failed before`, `copy` (its content was encoded already)."""

    path: str
    reason: str


@dataclass(frozen=True)
class FileRenamed:
    """A file that moved; nothing was decoded."""

    old_path: str
    path: str


@dataclass(frozen=True)
class FileMissing:
    """A file of the library that is gone; its clips are kept but not found until it comes back."""

    path: str


@dataclass(frozen=True)
class FileFailed:
    """A file that cannot be indexed; `finereel doctor` lists it."""

    path: str
    error: str


AddEvent = Planned | FileStarted | FileIndexed | FileSkipped | FileRenamed | FileMissing | FileFailed
OnEvent = Callable[[AddEvent], None]


@dataclass(frozen=True)
class AddReport:
    """What an `add` did. interrupted: stopped by Ctrl-C; all that is counted here is committed.

    indexed counts videos encoded by this run, clips theirs, coarse those of them that were read by keyframes because
    decoding every frame took too long. decode_seconds and encode_seconds overlap in time. unknown: files of unknown
    kind that were left out. unreadable: folders that could not be read, each with the reason.
    """

    indexed: int = 0
    clips: int = 0
    unchanged: int = 0
    renamed: int = 0
    copied: int = 0
    missing: int = 0
    failed: int = 0
    known_bad: int = 0
    decode_seconds: float = 0.0
    encode_seconds: float = 0.0
    seconds: float = 0.0
    interrupted: bool = False
    coarse: int = 0
    unknown: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
