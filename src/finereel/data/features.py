"""A folder of precomputed tokens as a clip source: any backbone's frame and patch tokens, as npz or
safetensors.

    FOLDER/*.npz or *.safetensors
        tokens      (N, F, P, E)  int8, float16 or float32; P patch tokens per frame
        ids         (N,) strings; in safetensors a JSON list under the metadata key `ids`
        scale       (E,)          optional: what int8 tokens are multiplied by
        frames      (N, F, E)     optional: each frame's own token; without it the mean of the frame's patches
        frame_mask  (N, F) bool   optional: which frames are real; without it all are

The tokens of all files must agree in P and E. A file may hold clips of fewer frames F than another:
their missing frames are read as padding. What is read has the frame's own token first: (V, F, 1 +
P, E).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Shaped
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from finereel.data.base import ClipArrays
from finereel.errors import DataError
from finereel.io.atomic import replace_file, writes
from finereel.io.foreign_files import read_npz

_SUFFIXES = (".npz", ".safetensors")
_KINDS = (np.int8, np.float16, np.float32)
_DTYPES = {
    "BOOL": np.bool_,
    "I8": np.int8,
    "U8": np.uint8,
    "I64": np.int64,
    "F16": np.float16,
    "F32": np.float32,
}


@dataclass(frozen=True)
class TokenFile:
    """The arrays of one file, see the module; refused unless they agree with one another."""

    path: Path
    ids: tuple[str, ...]
    tokens: Shaped[np.ndarray, "N F P E"]
    scale: Float32[np.ndarray, " E"] | None
    frames: Shaped[np.ndarray, "N F E"] | None
    frame_mask: Bool[np.ndarray, "N F"]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """F, P, E."""
        _, frames, patches, width = self.tokens.shape
        return frames, patches, width

    def read(self, row: int) -> Float32[np.ndarray, "F N E"]:
        """One clip, dequantised, the frame's own token first."""
        frames, patches, width = self.sizes
        clip = np.empty((frames, 1 + patches, width), np.float32)
        clip[:, 1:] = self.tokens[row]
        if self.frames is not None:
            clip[:, 0] = self.frames[row]
        if self.scale is not None:
            clip *= self.scale
        if self.frames is None:
            clip[:, 0] = clip[:, 1:].mean(1)
        return clip


class FeatureStore:
    """The clips of a features folder, by id.

    Args: folder; backbone: what made the tokens (part of a result's description).
    Raises DataError for a folder without files, and for files that do not read or do not agree.
    """

    def __init__(self, folder: str | Path, backbone: str = "unnamed") -> None:
        self.folder = Path(folder)
        files = [read_token_file(path) for path in token_files(self.folder)]
        first = files[0]
        for other in files[1:]:
            if other.sizes[1:] != first.sizes[1:]:
                raise DataError(
                    f"{other.path} holds (F, P, E) = {other.sizes}, {first.path.name} "
                    f"{first.sizes}: P and E must agree"
                )
        self.num_frames = max(file.sizes[0] for file in files)
        _, self.num_patches, self.token_dim = first.sizes
        self.backbone = backbone
        self._where: dict[str, tuple[TokenFile, int]] = {}
        for file in files:
            for row, name in enumerate(file.ids):
                if name in self._where:
                    raise DataError(
                        f"{file.path}: id {name!r} is in {self._where[name][0].path.name} as well"
                    )
                self._where[name] = (file, row)
        self._hash = _digest(files)

    @property
    def ids(self) -> tuple[str, ...]:
        """All clips there are, in file order."""
        return tuple(self._where)

    @property
    def description(self) -> Mapping[str, str]:
        """Backbone and a hash of the tokens."""
        return {"source": "features", "backbone": self.backbone, "hash": self._hash}

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        """Clips without tokens, and clips whose tokens are not finite."""
        missing = {
            video: f"no tokens in {self.folder}" for video in videos if video not in self._where
        }
        broken = {
            video: "its tokens are not finite numbers"
            for video in videos
            if video not in missing and not self._finite(video)
        }
        return missing | broken

    def read(self, videos: Sequence[str]) -> ClipArrays:
        """Tokens Float32 (V, F, 1 + P, E). Raises DataError for a clip that is not there."""
        for video in videos:
            if video not in self._where:
                raise DataError(
                    f"no tokens of {video!r} in {self.folder} ({len(self._where)} clips are there)"
                )
        shape = (len(videos), self.num_frames, 1 + self.num_patches, self.token_dim)
        frames, mask = np.zeros(shape, np.float32), np.zeros(shape[:2], dtype=bool)
        for place, video in enumerate(videos):
            file, row = self._where[video]
            count = file.sizes[0]
            frames[place, :count] = file.read(row)
            mask[place, :count] = file.frame_mask[row]
        return ClipArrays(frames, mask)

    def _finite(self, video: str) -> bool:
        file, row = self._where[video]
        return file.tokens.dtype == np.int8 or bool(np.isfinite(file.read(row)).all())


