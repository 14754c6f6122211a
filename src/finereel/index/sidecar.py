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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from finereel.errors import StorageError
from finereel.index.bank import Bank
from finereel.index.kept import RowIds, VectorTable
from finereel.index.lance_files import manifest_files
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

    The caller holds the lock. Without room on the disk there is none: searching does without.
    """
    folder = store.folder
    if not isinstance(folder, Path):
        return
    if store.rows() < KEPT_FROM:
        _remove_all(folder)
        return
    snapshot, bank = store.snapshot(), Bank.load(folder)
    _remove_all(folder, snapshot.version)
    with suppress(StorageError), storage_errors(folder):
        kept = open_vectors(snapshot)
        if kept is None:
            kept = _write_vectors(snapshot)
        column = None if bank is None else bank.video_sentence
        if bank is not None and column is not None and open_bias(snapshot, bank) is None:
            bias = bank.biases_of(rows_of(snapshot, kept.table.row_ids))[:, column]
            described = _state(snapshot) | {"bank": bank.name}
            _write(_name(snapshot, _BIAS), described, {"bias": np.ascontiguousarray(bias)})


def rows_of(snapshot: Snapshot, row_ids: RowIds) -> Any:
    """What a bank reads of the clips that are not missing, whose ids these are, ascending."""
    rows = snapshot.present_rows(["clip_id", "bias", "bank"])
    assert len(rows) == len(row_ids)
    return rows.sort_by("_rowid")


def _write_vectors(snapshot: Snapshot) -> KeptVectors:
    table = snapshot.vectors()
    order = np.argsort(table.row_ids)
    vectors = table.vectors if (np.diff(order) == 1).all() else table.vectors[order]
    halves, int8 = vectors.numpy(), Int8Vectors.of(vectors)
    checksums = np.fromiter(map(zlib.crc32, halves), dtype=np.uint32, count=len(halves))
    row_ids = table.row_ids[order]
    arrays = {
        "row_ids": row_ids,
        "scales": int8.scales,
        "checksums": checksums,
        "numbers": int8.numbers,
        "vectors": halves,
    }
    _write(_name(snapshot, _VECTORS), _state(snapshot), arrays)
    return KeptVectors(replace(table, row_ids=row_ids, vectors=vectors, rows=None), int8)


def _state(snapshot: Snapshot) -> dict[str, Any]:
    """Which state of which table: a number alone comes again where a commit did not count."""
    assert isinstance(snapshot.folder, Path)
    path = manifest_files(snapshot.folder / TABLE_FOLDER).get(snapshot.version)
    crc = 0 if path is None else zlib.crc32(path.read_bytes())
    return {"version": snapshot.version, "manifest": crc, "dim": snapshot.sizes.dim}


def _name(snapshot: Snapshot, pattern: str) -> Path:
    assert isinstance(snapshot.folder, Path)
    return snapshot.folder / pattern.replace("*", str(snapshot.version))


def _remove_all(folder: Path, but: int | None = None) -> None:
    """Remove the files of all versions, but for one."""
    for pattern in (_VECTORS, _BIAS):
        for path in folder.glob(pattern):
            if path.name != pattern.replace("*", str(but)):
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
    try:
        with path.open("rb") as stream:
            begin = stream.read(len(MARK) + 8)
            length, crc = np.frombuffer(begin[len(MARK) :], dtype="<u4").tolist()
            text = stream.read(length)
        if begin[: len(MARK)] != MARK or zlib.crc32(text) != crc:
            raise ValueError("its description is damaged")
        head = json.loads(text)
        if {name: head.get(name) for name in described} != described:
            return None
        arrays, place = dict[str, np.ndarray](), len(begin) + length
        whole = np.memmap(path, dtype=np.uint8, mode="c")
        for name, kind, shape, crc in head["arrays"]:
            place += -place % _ALIGNED
            size = int(np.prod(shape)) * np.dtype(kind).itemsize
            part = np.asarray(whole[place : place + size])
            if len(part) != size or (name in checked and zlib.crc32(part.data) != crc):
                raise ValueError(f"its {name} are not what was written")
            arrays[name] = part.view(kind).reshape(shape)
            place += size
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _LOG.info(f"{path} is passed over: {error}")
        return None
    return arrays
