"""The request for reading a video (ClipPlan, Limits) and its result (Clip, VideoInfo)."""

from dataclasses import dataclass

from finereel.errors import ConfigError, unknown_name
from finereel.types import Frames, Window
from finereel.video.sample import SAMPLERS

MODES: dict[str, str] = {
    "auto": "keyframes where every wanted time has one within a frame spacing, exact otherwise; "
    "keyframes too where "
    "decoding every frame takes too long",
    "exact": "decode every frame of a window and keep the one on screen at each wanted time",
    "sequential": "the same as exact, its former name",
    "keyframes": "decode only the keyframes nearest to the wanted times: fast, coarse in time",
}


@dataclass(frozen=True)
class ClipPlan:
    """How a video is cut into clips and which frames of a clip are taken.

    length: seconds per clip, None for the whole video as one clip. num_frames: frames wanted per
    clip (fewer come back where a clip has fewer distinct ones). mode: see MODES. size: the shorter
    side of the pictures in pixels (smaller videos stay as they are). sampling: see
    `finereel.video.sample.SAMPLERS`. windows: only these, ascending; empty means all of the video.

    >>> ClipPlan(num_frames=0)
    Traceback (most recent call last):
    finereel.errors.ConfigError: num_frames must be at least 1, got 0
    """

    length: float | None = 10.0
    num_frames: int = 12
    mode: str = "auto"
    size: int = 256
    sampling: str = "centres"
    windows: tuple[Window, ...] = ()

    def __post_init__(self) -> None:
        if self.length is not None and not 0 < self.length < float("inf"):
            raise ConfigError(
                f"length must be positive seconds, or None for the whole video, got {self.length}"
            )
        if self.num_frames < 1:
            raise ConfigError(f"num_frames must be at least 1, got {self.num_frames}")
        if not 16 <= self.size <= 4096:
            raise ConfigError(f"size must be 16 to 4096 pixels, got {self.size}")
        if self.mode not in MODES:
            raise unknown_name("decode mode", self.mode, MODES)
        if self.sampling not in SAMPLERS:
            raise unknown_name("sampling", self.sampling, SAMPLERS)
        starts = [window.start for window in self.windows]
        if starts != sorted(starts):
            raise ConfigError(f"windows must ascend by start, got starts {starts}")


@dataclass(frozen=True)
class Limits:
    """How far an untrusted file may go before it is given up with VideoLimitError.

    deadline_s: longest wait for the next clip of a file, or within a long clip for further seconds
    of it (the time the caller spends between clips does not count). After a third of it, mode
    `auto` goes on with keyframes.
    memory_mib: address space of the decoding process. max_pixels: of one coded picture.
    max_duration_s: claimed or measured length of a video. max_streams: in one file.
    files_per_worker: files after which the process is replaced.
    """

    deadline_s: float = 30.0
    memory_mib: int = 2048
    max_pixels: int = 2**26
    max_duration_s: float = 86_400.0
    max_streams: int = 256
    files_per_worker: int = 200

    def __post_init__(self) -> None:
        for name in (
            "deadline_s",
            "max_pixels",
            "max_duration_s",
            "max_streams",
            "files_per_worker",
        ):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        if self.memory_mib < 512:
            raise ConfigError(
                "memory_mib must be at least 512 (the decoder itself needs that), got "
                f"{self.memory_mib}"
            )


@dataclass(frozen=True)
class Clip:
    """One window of a video and its frames. The last clip of a damaged file ends where its frames
    end.
    """

    window: Window
    frames: Frames


@dataclass(frozen=True)
class VideoInfo:
    """Facts about a video file. duration in seconds; width and height upright, in square pixels.

    rotation: degrees clockwise the stored pictures were turned to be upright (0, 90, 180, 270).
    frames: as the file claims, None where it does not say. mode: the decode mode that was used
    ("sequential" or "keyframes").
    """

    duration: float
    fps: float
    width: int
    height: int
    rotation: int
    codec: str
    container: str
    frames: int | None
    has_audio: bool
    mode: str = "sequential"
