"""A folder of pictures as a clip source: a photo is a clip of one frame, key frames of a video make
a clip.

Two layouts are known, and may lie below one folder:

    .../NAME.jpg                                                    a photo, id `NAME.jpg`
    .../MSR-VTT-video*_videoN-shotS_K/concat_imgA_imgB.jpg          two key frames of `videoN`, side
                                                                    by side: frames A and B of shot S
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from finereel.data.base import ClipArrays
from finereel.errors import DataError
from finereel.models.encoders.pixels import to_squares
from finereel.models.preprocessing import Preprocessing
from finereel.types import OnProgress, no_progress

_PHOTOS = (".jpg", ".jpeg", ".png")
_PAIR = re.compile(
    r"MSR-VTT-video[A-Za-z]*_(video\d+)-shot(\d+)_\d+/concat_img(\d+)_img(\d+)\.jpg$"
)
_MOST_PIXELS = 1 << 26


@dataclass(frozen=True, order=True)
class KeyFrame:
    """A picture, or the left or right half of one.

    Attributes:
        place: Shot and number in it, which order the frames of a video.
        path: The file.
        half: 0 for the left half, 1 for the right half, None for the whole picture.
    """

    place: tuple[int, int]
    path: Path
    half: int | None = None

    def read(self) -> UInt8[np.ndarray, "H W 3"]:
        """Decode the picture.

        Returns:
            Its pixels in RGB.

        Raises:
            DataError: If the file is no picture, or one of more than 64 million pixels.
        """
        pixels = decoded(self.path)
        if self.half is None:
            return pixels
        middle = pixels.shape[1] // 2
        return pixels[:, :middle] if self.half == 0 else pixels[:, middle:]


def decoded(path: Path, small: bool = False) -> UInt8[np.ndarray, "H W 3"]:
    """Decode a picture.

    Args:
        path: The file.
        small: Whether an eighth of its size is enough, which takes a JPEG a third of the time and
            reads the file to its end all the same.

    Returns:
        Its pixels in RGB.

    Raises:
        DataError: If the file is no picture, or one of more than 64 million pixels.
    """
    from PIL import Image

    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise DataError(f"{path} has {opened.width} x {opened.height} pixels")
            if small:
                opened.draft("RGB", (opened.width // 8, opened.height // 8))
            return np.asarray(opened.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as a picture ({error})") from error


class PictureStore:
    """The clips of a folder of pictures, by id.

    Args:
        folder: Where to look, subfolders included.
        num_frames: F, the most frames of a clip; more are thinned evenly.
        image_size: Side of the model's pictures in pixels.
        preprocessing: How pictures become that large; None for the bicubic centre square.
        on_progress: Told while pictures are checked.

    Raises:
        DataError: If there is no such folder.
    """

    def __init__(
        self,
        folder: str | Path,
        num_frames: int,
        image_size: int,
        preprocessing: Preprocessing | None = None,
        on_progress: OnProgress = no_progress,
    ) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise DataError(f"{self.folder} is not a folder: expected the folder of the pictures")
        self.num_frames = num_frames
        self.image_size = image_size
        self.preprocessing = preprocessing
        self._on_progress = on_progress
        self._checked: dict[str, str] = {}

    def __getstate__(self) -> dict[str, object]:
        """For reading in other processes; progress stays with the one that checks."""
        return {**self.__dict__, "_on_progress": no_progress}

    @property
    def description(self) -> Mapping[str, str]:
        """Source, frames and size."""
        return {
            "source": "pictures",
            "frames": str(self.num_frames),
            "image_size": str(self.image_size),
        }

    @cached_property
    def clips(self) -> Mapping[str, tuple[KeyFrame, ...]]:
        """The frames of every clip in their order, by id."""
        found: dict[str, dict[tuple[int, int], KeyFrame]] = {}
        for path in sorted(self.folder.rglob("*")):
            if path.suffix.lower() not in _PHOTOS:
                continue
            pair = _PAIR.search(path.as_posix())
            if pair is None:
                found.setdefault(path.name, {}).setdefault((0, 0), KeyFrame((0, 0), path))
                continue
            video, shot, *numbers = pair.groups()
            for half, number in enumerate(numbers):
                place = (int(shot), int(number))
                found.setdefault(video, {}).setdefault(place, KeyFrame(place, path, half))
        return {name: tuple(sorted(frames.values())) for name, frames in found.items()}

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        """Why each of these clips cannot be read. Every picture is decoded, once in a process."""
        fresh = [video for video in videos if video not in self._checked]
        for done, video in enumerate(fresh, start=1):
            self._checked[video] = self._problem(video)
            self._on_progress("reading pictures", done, len(fresh))
        return {video: self._checked[video] for video in videos if self._checked[video]}

    def _problem(self, video: str) -> str:
        if video not in self.clips:
            return f"no picture for it in {self.folder}"
        try:
            for frame in _thinned(self.clips[video], self.num_frames):
                decoded(frame.path, small=True)
        except DataError as error:
            return str(error)
        return ""

    def read(self, videos: Sequence[str]) -> ClipArrays:
        """Read clips.

        Args:
            videos: V ids.

        Returns:
            Pixels UInt8 (V, F, H, H, 3), black where a clip has fewer than F frames.

        Raises:
            DataError: If a clip has no pictures, or one does not decode.
        """
        broken = self.problems(videos)
        if broken:
            video, reason = next(iter(broken.items()))
            raise DataError(f"{video!r} cannot be read: {reason}")
        size = self.image_size
        frames = np.zeros((len(videos), self.num_frames, size, size, 3), dtype=np.uint8)
        mask = np.zeros((len(videos), self.num_frames), dtype=bool)
        for row, video in enumerate(videos):
            kept = _thinned(self.clips[video], self.num_frames)
            for place, frame in enumerate(kept):
                frames[row, place] = self._square(frame.read())
            mask[row, : len(kept)] = True
        return ClipArrays(frames, mask)

    def _square(self, picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "size size 3"]:
        if self.preprocessing is not None:
            shaped: UInt8[np.ndarray, "size size 3"] = self.preprocessing.squares(picture[None])[0]
            return shaped
        square = to_squares(torch.from_numpy(picture[None].copy()), self.image_size)
        made: UInt8[np.ndarray, "size size 3"] = square[0].round().byte().movedim(0, -1).numpy()
        return made


def _thinned(frames: Sequence[KeyFrame], most: int) -> list[KeyFrame]:
    """At most so many, evenly spread, first and last included."""
    places = np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int)
    return [frames[place] for place in places]
