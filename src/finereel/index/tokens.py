"""The tokens of clips as columns of the table, and back: the one place that writes and reads them.

How a table keeps them stands in its description (`finereel.index.protocols.StoredTokens`): in which
format, whether in the form in which the model's head reads them, and whether each frame's own token
stands among its patches, so that it is kept once, as a frame.

A format (TOKEN_FORMATS) turns (V, N, D) tokens of a column into one or several Arrow columns and
back; it knows nothing of frames and patches. Each codec of `finereel.codecs` is one.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool, Float, Float16, UInt8
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils.dlpack import from_dlpack

from finereel.codecs import CODECS
from finereel.codecs.base import Codec
from finereel.codecs.clips import clip_bytes
from finereel.errors import ConfigError, DataError, unknown_name
from finereel.index.protocols import IndexedModel
from finereel.models.features import StoredFeatures, VideoFeatures


class TokenFormat(ABC):
    """How the tokens of one column are written: N tokens of D numbers per clip."""

    @abstractmethod
    def fields(self, column: str, count: int, dim: int) -> list[pa.Field]:
        """The columns of the table for N = `count` tokens; their names begin with `column`."""

    @abstractmethod
    def write(
        self, column: str, tokens: Float[Tensor, "V N D"], mask: Bool[Tensor, "V N"]
    ) -> dict[str, pa.Array]:
        """The values of these columns. Tokens are unit vectors, except those that the head reads
        raw; where the head masks padding, tokens under the mask are zeros and must be so again.

        Raises OverflowError for numbers that the format cannot hold.
        """

    @abstractmethod
    def read(
        self, rows: pa.Table, column: str, count: int, dim: int
    ) -> Float[Tensor, "V N D"] | Float16[Tensor, "V N D"]:
        """The tokens again, in half or single precision, in the order of the rows."""


class HalfTokens(TokenFormat):
    """`fp16`: half precision, 2 bytes a number, in a fixed-size list."""

    def fields(self, column: str, count: int, dim: int) -> list[pa.Field]:
        return [pa.field(column, pa.list_(pa.float16(), count * dim))]

    def write(
        self, column: str, tokens: Float[Tensor, "V N D"], mask: Bool[Tensor, "V N"]
    ) -> dict[str, pa.Array]:
        return {column: to_halves(tokens)}

    def read(self, rows: pa.Table, column: str, count: int, dim: int) -> Float16[Tensor, "V N D"]:
        return from_halves(rows[column]).reshape(len(rows), count, dim)


class CodedTokens(TokenFormat):
    """The bytes of a codec of `finereel.codecs`, those of one token after those of another."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def fields(self, column: str, count: int, dim: int) -> list[pa.Field]:
        return [pa.field(column, pa.list_(pa.uint8(), count * self._codec.vector_bytes(dim)))]

    def write(
        self, column: str, tokens: Float[Tensor, "V N D"], mask: Bool[Tensor, "V N"]
    ) -> dict[str, pa.Array]:
        try:
            codes = self._codec.encode(tokens)
        except DataError as error:
            raise OverflowError(str(error)) from error
        width = codes.shape[1] * codes.shape[2]
        values = pa.array(codes.numpy().ravel(), pa.uint8())
        return {column: pa.FixedSizeListArray.from_arrays(values, width)}

    def read(self, rows: pa.Table, column: str, count: int, dim: int) -> Float[Tensor, "V N D"]:
        parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in rows[column].chunks]
        codes = torch.from_numpy(np.concatenate([np.empty(0, np.uint8), *parts]))
        width = self._codec.vector_bytes(dim)
        return self._codec.decode(codes.reshape(len(rows), count, width), dim)


MASK_COLUMNS = ["frame_mask", "patch_mask"]
"""Which tokens of a clip are real, a bit for each."""

TOKEN_FORMATS: dict[str, TokenFormat] = {
    name: HalfTokens() if name == "fp16" else CodedTokens(codec) for name, codec in CODECS.items()
}
"""By the name that a library keeps and `finereel status` shows."""


def format_of(sizes: IndexedModel) -> TokenFormat:
    """The format of a table's tokens. Raises ConfigError for one that this program does not know."""
    name = sizes.stored.format
    if name not in TOKEN_FORMATS:
        raise unknown_name("token format", name, TOKEN_FORMATS)
    return TOKEN_FORMATS[name]


