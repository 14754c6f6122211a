"""A folder of video files as a clip source: each video is decoded once and its frames are cached in
a memory-mapped file.

    CACHE/<settings>/<2 hex>/<key>.npy         uint8 (n, H, H, 3), n <= F, and after it a digest of those bytes
    CACHE/<settings>/<2 hex>/<key>.problem     why a file cannot be read, so that it is not tried again

A key names a file by its place below the folder, its size and its modification time. Entries appear
whole or not at all, so decoding may be stopped at any moment and by any number of processes at a
time; a damaged entry is found by its digest on first use and decoded again. 12 frames of 224 pixels
take 1.8 MB.
"""

import hashlib
import json
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from finereel import __version__
from finereel.config import fingerprint
from finereel.data.base import ClipArrays
from finereel.data.videos import find_videos
from finereel.errors import BrokenVideoError, ConfigError, DataError, NotAVideoError, VideoError
from finereel.io.atomic import write_file, writes
from finereel.io.user_cache import user_cache
from finereel.models.encoders.pixels import to_squares
from finereel.models.preprocessing import DECODED_SIDE, Preprocessing
from finereel.types import OnProgress, no_progress
from finereel.video import ClipPlan, Limits, VideoReader, file_state

_LAYOUT = 1
_DIGEST = 16  # bytes
_PROBLEM = ".problem"
WHOLE_VIDEO = Limits(deadline_s=120.0)
"""A whole video is one clip here."""
_LASTING = (NotAVideoError, BrokenVideoError)
"""What is wrong with the file itself; a deadline or a permission may be better next time."""


def default_cache() -> Path:
    """The user's cache folder for decoded frames."""
    return user_cache() / "frames"


@dataclass(frozen=True)
class FrameSettings:
    """Which frames of a video, and how large.

    sampling: see `finereel.video.plan.SAMPLERS`; the published one takes a frame at every whole
    second of the video and of those `num_frames`, evenly spread, first and last included. workers:
    videos decoded at a time. preprocessing: how pictures become squares of `image_size`; None for
    the centre square, bicubic by torch.
    """

    num_frames: int = 12
    image_size: int = 224
    sampling: str = "seconds"
    workers: int = 2
    preprocessing: Preprocessing | None = None

    def __post_init__(self) -> None:
        if self.image_size < 16 or self.workers < 1:
            raise ConfigError(
                f"expected image_size >= 16 and workers >= 1, got {self.image_size} and "
                f"{self.workers}"
            )
        self.plan()

    def plan(self) -> ClipPlan:
        """The whole video as one clip. Every frame is decoded: keyframes would shift the published
        times.
        """
        size = max(DECODED_SIDE, self.image_size)
        if self.preprocessing is not None:
            size = self.preprocessing.decoded_side
        return ClipPlan(None, self.num_frames, "sequential", size, self.sampling)

    @property
    def key(self) -> str:
        """A folder name that changes when cached frames would."""
        key = f"v{_LAYOUT}-{self.num_frames}x{self.image_size}-{self.sampling}"
        return (
            key
            if self.preprocessing is None
            else f"{key}-{fingerprint(self.preprocessing.shaping)}"
        )

    def squares(self, pictures: UInt8[np.ndarray, "F H W 3"]) -> UInt8[np.ndarray, "F size size 3"]:
        """Pictures at the model's size."""
        if self.preprocessing is not None:
            return self.preprocessing.squares(pictures)
        squares = to_squares(torch.from_numpy(pictures), self.image_size)
        return squares.round().byte().movedim(1, -1).contiguous().numpy()


