"""The fitted normalization of a library: one bias per clip and granularity, estimated from a set of
captions.

`bank.npz` is replaced as a whole, so a library has the old normalisation or the new one. Clips
added afterwards carry their bias in their own row (the half-step of `Sinkhorn.extend`), committed
together with their features and marked with the bank's name.
"""

import io
import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Float64

from finereel.errors import DamagedLibraryError, LibraryError
from finereel.index.head import mark_normalized, read_head
from finereel.index.protocols import SearchModel
from finereel.index.schema import ClipBias
from finereel.io.atomic import sync_folder, write_file
from finereel.io.foreign_files import parse_json_object, read_npz
from finereel.io.storage.places import Place, StorePath
from finereel.models.features import VideoFeatures
from finereel.normalization import (
    PerGranularity,
    Sinkhorn,
    per_granularity,
    per_granularity_from_dict,
)

NAME = "bank.npz"
MAGIC = b"FRBANK"
TRAILER = len(MAGIC) + 4
Biases = Float32[np.ndarray, "V G"]


class StaleBankError(LibraryError):
    """Rows that the bank does not know: another process fitted a new one meanwhile; read both
    again.
    """


@dataclass(frozen=True)
class Bank:
    """A fitted bank.

    captions: its texts. normalizers: one fitted Sinkhorn per granularity. clip_ids (sorted) and
    biases: of the clips that existed when it was fitted, strength applied.
    """

    captions: tuple[str, ...]
    normalizers: PerGranularity
    clip_ids: np.ndarray
    biases: Biases

    @property
    def name(self) -> str:
        """The protocol of every score that this bank corrects, for instance `bank:12ab...`."""
        return self.normalizers.protocol

    @property
    def granularities(self) -> list[str]:
        """The columns of `biases`, in order."""
        return list(self.normalizers.parts)

    @property
    def video_sentence(self) -> int | None:
        """The column that corrects the first look; None where there is none."""
        return next(
            (at for at, name in enumerate(self.granularities) if name == "video_sentence"), None
        )

    @classmethod
    def fit(
        cls,
        captions: list[str],
        scores: dict[str, np.ndarray],
        clip_ids: list[str],
        **settings: Any,
    ) -> "Bank":
        """Fit from (captions x clips) scores per granularity, with the settings of
        `finereel.normalization.Sinkhorn`.
        """
        order = np.argsort(np.array(clip_ids))
        normalizers = per_granularity("sinkhorn", list(scores), **settings).fit(scores)
        columns = [_fitted_bias(_sinkhorn(part)) for part in normalizers.parts.values()]
        biases = np.stack(columns, axis=1).astype(np.float32)
        return cls(tuple(captions), normalizers, np.array(clip_ids)[order], biases[order])

    def extend(self, model: SearchModel, features: VideoFeatures) -> ClipBias:
        """The bias of clips that came after the fit, as their rows keep it."""
        parts = model.score(model.encode_text(list(self.captions)), features).parts
        columns = []
        for name, part in self.normalizers.parts.items():
            normalizer = _sinkhorn(part)
            columns.append(
                normalizer.strength * normalizer.extend(parts[name].double().cpu().numpy())
            )
        return ClipBias(self.name, np.stack(columns, axis=1).astype(np.float32))

    def biases_of(self, rows: pa.Table) -> Biases:
        """The bias of rows with columns clip_id, bias, bank.

        Raises StaleBankError when a row is neither in the bank nor marked with its name.
        """
        clip_ids = np.array(rows["clip_id"].to_pylist(), dtype=str)
        values = np.zeros((len(clip_ids), len(self.granularities)), dtype=np.float32)
        own = np.array([bank == self.name for bank in rows["bank"].to_pylist()], dtype=bool)
        if own.any():
            values[own] = np.array(rows["bias"].filter(pa.array(own)).to_pylist(), dtype=np.float32)
        places = np.minimum(
            np.searchsorted(self.clip_ids, clip_ids), max(0, len(self.clip_ids) - 1)
        )
        found = (
            self.clip_ids[places] == clip_ids
            if len(self.clip_ids)
            else np.zeros(len(clip_ids), dtype=bool)
        )
        if not (found | own).all():
            raise StaleBankError(
                f"{int((~(found | own)).sum())} clips have no normalisation bias; fit the "
                "normalisation again"
            )
        fitted = found & ~own
        values[fitted] = self.biases[places[fitted]]
        return values

    def save(self, folder: Place) -> None:
        """Make this bank the library's normalisation."""
        state = self.normalizers.to_dict()
        for part in state.values():
            part["learned"].pop("bias_")  # per clip, and kept in `biases`
        described = json.dumps({"captions": list(self.captions), "normalizers": state})
        stream = io.BytesIO()
        np.savez(stream, described=np.array(described), clip_ids=self.clip_ids, biases=self.biases)
        content = stream.getvalue()
        write_file(folder / NAME, content + _trailer(content))
        mark_normalized(folder, True)

    @classmethod
    def load(cls, folder: Place) -> "Bank | None":
        """The library's normalisation, None when there is none.

        Raises DamagedLibraryError when its file is damaged, or gone without `remove_bank`.
        """
        path = folder / NAME
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            head = read_head(folder)
            if head is None or not head.normalized:
                return None
            raise _damaged(path, "the file is gone") from None
        if content[-TRAILER:-4] == MAGIC and content[-TRAILER:] != _trailer(content[:-TRAILER]):
            raise _damaged(path, "its checksum differs")
        try:
            arrays = read_npz(content)
            described = parse_json_object(str(arrays["described"]))
            normalizers = per_granularity_from_dict(described["normalizers"])
            clip_ids, biases = arrays["clip_ids"], arrays["biases"]
            if (
                biases.shape != (len(clip_ids), len(normalizers.parts))
                or not np.isfinite(biases).all()
            ):
                raise ValueError(
                    f"expected a finite bias per clip and granularity, got the shape {biases.shape}"
                )
            return cls(tuple(map(str, described["captions"])), normalizers, clip_ids, biases)
        except Exception as error:  # whatever numpy and zipfile make of it
            raise _damaged(path, str(error)) from error


def remove_bank(folder: Place) -> None:
    """Search without normalisation from now on."""
    mark_normalized(folder, False)
    (folder / NAME).unlink(missing_ok=True)
    if not isinstance(folder, StorePath):
        sync_folder(folder)


def _damaged(path: Place, why: str) -> DamagedLibraryError:
    return DamagedLibraryError(
        f"the normalisation in {path} is damaged ({why}); fit the normalisation again, or delete "
        "that file with "
        "`finereel normalize --off` and search without it"
    )


def _trailer(content: bytes) -> bytes:
    """What follows the zip file: readers of zip files ignore it."""
    return MAGIC + zlib.crc32(content).to_bytes(4, "little")


def _fitted_bias(normalizer: Sinkhorn) -> Float64[np.ndarray, " V"]:
    assert normalizer.bias_ is not None
    return normalizer.strength * normalizer.bias_


def _sinkhorn(part: object) -> Sinkhorn:
    assert isinstance(part, Sinkhorn)
    return part
