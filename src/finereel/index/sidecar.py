"""The vectors of one version of a local library in a file that is mapped into memory, so that a
large library opens at once.

    index-<fingerprint>/
      vectors-<version>.i8   row ids, int8 vectors and their scales, vectors in half precision, and
                             a CRC-32 of each of the latter
      bias-<version>.f32     what a bank adds to the score of each

Everything in them stands in the table too. They are made at the end of every run that writes, from
KEPT_FROM clips on; what is damaged, cut short or of another version is passed over. A file is an
eight-byte mark, the length of its description and that one's CRC-32 (4 bytes each), the
description in JSON, and arrays at multiples of 64 bytes.
"""

import json
import logging
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float16, Float32
from torch import Tensor

from finereel.errors import FinereelError
from finereel.index.bank import Bank
from finereel.index.kept import RowIds, VectorTable
from finereel.index.lance_files import manifest_files, parse_manifest
from finereel.index.quantized import Int8Vectors, scans
from finereel.index.remote import TABLE_FOLDER
from finereel.index.snapshot import Snapshot
from finereel.index.store import ClipStore
from finereel.io.atomic import replace_file, storage_errors

_LOG = logging.getLogger(__name__)

KEPT_FROM = 20_000
"""Clips from which on a file opens sooner than the table by more than a person notices."""
MARK = b"finereel"
_ALIGNED = 64
_VECTORS, _BIAS = "vectors-*.i8", "bias-*.f32"
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class KeptVectors:
    """What a file of vectors holds. table: of all clips that are not missing; it has no `rows`."""

    table: VectorTable
    int8: Int8Vectors


def open_vectors(snapshot: Snapshot) -> KeptVectors | None:
    """The vectors of a state from their file; None where there is none that is whole.

    What every search reads is compared with its checksum here, and the vectors in half precision
    when one of them is read, or here where all are looked at.
    """
    if not isinstance(snapshot.folder, Path):
        return None
    checked = {"row_ids", "checksums", *(("numbers", "scales") if scans() else ("vectors",))}
    arrays = _opened(_name(snapshot, _VECTORS), _state(snapshot), checked)
    if arrays is None:
        return None
    vectors = torch.from_numpy(arrays["vectors"])
    table = VectorTable(arrays["row_ids"], vectors, None, arrays["checksums"])
    return KeptVectors(table, Int8Vectors(arrays["numbers"], arrays["scales"]))


def open_bias(snapshot: Snapshot, bank: Bank) -> Float32[np.ndarray, " V"] | None:
    """What a bank adds to the score of every vector, from its file; None where there is none."""
    if not isinstance(snapshot.folder, Path):
        return None
    described = _state(snapshot) | {"bank": bank.name}
    arrays = _opened(_name(snapshot, _BIAS), described, {"bias"})
    return None if arrays is None else arrays["bias"]


def refresh_vectors(store: ClipStore) -> None:
    """Make the files of the newest state where they are worth it, and remove those of others.

    The caller holds the lock. Without room on the disk, or where a clip is damaged, there is no
    file: searching does without, and says what is damaged.
    """
    folder = store.folder
    if not isinstance(folder, Path):
        return
    version = None
    with suppress(FinereelError), storage_errors(folder):
        if store.rows() >= KEPT_FROM:
            snapshot, bank = store.snapshot(), Bank.load(folder)
            version = snapshot.version
            kept = open_vectors(snapshot) or _write_vectors(snapshot)
            _refresh_bias(snapshot, kept.table, bank)
    _remove_others(folder, version)


def _refresh_bias(snapshot: Snapshot, table: VectorTable, bank: Bank | None) -> None:
    if bank is None or bank.video_sentence is None or open_bias(snapshot, bank) is not None:
        return
    bias = bank.biases_of(rows_of(snapshot, table.row_ids))[:, bank.video_sentence]
    described = _state(snapshot) | {"bank": bank.name}
    _write(_name(snapshot, _BIAS), described, {"bias": np.ascontiguousarray(bias)})


def rows_of(snapshot: Snapshot, row_ids: RowIds) -> Any:
    """What a bank reads of the clips that are not missing, whose ids these are, ascending."""
    rows = snapshot.present_rows(["clip_id", "bias", "bank"])
    assert len(rows) == len(row_ids)
    return rows.sort_by("_rowid")


def _write_vectors(snapshot: Snapshot) -> KeptVectors:
    table = joined_vectors(snapshot) or snapshot.vectors()
    order = np.argsort(table.row_ids)
    row_ids, vectors = table.row_ids[order], table.vectors[torch.from_numpy(order)]
    int8, halves = Int8Vectors.of(vectors), vectors.numpy()
    checksums = np.fromiter(map(zlib.crc32, halves), dtype=np.uint32, count=len(halves))
    arrays = {
        "row_ids": row_ids,
        "scales": int8.scales,
        "checksums": checksums,
        "numbers": int8.numbers,
        "vectors": halves,
    }
    described = _state(snapshot) | {"fragments": _fragments(snapshot)}
    _write(_name(snapshot, _VECTORS), described, arrays)
    return KeptVectors(VectorTable(row_ids, vectors), int8)