def stored_bytes(sizes: IndexedModel, tokens: str) -> int:
    """The bytes that a table keeps of every clip's features in a format: its tokens and its vector,
    without masks.
    """
    return clip_bytes(CODECS[tokens], sum(kept_counts(sizes).values()), sizes.dim)


def require_smaller(own: str, wanted: str) -> None:
    """Raises ConfigError where tokens in the format `own` cannot be turned into those of `wanted`:
    what a smaller format has left out is gone.

    >>> require_smaller("fp16", "int8")
    """
    names = list(TOKEN_FORMATS)
    if wanted not in names:
        raise unknown_name("token format", wanted, names)
    if names.index(wanted) < names.index(own):
        raise ConfigError(
            f"the tokens of this library are {own}, from which no {wanted} can be made; index the "
            f"videos into another library (`--library NEW --tokens {wanted}`)"
        )


def kept_counts(sizes: IndexedModel) -> dict[str, int]:
    """How many tokens each column keeps of a clip; without those that it has none of.

    >>> from finereel.index.protocols import StoredTokens
    >>> kept_counts(IndexedModel("m", "f", 12, 48, 512, stored=StoredTokens(per_frame=4)))
    {'frames': 12, 'patches': 36}
    """
    patches = sizes.patches - (sizes.frames if sizes.stored.per_frame else 0)
    counts = {"frames": sizes.frames, "patches": patches, "contextual": sizes.contextual}
    return {name: count for name, count in counts.items() if count}


def token_fields(sizes: IndexedModel) -> list[pa.Field]:
    """The columns of the table for the tokens of a model and their masks."""
    written = format_of(sizes)
    counts = kept_counts(sizes)
    fields = [
        field for name, count in counts.items() for field in written.fields(name, count, sizes.dim)
    ]
    fields.append(pa.field("frame_mask", pa.binary(_packed(sizes.frames))))
    if "patches" in counts and not sizes.stored.per_frame:
        fields.append(pa.field("patch_mask", pa.binary(_packed(sizes.patches))))
    return fields


def frame_columns(sizes: IndexedModel) -> list[str]:
    """The columns that `read_frames` reads."""
    return [
        *(field.name for field in format_of(sizes).fields("frames", sizes.frames, sizes.dim)),
        "frame_mask",
    ]


def write_tokens(features: VideoFeatures, sizes: IndexedModel, path: str) -> dict[str, Any]:
    """The values of `token_fields` for clips of one file, in the form that the table keeps:
    `StoredFeatures` exactly where `sizes.stored.prepared`.

    Raises DataError for numbers that the format cannot hold: such a clip could never be ranked.
    """
    stored, per_frame = sizes.stored, sizes.stored.per_frame
    assert isinstance(features, StoredFeatures) == stored.prepared, "see schema.in_stored_form"
    columns: dict[str, Any] = {"frame_mask": _pack_mask(features.frame_mask)}
    own, patches, patch_mask = features.frames, features.patches, features.patch_mask
    if per_frame:
        if "patches" in stored.raw:  # frames are unit vectors, their tokens among patches are not
            own = patches[:, ::per_frame]
        patches = patches.unflatten(1, (-1, per_frame))[:, :, 1:].flatten(1, 2)  # type: ignore[no-untyped-call]
        patch_mask = patch_mask.unflatten(1, (-1, per_frame))[:, :, 1:].flatten(1, 2)  # type: ignore[no-untyped-call]
    elif sizes.patches:
        columns["patch_mask"] = _pack_mask(patch_mask)
    tokens = {
        "frames": (own, features.frame_mask),
        "patches": (patches, patch_mask),
        "contextual": (features.contextual, features.frame_mask),
    }
    for name in kept_counts(sizes):
        try:
            columns |= format_of(sizes).write(name, *tokens[name])
        except OverflowError as error:
            raise not_finite(path) from error
    return columns


def not_finite(path: str) -> DataError:
    """What is said of features that no table can hold."""
    return DataError(
        f"the model's features of {path!r} are not finite numbers below 65504; check the model's "
        "weights"
    )


