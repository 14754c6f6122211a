"""Hostile checkpoints: pickles that run something when read, archives that grow, tensors larger
than their numbers.

Every payload would leave a file, the canary. It must never appear, and every file must be refused
with a typed error within 2 s of processor time and 1 GiB of memory. A part of them is also handed
straight to the guarded process, as if the look at their instructions had let them pass.
"""

import io
import pickle
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from research.attacks.base import Result
from research.attacks.server import Outcome, Server

NEVER = "the canary's payload runs, an untyped error, a hang, more than 1 GiB"
_PAST = 6  # one in so many is also tried on the guarded process alone, which takes seconds to start
_LEGACY = (
    0x1950A86A20F9469CFC6C,
    1001,
    {"protocol_version": 1001, "little_endian": True, "type_sizes": {}},
)
Maker = Callable[[Path], bytes]
"""The bytes of a file, given where the canary would be."""


def attack(scratch: Path, count: int, seed: int) -> list[Result]:
    """About `count` files: one of every kind, then seeded random changes of them."""
    rng, canary = random.Random(seed), scratch / "canary"
    makers = list(patterns())
    chosen = [
        makers[number * len(makers) // min(count, len(makers))]
        for number in range(min(count, len(makers)))
    ]
    failures: list[str] = []
    with Server() as server:
        for number in range(count):
            name, make = chosen[number] if number < len(chosen) else rng.choice(makers)
            content = make(canary)
            if number >= len(chosen):
                name, content = f"{name}, changed {number}", _changed(content, rng)
            path = scratch / f"file{number}.bin"
            path.write_bytes(content)
            outcome = server.try_out("checkpoint", path)
            failures += _failure(name, outcome, canary)
            if number % _PAST == 0:
                outcome = server.try_out("unpickle", path, wall=120)
                limited = (
                    Outcome("typed") if outcome.kind == "memory" else outcome
                )  # which is what the process is for
                failures += _failure(f"{name}, past the first look", limited, canary)
            path.unlink()
    return [Result("hostile checkpoints", count, len(failures), NEVER, tuple(failures[:10]))]


def _failure(name: str, outcome: Outcome, canary: Path) -> list[str]:
    if canary.exists():
        canary.unlink()
        return [f"{name}: the canary ran"]
    if outcome.kind not in ("typed", "loaded") or "\n" in outcome.detail:
        return [f"{name}: {outcome.kind} {outcome.detail}"]
    return []


def patterns() -> Iterator[tuple[str, Maker]]:
    """Every kind of hostile checkpoint by its name."""
    for name, program in programs().items():
        yield f"{name} in an archive", lambda canary, program=program: archive(program(canary))  # type: ignore[misc]
        yield f"{name}, legacy", lambda canary, program=program: legacy(program(canary))  # type: ignore[misc]
    reduce = programs()["REDUCE os.system"]
    yield "a bare pickle", lambda canary: reduce(canary)
    yield "the first of the legacy pickles", lambda canary: reduce(canary) + legacy(b"\x80\x02}.")
    yield (
        "the system of the legacy pickles",
        lambda canary: legacy(b"\x80\x02}.", system=reduce(canary)),
    )
    yield (
        "the keys of the legacy pickles",
        lambda canary: legacy(b"\x80\x02}.", keys=reduce(canary)),
    )
    yield "a tar archive", lambda canary: _tar(reduce(canary))
    yield (
        "TorchScript",
        lambda canary: archive(
            reduce(canary), {"m/constants.pkl": reduce(canary), "m/code/m.py": b""}
        ),
    )
    yield "an archive in an archive", lambda canary: archive(archive(reduce(canary)))
    yield "two pickles of one name", lambda canary: _twice(reduce(canary))
    yield (
        "a pickle in a second folder",
        lambda canary: archive(b"\x80\x02}.", {"n/data.pkl": reduce(canary)}),
    )
    for name in (
        "../evil",
        "/evil",
        "m/../../evil",
        "m\\..\\evil",
        "m/\x00evil",
        "m/" + "x" * 5000,
    ):
        yield f"an entry called {name[:20]!r}", _with_entry(name)
    yield (
        "a bomb of zeros",
        lambda canary: archive(tensors(), {"m/data/0": bytes(400 << 20)}, zipfile.ZIP_DEFLATED),
    )
    yield (
        "a bomb in its pickle",
        lambda canary: archive(b"\x80\x02" + b"N0" * 50_000_000 + b"}.", None, 8),
    )
    yield (
        "a bomb that hides its size",
        lambda canary: _smaller(archive(tensors(), {"m/data/0": bytes(1 << 24)}, 8)),
    )
    yield (
        "a bomb of entries",
        lambda canary: archive(tensors(), {f"m/data/{n}": b"" for n in range(20_000)}),
    )
    yield (
        "a bomb of overlapping entries",
        lambda canary: _overlapping(archive(tensors(), {"m/data/0": bytes(1 << 20)})),
    )
    yield "a promise of 2**40 entries", lambda canary: _promising(archive(tensors()))
    for name, shape in (
        ("2**40 numbers", (1 << 40,)),
        ("a negative size", (-5,)),
        ("2**70 numbers", (1 << 35, 1 << 35)),
    ):
        yield f"a tensor of {name}", _with_shape(shape, (0,) * len(shape))
        yield f"a tensor of {name} in steps", _with_shape(shape, (1,) * len(shape))
    yield "a tensor that starts behind its numbers", _with_shape((4,), (1,), offset=1 << 40)
    yield (
        "a storage larger than its numbers",
        lambda canary: archive(tensors(stored=1 << 40), {"m/data/0": b"\0" * 16}),
    )
    yield (
        "a storage smaller than its numbers",
        lambda canary: archive(tensors(stored=1), {"m/data/0": b"\0" * 16}),
    )
    yield (
        "SETITEM on a tensor",
        lambda canary: archive(tensors(after=b"h\x07K\x00K\x01s"), {"m/data/0": b"\0" * 16}),
    )
    yield "SETITEMS on a list", lambda canary: archive(b"\x80\x02](K\x00K\x01u.")
    yield "a memo of 2**32", lambda canary: archive(b"\x80\x02}r\xff\xff\xff\xff.")
    yield (
        "marks without end",
        lambda canary: archive(b"\x80\x02" + b"(" * 1_000_000 + b"t" * 1_000_000 + b"."),
    )
    yield (
        "half a million lists in one another",
        lambda canary: archive(b"\x80\x02" + b"]" * 250_000 + b"a" * 249_999 + b"."),
    )
    yield (
        "an integer of a million digits",
        lambda canary: archive(b"\x80\x02L" + b"9" * 1_000_000 + b"L\n."),
    )
    yield "a string of 4 GiB", lambda canary: archive(b"\x80\x02X\xff\xff\xff\xff.")
    yield "an integer of 2 GiB", lambda canary: archive(b"\x80\x02\x8b\xff\xff\xff\x7f.")
    for content in (
        b"",
        b"PK\x03\x04",
        b"\x80",
        b"\x80\x02.",
        b"\0" * 100_000,
        b"{}",
        b"PK\x05\x06" + bytes(18),
    ):
        yield f"the bytes {content[:6]!r}", lambda canary, content=content: content  # type: ignore[misc]


# Pickles that run something, as instructions.


def programs() -> dict[str, Maker]:
    """Pickled programs by the way they run: each would create the canary."""

    def calling(module: str, name: str, how: str) -> Maker:
        return lambda canary: (
            b"\x80\x02" + _call(module, name, _text(f"touch {canary}"), how) + b"."
        )

    calls = {
        f"{how} os.system": calling("posix", "system", how)
        for how in ("REDUCE", "INST", "OBJ", "NEWOBJ")
    }
    calls |= {
        f"REDUCE {module}.{name}": calling(module, name, "REDUCE")
        for module, name in (
            ("os", "system"), ("os", "popen"), ("subprocess", "getoutput"), ("subprocess", "os.system"),
            ("torch.serialization", "os.system"), ("torch._utils", "os.system"), ("collections", "abc.sys.exit"),
            ("torch", "os.system"), ("numpy.testing._private.utils", "runstring"), ("builtins", "eval"),
            ("builtins", "exec"), ("pty", "spawn"), ("torch.jit", "load"), ("torch", "load"), ("torch.hub", "load"),
            ("torch.utils.collect_env", "run"), ("timeit", "timeit"), ("webbrowser", "open"), ("ctypes", "CDLL"),
        )
    }  # fmt: skip
    return calls | {
        "STACK_GLOBAL os.system": lambda canary: (
            b"\x80\x04\x8c\x05posix\x8c\x06system\x93" + _text(f"touch {canary}") + b"\x85R."
        ),
        "NEWOBJ_EX": lambda canary: b"\x80\x04cposix\nsystem\n" + _text(f"touch {canary}") + b"\x85}\x92.",
        "EXT1": lambda canary: b"\x80\x02\x82\x01)R.",
        "BUILD of __setstate__": lambda canary: (
            b"\x80\x02ccollections\nOrderedDict\n)R}X\x0c\x00\x00\x00__setstate__cposix\nsystem\nsb"
            + _text(f"touch {canary}") + b"b."
        ),
        "BUILD of a tensor": lambda canary: (
            b"\x80\x02ctorch\nTensor\n)\x81}X\x01\x00\x00\x00acposix\nsystem\nsb."
        ),
        "a class with a program in it": lambda canary: pickle.dumps(_Touch(canary), 2),
        "a program among tensors": lambda canary: pickle.dumps({"weight": _Touch(canary)}, 2),
        "a program as a key": lambda canary: pickle.dumps({_Touch(canary): 1}, 2),
        "protocol 4": lambda canary: pickle.dumps(_Touch(canary), 4),
        "protocol 0": lambda canary: pickle.dumps(_Touch(canary), 0),
        "a name with a new line": lambda canary: b"\x80\x02cposix\nsystem\rx\n" + _text(f"touch {canary}") + b"\x85R.",
        "a persistent id that runs": lambda canary: (
            b"\x80\x02" + _call("posix", "system", _text(f"touch {canary}"), "REDUCE") + b"Q."
        ),
        "numpy's reconstruct": lambda canary: (
            b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R."
        ),
    }  # fmt: skip


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, (f"touch {self.path}",)


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _call(module: str, name: str, argument: bytes, how: str) -> bytes:
    function = f"c{module}\n{name}\n".encode()
    return {
        "REDUCE": function + argument + b"\x85R",
        "INST": b"(" + argument + f"i{module}\n{name}\n".encode(),
        "OBJ": b"(" + function + argument + b"o",
        "NEWOBJ": function + argument + b"\x85\x81",
    }[how]


# Containers.


def archive(
    program: bytes, more: dict[str, bytes] | None = None, method: int = zipfile.ZIP_STORED
) -> bytes:
    """A file as `torch.save` writes it, around a pickle."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as packed:
        for name, content in ({"m/data.pkl": program, "m/version": b"3\n"} | (more or {})).items():
            packed.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


def legacy(program: bytes, system: bytes | None = None, keys: bytes | None = None) -> bytes:
    """A file as torch wrote it before 2020, around a pickle."""
    first, version, usual = (pickle.dumps(value, 2) for value in _LEGACY)
    return first + version + (system or usual) + program + (keys or pickle.dumps([], 2))


def tensors(
    size: tuple[int, ...] = (4,),
    stride: tuple[int, ...] = (1,),
    offset: int = 0,
    stored: int = 4,
    after: bytes = b"",
) -> bytes:
    """The pickle of {"w": a float tensor} whose numbers are the entry `data/0`; `after`:
    instructions behind it.
    """
    program = b"\x80\x02}q\x00" + _text("w") + b"ctorch._utils\n_rebuild_tensor_v2\n(("
    program += (
        _text("storage")
        + b"ctorch\nFloatStorage\n"
        + _text("0")
        + _text("cpu")
        + _number(stored)
        + b"tQ"
    )
    program += (
        _number(offset)
        + b"("
        + b"".join(map(_number, size))
        + b"t("
        + b"".join(map(_number, stride))
        + b"t"
    )
    return program + b"\x89ccollections\nOrderedDict\n)RtRq\x07" + after + b"s."


def _number(value: int) -> bytes:
    data = pickle.encode_long(value)
    return b"\x8a" + bytes([len(data)]) + data


def _with_shape(size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> Maker:
    return lambda canary: archive(tensors(size, stride, offset), {"m/data/0": bytes(16)})


def _with_entry(name: str) -> Maker:
    return lambda canary: archive(tensors(), {"m/data/0": bytes(16), name: b"x"})


def _twice(program: bytes) -> bytes:
    """Two entries called data.pkl: which one counts depends on who reads."""
    return archive(b"\x80\x02}.", {"m/dbtb.pkl": program}).replace(b"m/dbtb.pkl", b"m/data.pkl")


def _smaller(content: bytes) -> bytes:
    """The last entry says that it inflates to 16 bytes."""
    place, changed = content.rfind(b"PK\x01\x02"), bytearray(content)
    changed[place + 24 : place + 28] = struct.pack("<I", 16)
    return bytes(changed)


def _overlapping(content: bytes) -> bytes:
    """A list of entries in which all lie where the last one lies."""
    changed, last = bytearray(content), content.rfind(b"PK\x01\x02")
    place = content.find(b"PK\x01\x02")
    while 0 <= place < last:
        changed[place + 20 : place + 28] = content[last + 20 : last + 28]
        changed[place + 42 : place + 46] = content[last + 42 : last + 46]
        place = content.find(b"PK\x01\x02", place + 4)
    return bytes(changed)


def _promising(content: bytes) -> bytes:
    """An end that promises 2**40 entries."""
    end = content.rfind(b"PK\x05\x06")
    wide = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1 << 40, 1 << 40, 100, 0)
    return content[:end] + wide + b"PK\x06\x07" + struct.pack("<IQI", 0, end, 1) + content[end:]


def _tar(program: bytes) -> bytes:
    """The oldest form, which torch unpickles without restriction where it is asked to."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as packed:
        for name in ("storages", "tensors", "pickle"):
            entry = tarfile.TarInfo(name)
            entry.size = len(program)
            packed.addfile(entry, io.BytesIO(program))
    return stream.getvalue()


def _changed(content: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, a piece cut out, or the end missing."""
    changed = bytearray(content[: 1 << 20])
    for _ in range(rng.choice((1, 2, 20))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.choice(
                (0, 0x80, 0xFF, ord("R"), ord("c"), rng.randrange(256))
            )
    if rng.random() < 0.3:
        start = rng.randrange(len(changed) + 1)
        del changed[start : start + rng.randrange(1, 50)]
    return bytes(changed[: rng.randrange(len(changed) + 1)] if rng.random() < 0.2 else changed)
