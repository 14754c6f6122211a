"""Vision towers of CLIP's architecture in int8 by ONNX Runtime, for `pip install 'finereel[fast]'`.

The quantised tower is made once per model and kept in the user's cache, with what its check gave:

    ~/.cache/finereel/int8/FINGERPRINT.onnx    the tower
    ~/.cache/finereel/int8/FINGERPRINT.json    the check: cosine, digest of the tower, versions

Both can be deleted at any time. Weights are int8 per output channel; activations are quantised as
they come, one picture at a time, so that no picture depends on another.
"""

import hashlib
import importlib.util
import json
import logging
import platform
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from finereel.errors import StorageError
from finereel.io.atomic import read_stored_json, replace_file, write_file
from finereel.io.user_cache import user_cache
from finereel.models.encoders.clip import ClipEncoder

LEAST_COSINE = 0.995
"""Of int8 and float32 tokens, in the worst frame of the check."""

LEAST_PARAMETERS = 10_000_000
"""Of a vision tower: smaller ones are encoded faster than int8 is prepared."""

NAMES = ("onnxruntime", "onnx")
_OPSET = 17


@dataclass(frozen=True)
class TowerCheck:
    """What the check of a quantised tower gave.

    Attributes:
        cosine: The least cosine of int8 and float32 tokens over the frames, of a frame's own token
            or in the mean of its patches.
        digest: Of the file that was checked.
        made_by: Versions and kind of processor for which it holds.
    """

    cosine: float
    digest: str
    made_by: str

    @property
    def passed(self) -> bool:
        """Whether the tower may be used."""
        return self.cosine >= LEAST_COSINE


def suits_int8(encoder: nn.Module) -> bool:
    """Whether int8 makes a vision tower faster: CLIP's architecture, large, on a processor.

    Example:
        >>> suits_int8(nn.Linear(2, 2))
        False
    """
    if not isinstance(encoder, ClipEncoder) or encoder.shifts_tokens:
        return False
    tower = encoder.clip.vision_model
    size = sum(parameter.numel() for parameter in tower.parameters())
    return size >= LEAST_PARAMETERS and encoder.scale.device.type == "cpu"


def installed() -> bool:
    """Whether the packages of the extra `fast` are there."""
    return all(importlib.util.find_spec(name) is not None for name in NAMES)


class QuantizedTower:
    """The vision tower of an encoder in int8.

    Args:
        encoder: The encoder.
        fingerprint: That of its model.
    """

    def __init__(self, encoder: ClipEncoder, fingerprint: str) -> None:
        self._encoder = encoder
        folder = user_cache() / "int8"
        self._file, self._noted = (folder / f"{fingerprint}{end}" for end in (".onnx", ".json"))
        self._session: Any = None

    def known(self) -> TowerCheck | None:
        """What an earlier check gave; None where there was none that holds here, or its tower is
        gone or damaged.
        """
        stored = read_stored_json(self._noted) or {}
        try:
            check = TowerCheck(float(stored["cosine"]), str(stored["digest"]), stored["made_by"])
        except (KeyError, TypeError, ValueError):
            return None
        if check.made_by != _made_by():
            return None
        if check.passed and (_digest(self._file) != check.digest or not self._open()):
            return None
        return check

    def check(self, pixels: Float[Tensor, "n 3 H H"], wanted: Float[Tensor, "n N D"]) -> TowerCheck:
        """Make the tower, compare it with float32, and keep both where the cache can be written.

        Args:
            pixels: Pictures as the tower takes them.
            wanted: Their tokens in float32.

        Returns:
            What the check gave.
        """
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / self._file.name
            _quantize(self._encoder, pixels[:1], made)
            self._session = _session(made)
            found = TowerCheck(least_cosine(self(pixels), wanted), _digest(made), _made_by())
            with suppress(OSError, StorageError):
                self._keep(made, found)
        return found

    def __call__(self, pixels: Float[Tensor, "n 3 H H"]) -> Float[Tensor, "n N D"]:
        """All tokens of pictures, once `known` or `check` found the tower to be good."""
        each = [self._session.run(None, {"pixels": one[None].numpy()})[0] for one in pixels]
        return torch.cat([torch.from_numpy(tokens) for tokens in each])

    def _open(self) -> bool:
        """Whether the kept tower loads."""
        try:
            self._session = _session(self._file)
        except Exception:  # onnxruntime has many errors for a bad file, none of them public
            return False
        return True

    def _keep(self, made: Path, check: TowerCheck) -> None:
        """The tower first: without a check that fits it is not used."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        if check.passed:
            with replace_file(self._file) as fresh:
                shutil.copyfile(made, fresh)
        else:
            self._file.unlink(missing_ok=True)
        write_file(self._noted, json.dumps(asdict(check), indent=2) + "\n")


def least_cosine(found: Float[Tensor, "n N D"], wanted: Float[Tensor, "n N D"]) -> float:
    """Compare tokens: the least over the frames of the cosine of a frame's own token and of the mean
    cosine of its patches.

    Example:
        >>> tokens = torch.eye(4).reshape(1, 4, 4)
        >>> least_cosine(tokens, tokens), least_cosine(-tokens, tokens)
        (1.0, -1.0)
    """
    cosines = cosine_similarity(found, wanted, dim=-1)
    patches = cosines[:, 1:].mean(1) if cosines.shape[1] > 1 else cosines[:, 0]
    return float(torch.minimum(cosines[:, 0], patches).min())


class _FrameTower(nn.Module):
    """Pictures to tokens, each picture as a clip of one frame."""

    def __init__(self, encoder: ClipEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixels: Tensor) -> Tensor:
        mask = torch.ones(len(pixels), 1, dtype=torch.bool)
        return self.encoder.encode_frames(pixels[:, None], mask)[:, 0]


def _quantize(encoder: ClipEncoder, pixels: Tensor, path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, _silence():
        exact = Path(folder) / "float32.onnx"
        with torch.no_grad():
            torch.onnx.export(
                _FrameTower(encoder).eval(),
                (pixels,),
                str(exact),
                dynamo=False,
                opset_version=_OPSET,
                input_names=["pixels"],
                output_names=["tokens"],
            )
        quantize_dynamic(
            exact,
            path,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            reduce_range=True,  # else processors without VNNI saturate in between
            weight_type=QuantType.QInt8,
        )


@contextmanager
def _silence() -> Iterator[None]:
    """Without the advice that the exporter and the quantiser give to developers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()
    except OSError:
        return ""


def _made_by() -> str:
    return f"onnxruntime {version('onnxruntime')}, opset {_OPSET}, {platform.machine()}"
