"""Load weight files safely: the header of a safetensors file gives every shape, so a model that
does not fit is refused before memory is allocated.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from finereel.errors import CheckpointError, FinereelError, ModelError
from finereel.io.atomic import replace_file, write_file
from finereel.io.foreign_files import (
    MIB,
    ForeignFileError,
    brief,
    brief_list,
    open_regular,
    parse_json_object,
)

FORMAT = "finereel-model"
FORMAT_VERSION = 1

Shape = tuple[int, ...]
Module = TypeVar("Module", bound=nn.Module)

_HEADER_LIMIT = 4 * MIB  # 150 bytes a tensor; the largest published CLIP has 1,300 tensors
_LENGTH_BYTES = 8
_MOST_AXES = 8
_FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_OTHERS = {"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1}
_SCALE = ".scale"  # behind the name of a tensor stored as int8: what its rows are multiplied by
_SCALE_KINDS = ("F32", "F16")
_SMALLEST_INT8 = 4096  # numbers; smaller tensors are stored in half precision
_STEPS = 127
_HOLES = 64 * MIB  # files from here on are looked at for parts that were never written
_BLOCK_BYTES = 512  # of `st_blocks`


class ShapesOnly(TorchFunctionMode):
    """Within it modules are made with shapes and without numbers, on torch's meta device.

    Nothing is drawn either: drawing for the meta device imports torch's compiler, half as long as
    torch itself.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in (
            "normal_",
            "uniform_",
            "trunc_normal_",
            "fill_",
            "zero_",
            "mul_",
            "erfinv_",
            "add_",
            "clamp_",
        ):
            return args[0] if args else kwargs["tensor"]
        if name in ("randn", "eye"):
            sides = args if name == "randn" or len(args) > 1 else (*args, *args)
            return torch.empty(*sides, device="meta")
        return func(*args, **kwargs)


@dataclass(frozen=True)
class Header:
    """What a safetensors file says of itself. shapes, kinds (`F32`, ...): by the name of the
    tensor. scaled: those stored as int8 with a scale for each row (the tensor `NAME.scale`, which
    is not among the others).
    """

    path: Path
    shapes: Mapping[str, Shape]
    kinds: Mapping[str, str]
    scaled: frozenset[str] = frozenset()


