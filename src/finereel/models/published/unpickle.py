"""A separate program: `models/published/unpickle.py IN OUT` rewrites a pickled state dict as
safetensors and exits.

A pickle is a program, so it never runs in the process that asked, which has looked at its
instructions before (see `models/published/pickled.py`). torch's restricted unpickler
(`weights_only`) refuses everything but tensors; should it fail us, this process has no network, no
children, no further modules, one file to write, and limits on memory, time and file size. It
imports nothing of finereel.
"""

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MIB = 1 << 20
MEMORY_BASE_MIB = 256  # beside what torch itself takes and the tensors
TORCH_MIB = 2048  # what it takes at most, where the system does not say
GROWTH = 4  # memory and output, relative to the file
SECONDS = 300
NEW_NETWORK, NEW_USER = 0x40000000, 0x10000000  # CLONE_NEWNET, CLONE_NEWUSER of Linux
PROCESSES = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "pty.",
)
CHANGES = (
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.chown",
    "shutil.",
)


def leave_network() -> None:
    """Move to an empty network namespace where the kernel allows it; the audit hook refuses sockets
    anyway.
    """
    import ctypes

    if sys.platform == "linux":
        kernel = ctypes.CDLL(None)
        if kernel.unshare(NEW_NETWORK):
            kernel.unshare(NEW_NETWORK | NEW_USER)


def memory_in_use() -> int:
    """Bytes of data that this process has by now."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:"))
    except (OSError, StopIteration, ValueError):
        return TORCH_MIB * MIB


def limit_resources(size: int) -> None:
    """Cap memory, processor time and written bytes of this process for an input of `size` bytes
    (POSIX only).
    """
    try:
        import resource
    except ImportError:
        return
    limits = {
        resource.RLIMIT_DATA: memory_in_use() + MEMORY_BASE_MIB * MIB + GROWTH * size,
        resource.RLIMIT_FSIZE: 64 * MIB + GROWTH * size,
        resource.RLIMIT_CPU: SECONDS,
        resource.RLIMIT_CORE: 0,
    }
    for kind, wanted in limits.items():
        _, hard = resource.getrlimit(kind)
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (allowed, allowed))


def guard(output: str) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook that lets this process read, and write to `output` only."""
    allowed = os.path.realpath(output)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith((*PROCESSES, *CHANGES, "ctypes.")):
            raise PermissionError(f"{event} while reading a checkpoint")
        if (
            event == "open"
            and _writes(arguments)
            and os.path.realpath(str(arguments[0])) != allowed
        ):
            raise PermissionError(f"writing {arguments[0]} while reading a checkpoint")

    return hook


def _writes(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = arguments
    changing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    return bool(set(mode or "") & set("wax+")) or bool((flags or 0) & changing)


def main(source: str, output: str) -> None:
    """Read `source` under guard and write its tensors to `output`; any failure ends the process
    with a message.
    """
    leave_network()
    import torch
    from safetensors.torch import save_file

    limit_resources(Path(source).stat().st_size)
    sys.addaudithook(guard(output))
    state = torch.load(source, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or not all(
        isinstance(tensor, torch.Tensor) for tensor in state.values()
    ):
        sys.exit("it holds something else than a dictionary of tensors")
    check_tensors(state, Path(source).stat().st_size)
    save_file(
        {name: tensor.detach().contiguous().clone() for name, tensor in state.items()}, output
    )


def check_tensors(state: dict[Any, Any], size: int) -> None:
    """End the process unless these are plain tensors that together fit a file of `size` bytes."""
    total = 0
    for name, tensor in state.items():
        plain = (
            str(tensor.layout) == "torch.strided"
            and tensor.device.type == "cpu"
            and not tensor.is_quantized
        )
        if not isinstance(name, str) or not plain:
            sys.exit(
                "it holds something else than a dictionary of tensors by name: sparse, quantised "
                "or empty ones"
            )
        wanted = tensor.numel() * tensor.element_size()
        total += wanted
        if wanted > tensor.untyped_storage().nbytes() or total > GROWTH * size:
            sys.exit(f"its tensors would take {total:,} bytes of memory, the file has {size:,}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except pickle.UnpicklingError:  # torch's own message advises to run the file unguarded
        sys.exit("it is no pickle, or one with more in it than tensors")
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