def read_tokens(
    rows: pa.Table, sizes: IndexedModel, video: Float[Tensor, "V D"], half: bool = False
) -> VideoFeatures | StoredFeatures:
    """The features of rows with `token_fields`, in single precision, in row order: StoredFeatures
    where the table keeps tokens as the head reads them.

    video: the vectors of these clips. half: patches stay in half precision where the table keeps
    StoredFeatures so.
    """
    stored, counts = sizes.stored, kept_counts(sizes)
    read = {
        name: format_of(sizes).read(rows, name, count, sizes.dim) for name, count in counts.items()
    }
    mask = _unpack_mask(rows["frame_mask"], sizes.frames)
    none = torch.empty(len(rows), 0, sizes.dim)
    frames = read["frames"].float()
    kept = (
        read["patches"].dtype if half and stored.prepared and "patches" in read else torch.float32
    )
    if stored.per_frame:
        shape = (len(rows), sizes.frames, stored.per_frame, sizes.dim)
        patches = _empty(shape, kept)
        patches[:, :, 0], patches[:, :, 1:] = (
            read["frames"],
            read["patches"].reshape(len(rows), sizes.frames, -1, sizes.dim),
        )
        patches = patches.flatten(1, 2)
        patch_mask = mask.repeat_interleave(stored.per_frame, dim=1)
        if "patches" in stored.raw:
            frames = normalize(frames, dim=-1)
    else:
        patches = read["patches"].to(kept) if sizes.patches else none
        patch_mask = (
            _unpack_mask(rows["patch_mask"], sizes.patches) if sizes.patches else mask[:, :0]
        )
    kind = StoredFeatures if stored.prepared else VideoFeatures
    contextual = read["contextual"].float() if sizes.contextual else none
    return kind(video, frames, patches, mask, patch_mask, contextual)


def read_frames(
    rows: pa.Table, sizes: IndexedModel
) -> tuple[Float[Tensor, "V F D"], Bool[Tensor, "V F"]]:
    """The frames alone, as unit vectors, and their mask, of rows with `frame_columns`."""
    mask = _unpack_mask(rows["frame_mask"], sizes.frames)
    frames = format_of(sizes).read(rows, "frames", sizes.frames, sizes.dim).float()
    return normalize(frames, dim=-1), mask


def _empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Room for a tensor, from NumPy, which asks for large pages: the first touch of 20 MB of small
    ones takes longer than filling them.
    """
    return torch.from_numpy(np.empty(shape, torch.empty(0, dtype=dtype).numpy().dtype))


def as_values(values: UInt8[np.ndarray, "V bytes"], kind: pa.FixedSizeListType) -> pa.Array:
    """The bytes of V lists of fixed size as Arrow has them, not copied."""
    count = values.size * 8 // kind.value_type.bit_width
    numbers = pa.Array.from_buffers(kind.value_type, count, [None, pa.py_buffer(values)])
    return pa.FixedSizeListArray.from_arrays(numbers, kind.list_size)


def to_halves(tensor: Float[Tensor, "V ..."]) -> pa.FixedSizeListArray:
    """Numbers of V clips as one column of lists in half precision. Raises OverflowError where one
    is not finite in it.
    """
    flat = tensor.detach().reshape(len(tensor), -1).to(torch.float16)
    if not torch.isfinite(flat).all():
        raise OverflowError("not finite in half precision")
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.cpu().numpy().ravel()), flat.shape[1])


def from_halves(column: pa.ChunkedArray) -> Float16[Tensor, " N"]:
    """All numbers of a column of lists, one after the other; not to be changed in place."""
    if column.num_chunks == 1 and len(column):
        found: Tensor = from_dlpack(column.chunk(0).flatten())
        return found
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return torch.from_numpy(np.concatenate([np.empty(0, dtype=np.float16), *parts]))


def _packed(bits: int) -> int:
    return max(1, (bits + 7) // 8)


def _pack_mask(mask: Bool[Tensor, "V N"]) -> list[bytes]:
    width = _packed(mask.shape[1])
    return [np.packbits(row).tobytes().ljust(width, b"\0") for row in mask.cpu().numpy()]


def _unpack_mask(column: pa.ChunkedArray, length: int) -> Bool[Tensor, "V N"]:
    packed = np.frombuffer(b"".join(column.to_pylist()), dtype=np.uint8).reshape(
        len(column), _packed(length)
    )
    return torch.from_numpy(np.unpackbits(packed, axis=1, count=length).astype(bool))
