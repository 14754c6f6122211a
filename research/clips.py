"""Clip sources of experiments: what they take away from the clips they are given."""

from collections.abc import Mapping, Sequence

import numpy as np

from finereel.data.base import ClipArrays, ClipSource

_AVERAGED = 64


class Remembered:
    """A clip source that keeps in memory what it has read: for clips that are slow to make and come
    again.
    """

    def __init__(self, source: ClipSource) -> None:
        self._source = source
        self._kept: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    @property
    def description(self) -> Mapping[str, str]:
        return self._source.description

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        return self._source.problems(videos)

    def read(self, videos: Sequence[str]) -> ClipArrays:
        """The clips; only those that are new are read from the source."""
        new = [video for video in dict.fromkeys(videos) if video not in self._kept]
        clips = self._source.read(new)
        self._kept |= {
            video: (clips.frames[row], clips.frame_mask[row]) for row, video in enumerate(new)
        }
        if not videos:
            return clips
        frames, masks = zip(*(self._kept[video] for video in videos), strict=True)
        return ClipArrays(np.stack(frames), np.stack(masks))


class OneClip:
    """Replaces every clip by the average clip, so that only text cues can be learned.

    Args:
        source: A source of tokens (V, F, N, E) or pictures (V, F, H, H, 3).
        videos: The first 64 of these are averaged, over the real frames of each position; a
            position that no clip fills is padding.
    """

    def __init__(self, source: ClipSource, videos: Sequence[str]) -> None:
        self._source = source
        clips = source.read(videos[:_AVERAGED])
        real = clips.frame_mask.reshape(*clips.frame_mask.shape, *(1,) * (clips.frames.ndim - 2))
        total = np.where(real, clips.frames, 0).sum(0, dtype=np.float64)
        mean = total / np.maximum(real.sum(0), 1)
        whole = np.issubdtype(clips.frames.dtype, np.integer)
        self._frames = (mean.round() if whole else mean).astype(clips.frames.dtype)
        self._mask = clips.frame_mask.any(0)

    @property
    def description(self) -> Mapping[str, str]:
        """The description of the source, marked as one average clip."""
        return {**self._source.description, "clips": "one average clip"}

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        return self._source.problems(videos)

    def read(self, videos: Sequence[str]) -> ClipArrays:
        """The same clip for every one."""
        count = len(videos)
        return ClipArrays(
            np.broadcast_to(self._frames, (count, *self._frames.shape)).copy(),
            np.broadcast_to(self._mask, (count, *self._mask.shape)).copy(),
        )