def token_files(folder: Path) -> list[Path]:
    """The files of a features folder in name order; DataError when there are none."""
    found = (
        sorted(path for path in folder.glob("*") if path.suffix in _SUFFIXES)
        if folder.is_dir()
        else []
    )
    if not found:
        raise DataError(
            f"no features in {folder}: expected a folder with *.npz or *.safetensors files"
        )
    return found


def read_token_file(path: Path) -> TokenFile:
    """One file, checked; DataError names it and what does not fit. Pickled arrays are refused."""
    arrays, ids = _read_npz(path) if path.suffix == ".npz" else _read_safetensors(path)
    tokens = arrays.get("tokens")
    if tokens is None or tokens.ndim != 4 or tokens.dtype not in _KINDS:
        came = "none" if tokens is None else f"{tokens.dtype} {tokens.shape}"
        raise DataError(
            f"{path}: expected `tokens` (N, F, P, E) of int8, float16 or float32, got {came}"
        )
    count, frames, _, width = tokens.shape
    wanted = {"scale": (width,), "frames": (count, frames, width), "frame_mask": (count, frames)}
    for name, shape in wanted.items():
        if name in arrays and arrays[name].shape != shape:
            raise DataError(f"{path}: `{name}` has shape {arrays[name].shape}, expected {shape}")
    if len(ids) != count or len(set(ids)) != count:
        raise DataError(
            f"{path}: {len(ids)} ids, {len(set(ids))} of them distinct, for {count} clips"
        )
    scale, mask = arrays.get("scale"), arrays.get("frame_mask")
    return TokenFile(
        path=path,
        ids=tuple(ids),
        tokens=tokens,
        scale=None if scale is None else scale.astype(np.float32),
        frames=arrays.get("frames"),
        frame_mask=np.ones((count, frames), dtype=bool) if mask is None else mask.astype(bool),
    )


@writes("path")
def write_token_file(path: Path, ids: Sequence[str], clips: ClipArrays) -> None:
    """Tokens (V, F, 1 + P, E) with the frame's own first, in half precision, as a file that a
    `FeatureStore` reads; frames behind the last real one of all clips are left out.

    Written beside and renamed, so that a killed process leaves no half file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    real = np.flatnonzero(clips.frame_mask.any(0))
    count = 1 + int(real[-1]) if len(real) else 1
    arrays = {
        "tokens": np.ascontiguousarray(clips.frames[:, :count, 1:], dtype=np.float16),
        "frames": np.ascontiguousarray(clips.frames[:, :count, 0], dtype=np.float16),
        "frame_mask": np.ascontiguousarray(clips.frame_mask[:, :count]),
    }
    with replace_file(path) as fresh:
        save_file(arrays, fresh, metadata={"ids": json.dumps(list(ids))})


def _read_npz(path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    try:
        arrays = read_npz(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as npz without pickles ({error}); write it with numpy.savez"
        ) from error
    return arrays, [str(name) for name in arrays.pop("ids", np.empty(0, dtype=str)).tolist()]


def _read_safetensors(path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays stay in the file: what is read of them is read when it is asked for, so a folder
    may be larger than the memory.
    """
    try:
        with safe_open(path, framework="numpy") as file:  # checks header and length
            ids: Any = json.loads((file.metadata() or {}).get("ids", "[]"))
        return _mapped(path), [str(name) for name in ids]
    except (OSError, SafetensorError, ValueError, TypeError, LookupError, RuntimeError) as error:
        raise DataError(f"{path} cannot be read as safetensors ({error}); copy it again") from error


def _mapped(path: Path) -> dict[str, np.ndarray]:
    """Every array of a sound safetensors file, mapped into memory, read-only."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entries = json.loads(file.read(length))
    entries.pop("__metadata__", None)
    return {
        name: np.memmap(
            path,
            _DTYPES[entry["dtype"]],
            "r",
            8 + length + entry["data_offsets"][0],
            tuple(entry["shape"]),
        )
        if 0 not in entry["shape"]
        else np.empty(entry["shape"], _DTYPES[entry["dtype"]])
        for name, entry in entries.items()
    }


def _digest(files: Sequence[TokenFile]) -> str:
    digest = hashlib.blake2b(digest_size=6)
    for file in files:
        digest.update("\n".join(file.ids).encode())
        digest.update(np.ascontiguousarray(file.tokens).data)
        for extra in (file.scale, file.frames, file.frame_mask):
            if extra is not None:
                digest.update(np.ascontiguousarray(extra).data)
    return digest.hexdigest()
