"""A toy model and a toy video source: deterministic, tiny, and fast enough for crash tests.

A toy video is a text file of lines `seconds word`: each line is one clip whose pixels are made from
the word, so a search for the word finds the clip.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from finereel.errors import BrokenVideoError, NotAVideoError
from finereel.models.features import Scores, TextFeatures, VideoFeatures, concatenate
from finereel.types import Frames, Window
from finereel.video.files import FileState, content_hash, file_state
from finereel.video.find import Found
from finereel.video.plan import Clip, ClipPlan, VideoInfo

SIDE = 8


def word_seed(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "little")


def word_pixels(word: str) -> np.ndarray:
    """(H, W, 3) noise that only depends on the word."""
    return np.random.default_rng(word_seed(word)).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def word_frames(word: str, start: float = 0.0, count: int = 3) -> Frames:
    return Frames(np.stack([word_pixels(word)] * count), start + np.arange(count, dtype=np.float64))


class ToyModel:
    """Projects pixels with a fixed random matrix; a text means the pixels of its words."""

    def __init__(self, seed: int = 0, dim: int = 16, frames: int = 4) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._matrix = torch.randn(SIDE * SIDE * 3, dim, generator=generator)
        self.name = f"toy-{seed}"
        self.fingerprint = hashlib.blake2b(
            f"{seed} {dim} {frames}".encode(), digest_size=8
        ).hexdigest()
        self.dim = dim
        self.num_frames = frames
        self.picture_size = 256
        self.num_patches = 2 * frames
        self.num_contextual = 0
        self.encoded = 0

    def _project(self, pixels: np.ndarray) -> Tensor:
        flat = torch.from_numpy(pixels.reshape(len(pixels), -1)).double() / 127.5 - 1
        return (flat @ self._matrix.double()).float()

    def encode_text(self, texts: Sequence[str]) -> TextFeatures:
        words = [text.split() or [""] for text in texts]
        width = max(len(group) for group in words)
        vectors = torch.zeros(len(texts), width, self.dim)
        mask = torch.zeros(len(texts), width, dtype=torch.bool)
        for row, group in enumerate(words):
            vectors[row, : len(group)] = self._project(
                np.stack([word_pixels(word) for word in group])
            )
            mask[row, : len(group)] = True
        sentence = (vectors * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return TextFeatures(sentence, vectors, mask)

    def encode_video(self, clips: Sequence[Frames]) -> VideoFeatures:
        self.encoded += len(clips)
        return concatenate([self._encode(clip) for clip in clips])

    def _encode(self, clip: Frames) -> VideoFeatures:
        count = min(len(clip), self.num_frames)
        frames = torch.zeros(1, self.num_frames, self.dim)
        frames[0, :count] = self._project(clip.pixels[:count])
        mask = (torch.arange(self.num_frames) < count)[None]
        video = torch.nn.functional.normalize(frames[0, :count].mean(0), dim=0)[None]
        patches = torch.stack([frames, -frames], dim=2).reshape(1, self.num_patches, self.dim)
        return VideoFeatures(video, frames, patches, mask, mask.repeat_interleave(2, dim=1))

    def coarse_query(self, text: TextFeatures) -> Tensor:
        return 100 * torch.nn.functional.normalize(text.sentence, dim=-1)

    def score(self, text: TextFeatures, video: VideoFeatures, budget_mib: int = 256) -> Scores:
        del budget_mib
        whole = self.coarse_query(text) @ video.video.T
        frames = torch.nn.functional.normalize(video.frames, dim=-1)
        cosines = torch.einsum("td,vfd->tvf", self.coarse_query(text), frames)
        best = cosines.masked_fill(~video.frame_mask[None], -torch.inf).amax(-1)
        weights = {"video_sentence": 0.75, "frame_sentence": 0.25}
        return Scores({"video_sentence": whole, "frame_sentence": best}, weights)


class ToyStream:
    """Clips of a toy file; a line `! reason` ends it early with a warning, and before any clip it
    is broken.

    A line `? note` says how it was read.
    """

    info = None

    def __init__(self, path: Path) -> None:
        self.warning = ""
        self.note = ""
        self.decode_seconds = 0.001
        self._path = path
        self._clips = self._read()

    def _read(self) -> Iterator[Clip]:
        start = 0.0
        for line in self._path.read_text(encoding="utf-8").splitlines():
            first, rest = line.split(" ", 1)
            if first == "!":
                if not start:
                    raise BrokenVideoError(f"{self._path}: {rest}")
                self.warning = rest
                return
            if first == "?":
                self.note = rest
                continue
            end = start + float(first)
            yield Clip(Window(start, end), word_frames(rest, start))
            start = end

    def __iter__(self) -> Iterator[Clip]:
        return self

    def __next__(self) -> Clip:
        return next(self._clips)

    def close(self) -> None:
        self._clips.close()


class ToySource:
    """Reads toy files, and counts what it was asked for."""

    def __init__(self) -> None:
        self.hashed: list[str] = []
        self.decoded: list[str] = []
        self.probed: list[str] = []

    def find(self, paths: Iterable[Path]) -> Found:
        found = [
            video for path in paths for video in (path.rglob("*.toy") if path.is_dir() else [path])
        ]
        if not found or not all(path.exists() or path.is_symlink() for path in found):
            raise NotAVideoError("no video found")
        return Found(tuple(sorted(set(found))))

    def state(self, path: Path) -> FileState:
        return file_state(path)

    def content_hash(self, path: Path) -> str:
        self.hashed.append(path.name)
        return content_hash(path)

    def clips(self, path: Path, plan: ClipPlan) -> ToyStream:
        del plan
        self.decoded.append(path.name)
        return ToyStream(path)

    def probe(self, path: Path) -> VideoInfo:
        """As the text says: its length, and no more that a picture could tell."""
        self.probed.append(path.name)
        seconds = [
            float(line.split(" ", 1)[0])
            for line in path.read_text(encoding="utf-8").splitlines()
            if line[0] not in "!?"
        ]
        if not seconds:
            raise BrokenVideoError(f"{path}: no clip")
        return VideoInfo(sum(seconds), 25.0, SIDE, SIDE, 0, "toy", "toys", None, False)

    def close(self) -> None:
        return


def write_video(path: Path, *words: str) -> Path:
    """A toy video with one clip of two seconds per word."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"2 {word}\n" for word in words), encoding="utf-8")
    return path