def read_header(path: Path) -> Header:
    """The header of a safetensors file, and whether it tells the truth about the file's size.

    Raises CheckpointError for a file that is absent, truncated, not safetensors, or too large for
    this machine.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            state = os.fstat(file.fileno())
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if state.st_size < _LENGTH_BYTES or length > min(
                _HEADER_LIMIT, state.st_size - _LENGTH_BYTES
            ):
                raise ForeignFileError(
                    f"its header of {length:,} bytes is longer than {_room(state.st_size)}"
                )
            described = parse_json_object(file.read(length).decode())
        held = state.st_size - _LENGTH_BYTES - length
        _check_holes(state)
        described.pop("__metadata__", None)
        return _header(path, described, held)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is not there; copy the model again") from None
    except (OSError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"{path} cannot be read as safetensors ({error}); copy the model again"
        ) from error


def _room(size: int) -> str:
    return (
        f"the {_HEADER_LIMIT:,} a header may have"
        if size > _HEADER_LIMIT
        else f"the file of {size:,}"
    )


def _check_holes(state: os.stat_result) -> None:
    stored = getattr(state, "st_blocks", 0) * _BLOCK_BYTES  # 0: a file system that does not say
    if state.st_size > _HOLES and 0 < stored < state.st_size / 2:
        raise ForeignFileError(
            f"only {stored:,} of its {state.st_size:,} bytes were ever written, as after a "
            "download that broke off"
        )


def _header(path: Path, described: Mapping[str, Any], held: int) -> Header:
    shapes: dict[str, Shape] = {}
    kinds: dict[str, str] = {}
    places: list[tuple[int, int]] = []
    for name, entry in described.items():
        if not isinstance(entry, dict) or {"dtype", "shape", "data_offsets"} - set(entry):
            raise ForeignFileError(f"{brief(name)} has no dtype, shape and data_offsets")
        kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(kind, str) or kind not in _FLOATS | _OTHERS:
            raise ForeignFileError(
                f"{brief(name)} is of type {brief(kind)}, expected one of {', '.join(_FLOATS)}; "
                "export it so"
            )
        if not _whole(shape, _MOST_AXES) or not _whole(offsets, 2) or len(offsets) != 2:
            raise ForeignFileError(
                f"the shape or the place of {brief(name)} is no list of numbers of 0 and up"
            )
        if math.prod(shape) * (_FLOATS | _OTHERS)[kind] != offsets[1] - offsets[0]:
            raise ForeignFileError(
                f"{brief(name)} of shape {_shown(shape)} has {offsets[1] - offsets[0]:,} bytes"
            )
        shapes[name], kinds[name] = tuple(shape), kind
        places.append((offsets[0], offsets[1]))
    end = 0
    for begin, until in sorted(places):
        if begin != end:
            raise ForeignFileError(
                f"its tensors overlap or leave a gap at byte {min(begin, end):,}"
            )
        end = until
    if end != held:
        raise ForeignFileError(f"its tensors take {end:,} bytes, the file holds {held:,}")
    return _with_scales(path, shapes, kinds)


def _with_scales(path: Path, shapes: dict[str, Shape], kinds: dict[str, str]) -> Header:
    """The header with every scale joined to its tensor."""
    scaled = frozenset(
        name for name, kind in kinds.items() if kind == "I8" and name + _SCALE in kinds
    )
    for name in scaled:
        scale = name + _SCALE
        if kinds[scale] not in _SCALE_KINDS or shapes[scale] != shapes[name][:1]:
            raise ForeignFileError(
                f"{brief(scale)} is {kinds[scale]} of shape {_shown(shapes[scale])}, expected "
                f"{' or '.join(_SCALE_KINDS)} of shape {_shown(shapes[name][:1])}"
            )
        del shapes[scale], kinds[scale]
    return Header(path, shapes, kinds, scaled)


def _whole(values: object, most: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= most
        and all(type(value) is int and 0 <= value < 1 << 48 for value in values)
    )


def _shown(shape: Iterable[int]) -> str:
    return str(tuple(shape))


def read_weights(header: Header, ignored: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Every tensor as float32, but for names that end in one of `ignored`; int8 tensors times
    their scales. CheckpointError for a file that does not read, for integers without a scale, for
    numbers that are not finite and scales that are not positive.
    """
    wanted = [name for name in header.kinds if not name.endswith(ignored or ("\0",))]
    whole = [
        name for name in wanted if header.kinds[name] not in _FLOATS and name not in header.scaled
    ]
    if whole:
        raise CheckpointError(
            f"{header.path} holds whole numbers ({brief_list(whole)}), expected one of "
            f"{', '.join(_FLOATS)}: "
            "quantised weights are not read, but for int8 with a scale for each row; export the model "
            "in float16 or float32"
        )
    require_memory(sum(map(math.prod, header.shapes.values())), header.path)
    try:
        stored = load_file(header.path)
        weights = {
            name: _times_scale(stored[name], stored[name + _SCALE], name)
            if name in header.scaled
            else stored[name].to(torch.float32, copy=True)
            for name in wanted
        }
    except (OSError, SafetensorError, RuntimeError, KeyError) as error:
        raise CheckpointError(
            f"{header.path} cannot be read as safetensors ({error}); copy the model again"
        ) from error
    require_finite(weights.items(), str(header.path))
    return weights


def _times_scale(steps: Tensor, scale: Tensor, name: str) -> Tensor:
    """Rows of whole steps times the size of a step, in float32."""
    scale = scale.float()
    if not bool(((scale > 0) & torch.isfinite(scale)).all()):
        raise RuntimeError(f"the scale of {brief(name)} must be above 0 and finite")
    return steps * scale.reshape(-1, *[1] * (steps.ndim - 1))