def joined_vectors(snapshot: Snapshot) -> VectorTable | None:
    """The vectors of all clips that are not missing, with ascending ids and without `rows`, for a
    state whose own file is not made yet: those of the last file that did not change, and the others
    from the table. None where there is no such file.
    """
    known = _last_vectors(snapshot) if isinstance(snapshot.folder, Path) else None
    if known is None:
        return None
    own = np.sort(snapshot.row_ids())
    old_ids, old_vectors = known
    at = np.minimum(np.searchsorted(old_ids, own), len(old_ids) - 1)
    same = old_ids[at] == own
    vectors = torch.empty(len(own), snapshot.sizes.dim, dtype=torch.float16)
    vectors[torch.from_numpy(same)] = old_vectors[torch.from_numpy(at[same])]
    if not same.all():
        came = snapshot.vectors(own[~same])
        order = np.argsort(came.row_ids)
        vectors[torch.from_numpy(~same)] = came.vectors[torch.from_numpy(order)]
    return VectorTable(own, vectors)


def _last_vectors(snapshot: Snapshot) -> tuple[RowIds, Float16[Tensor, "N D"]] | None:
    """Ids, ascending, and vectors from a file of a former version, of the fragments of the table
    that are still what they were: their files are never written again.
    """
    assert isinstance(snapshot.folder, Path)
    own = _fragments(snapshot)
    for path in sorted(snapshot.folder.glob(_VECTORS)):
        described, arrays = _read(path, {"row_ids", "vectors"})
        if described.get("dim") != snapshot.sizes.dim or not described.get("fragments"):
            continue
        kept = [int(n) for n, files in described["fragments"].items() if own.get(n) == files]
        part = np.isin(arrays["row_ids"] >> 32, kept)
        if part.any():
            places = torch.from_numpy(np.flatnonzero(part))
            return arrays["row_ids"][part], torch.from_numpy(arrays["vectors"])[places]
    return None


def _fragments(snapshot: Snapshot) -> dict[str, list[str]]:
    """The data files of every fragment of this version; empty where its manifest is gone."""
    assert isinstance(snapshot.folder, Path)
    path = manifest_files(snapshot.folder / TABLE_FOLDER).get(snapshot.version)
    found = {} if path is None else parse_manifest(path.read_bytes()).fragments
    return {str(number): list(files) for number, files in found.items()}


def _state(snapshot: Snapshot) -> dict[str, Any]:
    """Which state of which table: a number alone comes again where a commit did not count."""
    assert isinstance(snapshot.folder, Path)
    path = manifest_files(snapshot.folder / TABLE_FOLDER).get(snapshot.version)
    crc = 0 if path is None else zlib.crc32(path.read_bytes())
    return {"version": snapshot.version, "manifest": crc, "dim": snapshot.sizes.dim}


def _name(snapshot: Snapshot, pattern: str) -> Path:
    assert isinstance(snapshot.folder, Path)
    return snapshot.folder / pattern.replace("*", str(snapshot.version))


def _remove_others(folder: Path, version: int | None) -> None:
    """Remove the files of all versions, but for one."""
    for pattern in (_VECTORS, _BIAS):
        for path in folder.glob(pattern):
            if path.name != pattern.replace("*", str(version)):
                with suppress(OSError):  # mapped by another process, where that forbids it
                    path.unlink()


def _write(path: Path, described: dict[str, Any], arrays: Arrays) -> None:
    """Write arrays so that the file is there as a whole or not at all."""
    head = described | {
        "arrays": [
            [name, array.dtype.str, list(array.shape), zlib.crc32(array.data)]
            for name, array in arrays.items()
        ]
    }
    text = json.dumps(head).encode()
    numbers = np.array([len(text), zlib.crc32(text)], dtype="<u4").tobytes()
    with replace_file(path) as fresh, fresh.open("wb") as stream:
        stream.write(MARK + numbers + text)
        for array in arrays.values():
            stream.write(b"\0" * (-stream.tell() % _ALIGNED))
            stream.write(array.data.cast("B") if array.size else b"")


def _opened(path: Path, described: dict[str, Any], checked: Iterable[str]) -> Arrays | None:
    """The arrays of a file, mapped; None where it is not whole or describes something else."""
    own, arrays = _read(path, checked)
    return arrays if described.items() <= own.items() else None


def _read(path: Path, checked: Iterable[str]) -> tuple[dict[str, Any], Arrays]:
    """What a file says of itself, and its arrays, mapped; nothing where it is not whole."""
    try:
        with path.open("rb") as stream:
            begin = stream.read(len(MARK) + 8)
            length, crc = np.frombuffer(begin[len(MARK) :], dtype="<u4").tolist()
            text = stream.read(length)
        if begin[: len(MARK)] != MARK or zlib.crc32(text) != crc:
            raise ValueError("its description is damaged")
        described = json.loads(text)
        arrays, place = dict[str, np.ndarray](), len(begin) + length
        whole = np.memmap(path, dtype=np.uint8, mode="c")
        for name, kind, shape, crc in described["arrays"]:
            place += -place % _ALIGNED
            size = int(np.prod(shape)) * np.dtype(kind).itemsize
            part = np.asarray(whole[place : place + size])
            if len(part) != size or (name in checked and zlib.crc32(part.data) != crc):
                raise ValueError(f"its {name} are not what was written")
            arrays[name] = part.view(kind).reshape(shape)
            place += size
    except FileNotFoundError:
        return {}, {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        _LOG.info(f"{path} is passed over: {error}")
        return {}, {}
    return described, arrays
