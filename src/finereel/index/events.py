"""The settings, progress events and report of `Library.add`."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from finereel.errors import ConfigError, unknown_name
from finereel.index.folders import Away
from finereel.index.presets import preset_named
from finereel.models.transcribers import Transcriber
from finereel.video.plan import MODES

MOST_TOGETHER = 32
"""How many workers' clips go into one commit at most."""
CLIP_SECONDS = 10.0
"""Length of a clip in a new library, in seconds."""


@dataclass(frozen=True)
class AddSettings:
    """How videos are cut, decoded and committed.

    Attributes:
        clip_seconds: Length of a clip in seconds, the same for all clips of a library; None means
            the library's own (CLIP_SECONDS in a new one).
        preset: How frames are read and encoded, see `finereel.index.presets.PRESETS`; None means
            the library's own (DEFAULT_PRESET in a new one).
        mode: How frames are decoded, see `finereel.video.plan.MODES`; None means as the preset
            says.
        batch_clips: Number of clips encoded at a time.
        commit_clips: Number of clips after which a commit follows, even within a video; times the
            number of workers.
        commit_seconds: Seconds after which a commit follows, even within a video.
        queue_clips: Number of decoded clips that may wait for the encoder.
        ann_threshold: Number of clips from which coarse search uses an approximate index; None
            means as many as the machine cannot look through quickly, which is timed.
        retry_failed: Whether to try again the files that failed before and have not changed.
        transcriber: What listens to videos without subtitles; None means nothing does.
        tokens: How a new library keeps tokens, a name of `finereel.codecs.CODECS`; None means the
            library's own (fp16 in a new one).
        workers: Where videos are encoded: empty for this process, a number of processes, `ray` or
            `ray://HOST:PORT`.
    """

    clip_seconds: float | None = None
    preset: str | None = None
    mode: str | None = None
    batch_clips: int = 8
    commit_clips: int = 64
    commit_seconds: float = 5.0
    queue_clips: int = 16
    ann_threshold: int | None = None
    retry_failed: bool = False
    transcriber: Transcriber | None = None
    tokens: str | None = None
    workers: str = ""

    def __post_init__(self) -> None:
        if self.clip_seconds is not None and not 0 < self.clip_seconds < float("inf"):
            raise ConfigError(f"clip_seconds must be positive seconds, got {self.clip_seconds}")
        for name in ("batch_clips", "commit_clips", "queue_clips", "ann_threshold"):
            number = getattr(self, name)
            if number is not None and not number > 0:
                raise ConfigError(f"{name} must be above 0, got {number}")
        counted = self.workers.isdecimal() and int(self.workers) > 0
        if self.workers and not counted and not re.fullmatch(r"ray(://.+)?", self.workers):
            raise ConfigError(f"workers are a number, ray or ray://HOST:PORT, got {self.workers!r}")
        if self.mode is not None and self.mode not in MODES:
            raise unknown_name("decode mode", self.mode, MODES)
        preset_named(self.preset)
        if self.tokens is not None:
            from finereel.codecs import codec  # torch, which who only watches does not need

            codec(self.tokens)

    @property
    def clips_together(self) -> int:
        """Number of clips after which a commit follows. Several workers fill a commit in the time in
        which one would: many small ones make compaction copy the table more often.
        """
        workers = int(self.workers) if self.workers.isdecimal() else MOST_TOGETHER
        return self.commit_clips * (min(workers, MOST_TOGETHER) if self.workers else 1)


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
class RebuildEstimated:
    """How long a rebuild will take at the speed measured on this machine: `clips` of `frames` each
    by a model that takes `milliseconds` to encode a frame.
    """

    model: str
    clips: int
    frames: int
    milliseconds: float
    seconds: float


@dataclass(frozen=True)
class EncoderNoted:
    """Something to know about how frames are encoded on this machine, once a run."""

    note: str


@dataclass(frozen=True)
class FileStarted:
    """Decoding of file `number` (from 1) of `total` begins."""

    path: str
    number: int
    total: int


@dataclass(frozen=True)
class FileAdvanced:
    """So much of a file is encoded: `seconds` of `duration` (None where the file does not say). Its
    clips can be found after the next commit, before the file is finished.
    """

    path: str
    seconds: float
    duration: float | None


@dataclass(frozen=True)
class FileIndexed:
    """All clips of a file are committed and can be found. partial: why a damaged file gave only
    some clips, note: how a sound file was read other than planned, words: why some of its subtitles
    are left out, else empty.
    """

    path: str
    clips: int
    decode_seconds: float
    encode_seconds: float
    partial: str = ""
    note: str = ""
    words: str = ""


@dataclass(frozen=True)
class FileHeard:
    """A transcriber begins to listen to a file."""

    path: str


@dataclass(frozen=True)
class FileSkipped:
    """A file that needs no work; reason: `unchanged`, `failed before`, `copy` (its content was
    encoded already).
    """

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
    """A file that cannot be indexed; `finereel doctor` lists it. passing: it is tried again at the
    next run.
    """

    path: str
    error: str
    passing: bool = False


AddEvent = (
    Planned
    | RebuildEstimated
    | EncoderNoted
    | FileStarted
    | FileAdvanced
    | FileIndexed
    | FileSkipped
    | FileRenamed
    | FileMissing
    | FileHeard
    | FileFailed
)
OnEvent = Callable[[AddEvent], None]


@dataclass(frozen=True)
class AddReport:
    """What a call of `add` did.

    Attributes:
        indexed: Videos finished by this run.
        clips: Clips encoded, including those of a video that is not finished yet.
        unchanged: Files that had not changed.
        renamed: Files recognised under a new name.
        copied: Files whose content was encoded already.
        missing: Files of the library that are gone.
        failed: Files with bad content, found in this run.
        known_bad: Files with bad content that were not tried again.
        decode_seconds: Seconds spent decoding; overlaps with encode_seconds.
        encode_seconds: Seconds spent encoding.
        seconds: Seconds the run took.
        interrupted: Whether Ctrl-C stopped the run; everything counted here is committed.
        unfinished: Videos of which only the first clips are committed.
        unread: Files that could not be read this time and will be tried again.
        left: Files not tried because a folder became unavailable during the run.
        away: Folders that are not available now; their files count as missing.
        coarse: Videos read by keyframes because decoding every frame took too long.
        unknown: Files of unknown kind that were left out.
        unreadable: Folders that could not be read, each with the reason.
        frames: Frames encoded in videos that were finished.
        reused: Those of them that took the features of an equal frame.
        quantized: Those of them that were encoded in int8.
        video_seconds: Length of the clips encoded, in seconds.
        migration: What `finereel migrate` would bring and cost; empty where it has nothing to do.
        transcribed: Videos of which a transcriber wrote down the speech.
        unheard: Videos of which it took too long, or whose sound could not be read.
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
    unfinished: int = 0
    unread: int = 0
    left: int = 0
    away: tuple[Away, ...] = ()
    coarse: int = 0
    unknown: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    frames: int = 0
    reused: int = 0
    quantized: int = 0
    video_seconds: float = 0.0
    migration: str = ""
    transcribed: int = 0
    unheard: int = 0

    @property
    def real_time_factor(self) -> float:
        """Seconds of video per second of work; 0 where nothing was encoded."""
        return self.video_seconds / self.seconds if self.seconds else 0.0
