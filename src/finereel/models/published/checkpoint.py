"""Read the tensors of a published checkpoint without executing anything pickled in it."""

import math
import subprocess
import sys
import tempfile
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from finereel.errors import CheckpointError, ModelNotFoundError
from finereel.models.published import unpickle
from finereel.models.published.pickled import require_tensors
from finereel.models.weights import read_header, refusals, require_memory

_TIMEOUT_SECONDS = 2 * unpickle.SECONDS
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PATH": ""}


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file, or of a pickled one (`.pt`, `.bin`, ...) by way of a
    guarded process.

    Raises ModelNotFoundError without such a file, CheckpointError when it does not read.
    """
    source = Path(path)
    if not source.is_file():
        raise ModelNotFoundError(
            f"no checkpoint at {source}: expected a .safetensors, .pt or .bin file"
        )
    if source.suffix == ".safetensors":
        return _read_safetensors(source, source)
    with refusals(source, CheckpointError):
        require_tensors(source)
    with tempfile.TemporaryDirectory(prefix="finereel-import-") as folder:
        converted = Path(folder) / "state.safetensors"
        _convert(source.resolve(), converted)
        return _read_safetensors(converted, source)


def _convert(source: Path, converted: Path) -> None:
    # -I: neither the user's PYTHON* settings nor the working directory reach the child.
    command = [
        sys.executable,
        "-I",
        "-B",
        str(Path(unpickle.__file__)),
        str(source),
        str(converted),
    ]
    try:
        done = subprocess.run(
            command,
            env=_ENVIRONMENT,
            cwd=converted.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CheckpointError(
            f"{source} was not read within {_TIMEOUT_SECONDS} s: is it a state dict?"
        ) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"the reading process ended with {done.returncode}"
        raise CheckpointError(
            f"{source} cannot be read as a pickled state dict ({reason}); expected names and "
            "tensors and nothing else, "
            "as torch.save(model.state_dict(), ...) writes"
        )


def _read_safetensors(path: Path, origin: Path) -> dict[str, Tensor]:
    header = read_header(path)
    require_memory(sum(map(math.prod, header.shapes.values())), origin)
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"{origin} cannot be read as safetensors ({error}); copy the checkpoint again"
        ) from error
    return tensors