def stored_weights(weights: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Convert weights to the precision of a file.

    Args:
        weights: Tensors by name.
        dtype: A floating-point precision; or `torch.int8`: tensors of two or more axes and at
            least 4,096 numbers are stored as int8 with a scale for each row (`NAME.scale`), the
            rest in float16.

    Returns:
        The tensors of the file.

    Example:
        >>> stored = stored_weights({"w": torch.randn(64, 64), "b": torch.zeros(64)}, torch.int8)
        >>> {name: str(tensor.dtype) for name, tensor in stored.items()}
        {'w': 'torch.int8', 'w.scale': 'torch.float32', 'b': 'torch.float16'}
    """
    stored = {}
    for name, given in weights.items():
        tensor = given.detach().cpu()
        if dtype != torch.int8:
            stored[name] = tensor.to(dtype).contiguous()
        elif tensor.ndim < 2 or tensor.numel() < _SMALLEST_INT8:
            stored[name] = tensor.to(torch.float16).contiguous()
        else:
            rows = tensor.float().flatten(1)
            scale = rows.abs().amax(1) / _STEPS
            scale = torch.where(scale > 0, scale, 1.0)  # a row of zeros
            steps = (rows / scale[:, None]).round().clamp(-_STEPS, _STEPS)
            stored[name] = steps.to(torch.int8).reshape(tensor.shape).contiguous()
            stored[name + _SCALE] = scale
    return stored


def require_memory(numbers: int, origin: object) -> None:
    """CheckpointError where this machine's memory does not hold so many numbers twice, the file's
    and the model's.
    """
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return
    if 2 * 4 * numbers > memory:
        raise CheckpointError(
            f"{origin} needs {2 * 4 * numbers / 2**30:.0f} GiB of memory, this machine has "
            f"{memory / 2**30:.0f}: "
            "take a smaller model or a larger machine"
        )


def require_finite(tensors: Iterable[tuple[str, Tensor]], origin: str) -> None:
    """CheckpointError that names the first tensor with a number that is not finite (NaN or
    infinite).
    """
    for name, tensor in tensors:
        if not is_finite(tensor):
            raise CheckpointError(
                f"{origin}: {brief(name)} holds numbers that are not finite, so nothing it makes "
                "could be compared; "
                "copy the model again, or take another one"
            )


def load_strictly(
    module: nn.Module, weights: dict[str, Tensor], origin: str, ignored: tuple[str, ...] = ()
) -> None:
    """Load every tensor; CheckpointError names what is missing, unexpected, of another shape or not
    finite.

    A module on torch's meta device, which has shapes and no numbers, takes the tensors themselves.
    """
    weights = {
        name: tensor for name, tensor in weights.items() if not name.endswith(ignored or ("\0",))
    }
    require_same_shapes(
        module, {name: tuple(tensor.shape) for name, tensor in weights.items()}, origin
    )
    require_finite(weights.items(), origin)
    module.load_state_dict(
        weights, assign=any(tensor.is_meta for tensor in module.state_dict().values())
    )


def require_same_shapes(
    module: nn.Module, given: Mapping[str, Shape], origin: str, ignored: Iterable[str] = ()
) -> None:
    """CheckpointError where the names or shapes of a module's tensors are not the given ones; the
    module may lie on torch's meta device, where it takes no memory.
    """
    ends = tuple(ignored) or ("\0",)
    given = {name: shape for name, shape in given.items() if not name.endswith(ends)}
    own = {
        name: tuple(tensor.shape)
        for name, tensor in module.state_dict().items()
        if not name.endswith(ends)
    }
    problems = [f"missing {name}" for name in own if name not in given]
    problems += [f"unexpected {_plain(name)}" for name in given if name not in own]
    problems += [
        f"{name} has shape {given[name]}, expected {shape}"
        for name, shape in own.items()
        if name in given and given[name] != shape
    ]
    if problems:
        shown = "; ".join(problems[:5]) + (
            f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        )
        raise CheckpointError(f"{origin} does not fit its config.json: {shown}")


def _plain(name: str) -> str:
    """A name of the file's: as it is where it is a plain one."""
    return name if name.isascii() and name.isprintable() and len(name) < 100 else brief(name)


def sketched(
    make: Callable[[], Module],
    shapes: Mapping[str, Shape],
    origin: str,
    ignored: Iterable[str] = (),
) -> Module:
    """What `make` makes, on torch's meta device: shapes without numbers, which must be exactly
    those of `shapes`.

    ignored: ends of names, in the module and in `shapes`, that are not compared.

    Raises CheckpointError where it has others, or is more than this machine's memory holds.
    """
    with torch.device("meta"), ShapesOnly():
        sketch = make()
    require_same_shapes(sketch, shapes, origin, ignored)
    require_memory(sum(tensor.numel() for tensor in sketch.state_dict().values()), origin)
    return sketch


@contextmanager
def refusals(origin: object, passing: type[FinereelError] = ModelError) -> Iterator[None]:
    """Ends whatever a block raises about the model in `origin` as a ModelError: what its settings,
    its tokenizer or a library that reads them complains about is always an error of the model.
    `passing` errors stay as they are.
    """
    try:
        yield
    except passing:
        raise
    except FinereelError as error:
        raise CheckpointError(f"{origin}: {error}") from error
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{error.filename} is not there: give a whole model directory"
        ) from error
    except ForeignFileError as error:
        raise CheckpointError(f"{origin}: {error}; copy the model again") from error
    except MemoryError as error:
        raise CheckpointError(
            f"{origin} needs more memory than there is: take a smaller model"
        ) from error
    except (
        Exception
    ) as error:  # other libraries raise anything; this is about the model, not about the program
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise CheckpointError(
            f"{origin} does not describe a model that can be made ({said}); copy the model again"
        ) from error