class FrameStore:
    """The clips of a folder of videos, by id; ids are matched to files by
    `finereel.data.videos.find_videos`.

    Args: folder; cache: where frames are kept; settings; on_progress: told while videos are
    decoded. Reading the same file gives the same bytes, from the cache or not.
    """

    def __init__(
        self,
        folder: str | Path,
        cache: str | Path,
        settings: FrameSettings = FrameSettings(),
        on_progress: OnProgress = no_progress,
    ) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise DataError(f"{self.folder} is not a folder: expected the folder of the videos")
        self.settings = settings
        self.cache = Path(cache) / settings.key
        self._on_progress = on_progress
        self._paths: dict[str, Path] = {}
        self._trusted: set[Path] = set()

    def __getstate__(self) -> dict[str, object]:
        """For reading in other processes; progress stays with the one that decodes."""
        return {**self.__dict__, "_on_progress": no_progress}

    @property
    def description(self) -> Mapping[str, str]:
        """Decoder, sampling and size."""
        shaped = self.settings.preprocessing
        return {
            "source": "videos",
            "decoder": f"finereel {__version__} (PyAV)",
            "sampling": self.settings.sampling,
            "frames": str(self.settings.num_frames),
            "image_size": str(self.settings.image_size),
            **(
                {}
                if shaped is None
                else {"preprocessing": json.dumps(shaped.shaping, sort_keys=True)}
            ),
        }

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        """Why each of these videos cannot be read. Decodes whatever is not in the cache yet."""
        self._find(videos)
        reasons = {
            video: f"no file for it in {self.folder}"
            for video in videos
            if video not in self._paths
        }
        entries = {
            video: self._entry(self._paths[video]) for video in videos if video in self._paths
        }
        reasons |= self._decode(
            {video: entry for video, entry in entries.items() if not self._intact(entry)}
        )
        return {video: reasons[video] for video in videos if video in reasons}

    def files(self, videos: Sequence[str]) -> Mapping[str, Path]:
        """The file of each of these videos that has one, by id."""
        self._find(videos)
        return {video: self._paths[video] for video in videos if video in self._paths}

    def read(self, videos: Sequence[str]) -> ClipArrays:
        """Pixels UInt8 (V, F, H, H, 3), black where a clip has fewer than F frames. DataError for
        one without any.
        """
        broken = self.problems(videos)
        if broken:
            video, reason = next(iter(broken.items()))
            raise DataError(f"video {video!r} cannot be read: {reason}")
        count, size = self.settings.num_frames, self.settings.image_size
        frames = np.zeros((len(videos), count, size, size, 3), dtype=np.uint8)
        mask = np.zeros((len(videos), count), dtype=bool)
        for row, video in enumerate(videos):
            clip = np.load(self._entry(self._paths[video]), mmap_mode="r", allow_pickle=False)
            frames[row, : len(clip)] = clip
            mask[row, : len(clip)] = True
        return ClipArrays(frames, mask)

    def _find(self, videos: Sequence[str]) -> None:
        unknown = [video for video in videos if video not in self._paths]
        if unknown:
            self._paths |= find_videos(self.folder, unknown)

    def _entry(self, path: Path) -> Path:
        state = file_state(path)
        name = f"{path.relative_to(self.folder).as_posix()}\0{state.size}\0{state.mtime_ns}"
        key = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return self.cache / key[:2] / f"{key}.npy"

    def _intact(self, entry: Path) -> bool:
        """Whether an entry is there and holds what was written; read whole once per process."""
        if entry not in self._trusted:
            if not _whole(entry, self.settings):
                return False
            self._trusted.add(entry)
        return True

    def _decode(self, entries: Mapping[str, Path]) -> dict[str, str]:
        """Fill these entries; the reason of every one that stays empty."""
        known = {video: entry.with_suffix(_PROBLEM) for video, entry in entries.items()}
        reasons = {
            video: path.read_text(encoding="utf-8")
            for video, path in known.items()
            if path.is_file()
        }
        todo = [
            (video, self._paths[video], entry)
            for video, entry in entries.items()
            if video not in reasons
        ]
        if not todo:
            return reasons
        readers, pool = _Readers(), ThreadPoolExecutor(self.settings.workers)
        try:
            pending = {
                pool.submit(_fill, readers, path, entry, self.settings): video
                for video, path, entry in todo
            }
            for done, future in enumerate(as_completed(pending), start=1):
                reason = future.result()
                if reason:
                    reasons[pending[future]] = reason
                self._on_progress("decoding", done, len(todo))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            readers.give_up()
            pool.shutdown()
            readers.close()
        self._trusted.update(entry for video, _, entry in todo if video not in reasons)
        return reasons


class _Readers:
    """One warm decoder per thread; `closed` once the decoding is being given up."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._all: list[VideoReader] = []
        self.closed = False

    def mine(self) -> VideoReader:
        """The decoder of this thread."""
        if not hasattr(self._local, "reader"):
            self._local.reader = VideoReader(WHOLE_VIDEO)
            self._all.append(self._local.reader)
        reader: VideoReader = self._local.reader
        return reader

    def give_up(self) -> None:
        """End what is being decoded. Only by signal: each reader is used by its own thread
        alone.
        """
        self.closed = True
        for pid in [reader.pid for reader in self._all]:
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """End all of them, once no thread uses them any more."""
        for reader in self._all:
            reader.close()


def read_squares(
    reader: VideoReader, path: Path, settings: FrameSettings
) -> UInt8[np.ndarray, "F size size 3"]:
    """The frames of one video, decoded now; at most `num_frames`. VideoError where it cannot be
    read.
    """
    clip = next(iter(reader.read(path, settings.plan())), None)
    if clip is None:
        raise BrokenVideoError(f"{path.name}: no frame in it decodes")
    return settings.squares(clip.frames.pixels)


def _fill(readers: _Readers, path: Path, entry: Path, settings: FrameSettings) -> str:
    """Decode one video into its entry; empty, or why it cannot be read (kept where the file itself
    is the reason).
    """
    if readers.closed:
        return "stopped"
    try:
        squares = read_squares(readers.mine(), path, settings)
    except VideoError as error:
        if isinstance(error, _LASTING) and not readers.closed:
            _write(entry.with_suffix(_PROBLEM), str(error).encode("utf-8", "replace"))
        return str(error)
    stream = BytesIO()
    np.save(stream, squares, allow_pickle=False)
    _write(entry, stream.getvalue() + _digest(stream.getvalue()))
    return ""


def _digest(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def _whole(entry: Path, settings: FrameSettings) -> bool:
    """Whether an entry is there, holds what was written, and is frames of these settings."""
    try:
        data = memoryview(entry.read_bytes())
        if _digest(data[:-_DIGEST]) != data[-_DIGEST:]:
            return False
        shape: tuple[int, ...] = np.load(entry, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError, EOFError):
        return False
    return (
        len(shape) == 4
        and 1 <= shape[0] <= settings.num_frames
        and shape[1:] == (settings.image_size, settings.image_size, 3)
    )


@writes("path")
def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, data)
