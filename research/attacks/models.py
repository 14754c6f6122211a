"""Hostile and broken model directories: settings, weights and tokenizers changed in every way that
a file can be wrong.

Whatever lies in a directory, loading it, encoding with it and scoring either works or ends in a
typed error, within 2 s of processor time and 1 GiB of memory after the imports.
"""

import json
import os
import random
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from research.attacks.base import Result
from research.attacks.server import Outcome, Server

Change = Callable[[Path], None]
Case = tuple[str, str, Change]
"""A name, the model that is changed, and the change to a copy of its folder."""

BASES = ("own", "clip", "features")
NEVER = "an untyped error, a hang, more than 1 GiB, scores that are not finite"
VALUES: tuple[Any, ...] = (
    -1, 0, 1, 3, 7, 64, 513, 10_000, 1_000_000, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"),
    "", "12", "x" * 1000, "a\nb\u001b[31m", "\ud800", None, True, False, [], [1], [[[]]], {}, {"a": 1},
)  # fmt: skip


def attack(scratch: Path, count: int, seed: int) -> list[Result]:
    """About `count` hostile models: the list of `cases`, then seeded random changes of the same
    kinds.
    """
    failures = []
    with Server() as server:
        made = server.try_out("bases", scratch / "bases")
        assert made.kind == "loaded", made
        bases = {name: scratch / "bases" / name for name in BASES}
        chosen = cases(count, random.Random(seed), bases)
        for name in BASES:
            outcome = server.try_out("model", bases[name])
            if outcome.kind != "loaded":
                failures.append(f"the unchanged {name} model: {outcome.kind} {outcome.detail}")
        for number, (name, base, change) in enumerate(chosen):
            folder = scratch / f"case{number}"
            shutil.copytree(bases[base], folder)
            change(folder)
            outcome = server.try_out("model", folder)
            if is_failure(outcome):
                failures.append(f"{base}: {name}: {outcome.kind} {outcome.detail}")
            shutil.rmtree(folder)
    return [Result("hostile models", len(chosen), len(failures), NEVER, tuple(failures[:10]))]


def is_failure(outcome: Outcome) -> bool:
    """What must never happen; a message of several lines would break a log."""
    return outcome.kind not in ("typed", "loaded") or "\n" in outcome.detail