# NUMBERS A PERSON CAN TRUST: features and scores that are NaN or infinite are an error, and never
# an answer.
Features = TypeVar("Features")
Scores = TypeVar("Scores")


def require_finite_features(features: Features, name: str) -> Features:
    """The features as they are; ModelError where the model called `name` made numbers of them that
    are not finite.
    """
    for field in fields(features):  # type: ignore[arg-type]
        tensor = getattr(features, field.name)
        if isinstance(tensor, Tensor) and not is_finite(tensor):
            raise ModelError(
                f"model {name} makes {field.name} features that are not finite numbers: its "
                "weights are too large or "
                "damaged; copy the model again, or take another one"
            )
    return features


def require_finite_scores(scores: Scores, name: str) -> Scores:
    """The scores as they are; ModelError where the head of the model called `name` made some that
    are not finite.
    """
    for part, matrix in scores.parts.items():  # type: ignore[attr-defined]
        if not is_finite(matrix):
            raise ModelError(
                f"model {name} gives {part} scores that are not finite numbers: the weights of its "
                "head are too large "
                "or damaged; copy the model again, or take another one"
            )
    return scores


def is_finite(tensor: Tensor) -> bool:
    """Whether no number of a tensor is NaN or infinite."""
    if not tensor.is_floating_point():
        return True
    return bool(torch.isfinite(tensor.sum())) or bool(
        torch.isfinite(tensor).all()
    )  # the sum alone may overflow


@runtime_checkable
class Vocabulary(Protocol):
    """A tokenizer as far as a model directory needs it."""

    def save(self, folder: Path) -> None:
        """Write its files into `folder`."""


def write_model(
    folder: Path,
    weights: Mapping[str, Tensor],
    tokenizer: Vocabulary | None,
    described: Mapping[str, Any],
) -> None:
    """Write a model directory: weights first, `config.json` last, each file replaced as a whole."""
    folder.mkdir(parents=True, exist_ok=True)
    with replace_file(folder / "model.safetensors") as fresh:
        save_file(dict(weights), fresh)
    if tokenizer is not None:
        tokenizer.save(folder)
    whole = {"format": FORMAT, "version": FORMAT_VERSION, **described}
    write_file(folder / "config.json", json.dumps(whole, indent=2) + "\n")