def cases(count: int, rng: random.Random, bases: dict[str, Path]) -> list[Case]:
    """`count` changes: half from the list, evenly spread where it is longer, the rest at random."""
    listed = [*_files(), *_settings(bases), *_headers(), *_tokenizers()]
    wanted = min(len(listed), max(1, count * 2 // 3))
    chosen = [listed[number * len(listed) // wanted] for number in range(wanted)]
    return chosen + [_random_case(rng, bases) for _ in range(count - len(chosen))]


def write_json(path: Path, value: Any) -> None:
    """JSON as Python writes it: NaN and halves of surrogate pairs included."""
    path.write_text(json.dumps(value), encoding="utf-8")


# Files that are not what their name says.


def _replaced(name: str, make: Callable[[Path], object]) -> Change:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return change


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 30)


_CONTENTS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "empty": lambda path: path.touch(),
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "1 GiB of zeros": _sparse,
    "not UTF-8": lambda path: path.write_bytes(b'{"a": "\xff\xfe"}'),
    "UTF-16": lambda path: path.write_bytes('{"model_type": "clip"}'.encode("utf-16")),
    "NUL bytes": lambda path: path.write_bytes(b"\0" * 1000),
    "a million brackets": lambda path: path.write_bytes(b"[" * 1_000_000),
    "a million objects": lambda path: path.write_bytes(b'{"a":' * 1_000_000),
    "800 levels": lambda path: path.write_bytes(b'{"a":' * 800 + b"1" + b"}" * 800),
    "a list": lambda path: path.write_bytes(b"[1, 2]"),
    "a number": lambda path: path.write_bytes(b"7"),
    "null": lambda path: path.write_bytes(b"null"),
    "5,000 digits": lambda path: path.write_bytes(b'{"a": ' + b"9" * 5000 + b"}"),
    "10 MiB of lists": lambda path: path.write_bytes(b'{"a": [' + b"[]," * 3_000_000 + b"[]]}"),
    "a key twice": lambda path: path.write_bytes(b'{"model_type": "clip", "model_type": "clip"}'),
    "a pickle": lambda path: path.write_bytes(
        b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."
    ),
}


def _files() -> Iterator[Case]:
    for name in ("config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"):
        for content, make in _CONTENTS.items():
            yield f"{name} is {content}", "clip", _replaced(name, make)
    for content in ("nothing", "empty", "a folder", "a pipe", "1 GiB of zeros", "800 levels"):
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            yield f"{name} is {content}", "own", _replaced(name, _CONTENTS[content])
    yield (
        "config.json after a byte order mark",
        "own",
        _with_bytes("config.json", lambda data: b"\xef\xbb\xbf" + data),
    )
    yield (
        "half of config.json",
        "own",
        _with_bytes("config.json", lambda data: data[: len(data) // 2]),
    )
    yield (
        "half of the weights",
        "own",
        _with_bytes("model.safetensors", lambda data: data[: len(data) // 2]),
    )
    yield (
        "weights and more",
        "clip",
        _with_bytes("model.safetensors", lambda data: data + bytes(100)),
    )


def _with_bytes(name: str, edit: Callable[[bytes], bytes]) -> Change:
    return lambda folder: (folder / name).write_bytes(edit((folder / name).read_bytes())) and None


# Settings.


def _with_json(name: str, edit: Callable[[Any], object]) -> Change:
    def change(folder: Path) -> None:
        value = json.loads((folder / name).read_text(encoding="utf-8"))
        edit(value)
        write_json(folder / name, value)

    return change


def _leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if place:
        yield place
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, each in inner:
        yield from _leaves(each, (*place, key))


def _set(place: tuple[Any, ...], new: Any) -> Callable[[Any], None]:
    def edit(value: Any) -> None:
        for key in place[:-1]:
            value = value[key]
        value[place[-1]] = new

    return edit


def _drop(place: tuple[Any, ...]) -> Callable[[Any], None]:
    def edit(value: Any) -> None:
        for key in place[:-1]:
            value = value[key]
        del value[place[-1]]

    return edit


HUGE = {
    "own": (
        "model.temporal_layers", "model.max_frames", "model.max_words", "model.patches_per_frame",
        "clip.text_config.num_hidden_layers", "clip.vision_config.num_hidden_layers", "clip.projection_dim",
        "clip.text_config.vocab_size", "clip.text_config.hidden_size", "clip.text_config.max_position_embeddings",
    ),
    "clip": (
        "vision_config.num_hidden_layers", "text_config.num_hidden_layers", "vision_config.hidden_size",
        "vision_config.intermediate_size", "text_config.intermediate_size", "vision_config.image_size",
        "vision_config.patch_size", "projection_dim", "text_config.vocab_size", "text_config.num_attention_heads",
    ),
    "features": (
        "features.dim", "features.token_dim", "features.tokens_per_frame", "features.vocab_size", "features.hidden",
        "features.text_width", "features.text_blocks", "features.text_positions", "model.max_frames",
    ),
}  # fmt: skip


def _settings(bases: dict[str, Path]) -> Iterator[Case]:
    for base, places in HUGE.items():
        for place in places:
            for value in (100, 10_000, 1_000_000, 10**12, -1, 0):
                edit = _set(tuple(place.split(".")), value)
                yield f"{place} = {value}", base, _with_json("config.json", edit)
    for base in BASES:
        described = json.loads((bases[base] / "config.json").read_text(encoding="utf-8"))
        for place in _leaves(described):
            name = ".".join(map(str, place))
            for value in (None, "x", [], {}, float("nan"), -1):
                yield f"{name} = {value!r}", base, _with_json("config.json", _set(place, value))
            yield f"{name} is absent", base, _with_json("config.json", _drop(place))
    prompts = {"visual_prompts": 1_000_000, "text_prompts": 1_000_000}
    yield "a million prompts", "own", _with_json("config.json", _set(("model", "fine"), prompts))
    picture = {"image_size": 1_000_000, "patch_size": 1}
    yield (
        "pictures of 1e6 x 1e6",
        "clip",
        _with_json("config.json", lambda v: v["vision_config"].update(picture)),
    )
    yield (
        "a kernel to fetch",
        "clip",
        _with_json("config.json", _set(("attn_implementation",), "kernels/evil")),
    )
    yield (
        "code to load",
        "clip",
        _with_json("config.json", _set(("auto_map",), {"AutoModel": "evil.Model"})),
    )
    for key in ("image_mean", "image_std", "size", "crop_size", "resample", "rescale_factor"):
        for value in (
            0,
            -1,
            10**9,
            float("nan"),
            "x",
            [],
            [0, 0, 0],
            {"height": 10**9, "width": 1},
        ):
            edit = _set((key,), value)
            yield (
                f"preprocessor {key} = {value!r}",
                "clip",
                _with_json("preprocessor_config.json", edit),
            )


# Weights.


def _split(data: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def _join(header: Any, body: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def _with_header(edit: Callable[[dict[str, Any]], object]) -> Change:
    def change(data: bytes) -> bytes:
        header, body = _split(data)
        edit(header)
        return _join(header, body)

    return _with_bytes("model.safetensors", change)


def _first(header: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = next(value for key, value in header.items() if key != "__metadata__")
    return entry


_KINDS = {
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "uint16": "BF16",
    "int8": "I8",
    "bool": "BOOL",
}


def _with_tensors(edit: Callable[[dict[str, np.ndarray]], object]) -> Change:
    """Tensors as arrays; uint16 stands for bfloat16, which numpy does not have."""

    def change(data: bytes) -> bytes:
        header, body = _split(data)
        places = {name: entry for name, entry in header.items() if name != "__metadata__"}
        tensors = {
            name: np.frombuffer(body[slice(*entry["data_offsets"])], np.float32)
            .reshape(entry["shape"])
            .copy()
            for name, entry in places.items()
        }
        edit(tensors)
        made: dict[str, Any] = {}
        stored = b""
        for name, array in tensors.items():
            content = np.ascontiguousarray(array).tobytes()
            ends = [len(stored), len(stored) + len(content)]
            made[name] = {
                "dtype": _KINDS[array.dtype.name],
                "shape": list(array.shape),
                "data_offsets": ends,
            }
            stored += content
        return _join(made, stored)

    return _with_bytes("model.safetensors", change)


def _headers() -> Iterator[Case]:
    for length in (0, 1, 7, 2**20, 2**31, 2**63, 2**64 - 1):
        edit = _long(length)
        yield f"a header of {length} bytes", "clip", _with_bytes("model.safetensors", edit)
    entries: dict[str, Callable[[dict[str, Any]], object]] = {
        "dtype F8_E4M3": lambda entry: entry.update(dtype="F8_E4M3"),
        "dtype I32": lambda entry: entry.update(dtype="I32"),
        "dtype nonsense": lambda entry: entry.update(dtype="X" * 1000),
        "dtype a list": lambda entry: entry.update(dtype=[]),
        "shape empty": lambda entry: entry.update(shape=[]),
        "shape huge": lambda entry: entry.update(shape=[2**40, 2**40]),
        "shape negative": lambda entry: entry.update(shape=[-1, -1]),
        "shape of floats": lambda entry: entry.update(shape=[1.5]),
        "shape of 10,000 axes": lambda entry: entry.update(shape=[1] * 10_000),
        "no shape": lambda entry: entry.pop("shape"),
        "offsets overlap": lambda entry: entry.update(
            data_offsets=[0, entry["data_offsets"][1] + 4]
        ),
        "offsets beyond": lambda entry: entry.update(data_offsets=[2**50, 2**50 + 4]),
        "offsets backwards": lambda entry: entry.update(data_offsets=entry["data_offsets"][::-1]),
        "offsets of one": lambda entry: entry.update(data_offsets=[0]),
    }
    for name, edit in entries.items():
        yield name, "own", _with_header(lambda header, edit=edit: edit(_first(header)))  # type: ignore[misc]
    yield "a tensor twice", "own", _with_bytes("model.safetensors", _doubled)
    yield (
        "header a list",
        "own",
        _with_bytes("model.safetensors", lambda data: _join(b"[]", _split(data)[1])),
    )
    yield "no tensor", "clip", _with_bytes("model.safetensors", lambda data: _join({}, b""))
    yield (
        "100,000 tensors",
        "clip",
        _with_bytes("model.safetensors", lambda data: _join(_many(100_000), b"")),
    )
    yield (
        "10,000 blocks",
        "clip",
        _with_bytes("model.safetensors", lambda data: _join(_many(10_000), b"")),
    )
    for base in BASES:
        yield from ((name, base, _with_tensors(edit)) for name, edit in _tensor_changes().items())


def _long(length: int) -> Callable[[bytes], bytes]:
    return lambda data: struct.pack("<Q", length) + data[8:]


def _doubled(data: bytes) -> bytes:
    header, body = _split(data)
    text = json.dumps(header)
    name = next(key for key in header if key != "__metadata__")
    return _join(f"{text[:-1]}, {json.dumps(name)}: {json.dumps(header[name])}}}".encode(), body)


def _many(count: int) -> dict[str, Any]:
    name = "vision_model.encoder.layers.{}.layer_norm1.weight"
    return {
        name.format(number): {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
        for number in range(count)
    }


def _tensor_changes() -> dict[str, Callable[[dict[str, np.ndarray]], object]]:
    def every(change: Callable[[np.ndarray], Any]) -> Callable[[dict[str, np.ndarray]], object]:
        return lambda tensors: tensors.update(
            {name: change(array) for name, array in tensors.items()}
        )

    def one(change: Callable[[np.ndarray], Any]) -> Callable[[dict[str, np.ndarray]], object]:
        return lambda tensors: tensors.update({max(tensors): change(tensors[max(tensors)])})

    def scale(value: float) -> Callable[[dict[str, np.ndarray]], object]:
        return lambda tensors: [
            array.fill(value) for name, array in tensors.items() if "logit_scale" in name
        ]

    def filled(value: float) -> Callable[[np.ndarray], np.ndarray]:
        return lambda array: np.full(array.shape, value, np.float32)

    return {
        "NaN in one": one(filled(float("nan"))),
        "infinity in one": one(filled(float("inf"))),
        "1e38 everywhere": every(filled(1e38)),
        "1e20 times everywhere": every(
            lambda array: (array * np.float64(1e20)).clip(-3e38, 3e38).astype(np.float32)
        ),
        "zeros": every(filled(0.0)),
        "float64 beyond float32": every(lambda array: array.astype(np.float64) * 1e300),
        "bfloat16": every(
            lambda array: (
                (array.reshape(-1).view(np.uint32) >> 16).astype(np.uint16).reshape(array.shape)
            )
        ),
        "float16": every(lambda array: array.astype(np.float16)),
        "float64": every(lambda array: array.astype(np.float64)),
        "int8": every(lambda array: array.astype(np.int8)),
        "bool": every(lambda array: array > 0),
        "logit_scale 1000": scale(1000.0),
        "logit_scale -1000": scale(-1000.0),
        "a tensor missing": lambda tensors: tensors.pop(max(tensors)),
        "a tensor too many": lambda tensors: tensors.update(
            {"evil\n\x1b[2Jname": np.zeros(1, np.float32)}
        ),
        "a tensor with an axis more": one(lambda array: array[..., None]),
        "a tensor shorter": one(lambda array: array[:-1]),
        "a scalar": one(lambda array: np.zeros((), np.float32)),
        "an empty tensor": one(lambda array: np.zeros((0, 5), np.float32)),
        "none left": lambda tensors: [tensors.pop(name) for name in list(tensors)],
    }


# Tokenizers.


def _tokenizers() -> Iterator[Case]:
    vocabulary: dict[str, Callable[[dict[str, Any]], object]] = {
        "ids negative": lambda vocab: vocab.update(a=-1),
        "ids of 2**31": lambda vocab: vocab.update(a=2**31),
        "ids of 2**70": lambda vocab: vocab.update(a=2**70),
        "ids beyond the tower": lambda vocab: vocab.update(a=100_000),
        "one id too many": lambda vocab: vocab.update(zzzz=max(vocab.values()) + 1),
        "ids of floats": lambda vocab: vocab.update(a=1.5),
        "ids of truth": lambda vocab: vocab.update(a=True),
        "ids of text": lambda vocab: vocab.update(a="7"),
        "all ids alike": lambda vocab: vocab.update(dict.fromkeys(vocab, 0)),
        "empty": lambda vocab: vocab.clear(),
        "half a surrogate pair": lambda vocab: vocab.update({"\ud800": 3}),
        "no start": lambda vocab: vocab.pop("<|startoftext|>"),
        "no end": lambda vocab: vocab.pop("<|endoftext|>"),
        "letters missing": lambda vocab: [vocab.pop(letter) for letter in "abcdefgh"],
    }
    for name, edit in vocabulary.items():
        yield (
            f"vocabulary: {name}",
            "own",
            _with_json("tokenizer.json", lambda v, e=edit: e(v["model"]["vocab"])),
        )
        yield f"vocab.json: {name}", "clip", _unpacked(edit)
    for value in (
        None,
        [],
        {},
        "x",
        7,
        [["a"]],
        [["a", "b", "c"]],
        ["a"],
        [1, 2],
        ["zz yy"],
        [["a", "zz"]] * 1000,
    ):
        yield (
            f"merges = {str(value)[:20]}",
            "own",
            _with_json("tokenizer.json", _set(("model", "merges"), value)),
        )
    for place, value in (
        (("model", "vocab"), []), (("model", "vocab"), [["a", 0.5]]), (("model", "type"), "Unigram"),
        (("model", "type"), "WordPiece"), (("model", "type"), 7), (("model", "end_of_word_suffix"), None),
        (("model", "dropout"), 2.0), (("model", "unk_token"), 7), (("added_tokens",), 7), (("added_tokens",), [7]),
        (("added_tokens",), [{"id": -1, "content": "x"}]), (("added_tokens",), [{"id": 10**9, "content": "x"}]),
        (("added_tokens",), [{}]), (("model",), None),
        (("normalizer",), {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""}),
        (("pre_tokenizer",), {"type": "Split", "pattern": {"Regex": "(a|aa)+$"}, "behavior": "Isolated"}),
        (("normalizer",), 7), (("pre_tokenizer",), "x"), (("post_processor",), [1]), (("decoder",), {"type": "x"}),
    ):  # fmt: skip
        yield (
            f"tokenizer {place[-1]} = {value!r}"[:60],
            "own",
            _with_json("tokenizer.json", _set(place, value)),
        )
    wide = {f"t{number}": number for number in range(600_000)}
    yield "600,000 tokens", "own", _with_json("tokenizer.json", _set(("model", "vocab"), wide))


def _unpacked(edit: Callable[[dict[str, Any]], object]) -> Change:
    """The same vocabulary as vocab.json and merges.txt, changed."""

    def change(folder: Path) -> None:
        model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
        (folder / "tokenizer.json").unlink()
        edit(model["vocab"])
        write_json(folder / "vocab.json", model["vocab"])
        lines = [" ".join(merge) if isinstance(merge, list) else merge for merge in model["merges"]]
        (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(lines), encoding="utf-8")

    return change


# At random.


def _random_case(rng: random.Random, bases: dict[str, Path]) -> Case:
    base = rng.choice(BASES)
    name = rng.choice(("config.json", "config.json", "tokenizer.json", "model.safetensors"))
    kind = rng.randrange(3)
    if name == "model.safetensors" or kind == 0:
        seed = rng.random()
        return (
            f"bytes of {name} changed, {seed}",
            base,
            _with_bytes(name, lambda data: _damaged(data, seed)),
        )
    described = json.loads((bases[base] / name).read_text(encoding="utf-8"))
    places = list(_leaves(described))
    chosen = [(rng.choice(places), rng.choice(VALUES)) for _ in range(kind)]
    named = ", ".join(
        f"{'.'.join(map(str, place))} = {str(value)[:30]!r}" for place, value in chosen
    )

    def edit(value: Any) -> None:
        for place, new in chosen:
            try:
                _set(place, new)(value)
            except (TypeError, LookupError):  # an earlier change replaced what holds it
                continue

    return f"{name}: {named}", base, _with_json(name, edit)


def _damaged(data: bytes, seed: float) -> bytes:
    """A few bytes changed, most of them near the start, where a header stands; or a piece cut out
    or doubled.
    """
    rng, changed = random.Random(seed), bytearray(data)
    for _ in range(rng.choice((1, 3, 30))):
        changed[int(len(changed) * rng.random() ** rng.choice((1, 6)))] = rng.randrange(256)
    start, length = rng.randrange(len(changed)), rng.randrange(1, 100)
    if rng.random() < 0.2:
        del changed[start : start + length]
    elif rng.random() < 0.2:
        changed[start:start] = changed[start : start + length]
    return bytes(changed)
