"""Weight files: what their header may say, and what their numbers may be."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from finereel.errors import CheckpointError
from finereel.models import weights
from finereel.models.weights import read_header, read_weights, sketched, stored_weights


def file_of(folder: Path, tensors: dict[str, torch.Tensor] | None = None) -> Path:
    save_file(tensors or {"a": torch.ones(2, 3), "b": torch.zeros(4)}, folder / "w.safetensors")
    return folder / "w.safetensors"


def rewrite(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    edit(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def test_shapes_are_read_without_the_numbers(tmp_path: Path) -> None:
    header = read_header(file_of(tmp_path))
    assert (header.shapes, header.kinds) == ({"a": (2, 3), "b": (4,)}, {"a": "F32", "b": "F32"})
    assert torch.equal(read_weights(header)["a"], torch.ones(2, 3))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda header: header["a"].update(shape=[2**40, 2**40]), "of shape"),
        (lambda header: header["a"].update(shape=[-2, -3]), "no list of numbers"),
        (lambda header: header["a"].update(shape=[True, 6]), "no list of numbers"),
        (lambda header: header["a"].update(dtype="F8_E4M3"), "export it so"),
        (lambda header: header["a"].update(data_offsets=[16, 40]), "overlap or leave a gap"),
        (lambda header: header["b"].update(shape=[3], data_offsets=[24, 36]), "the file holds"),
        (lambda header: header["a"].pop("dtype"), "no dtype"),
        (lambda header: header.update(c=7), "no dtype"),
    ],
)
def test_headers_that_lie(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object], message: str
) -> None:
    path = file_of(tmp_path)
    rewrite(path, edit)
    with pytest.raises(CheckpointError, match=message):
        read_header(path)


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 2**24, 10_000])
def test_headers_longer_than_their_file(tmp_path: Path, length: int) -> None:
    path = file_of(tmp_path)
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    with pytest.raises(CheckpointError, match="is longer than"):
        read_header(path)


def test_a_download_that_broke_off(tmp_path: Path) -> None:
    path = file_of(tmp_path)
    os.truncate(path, 1 << 28)
    with pytest.raises(CheckpointError, match="were ever written"):
        read_header(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_must_be_finite(tmp_path: Path, value: float) -> None:
    header = read_header(
        file_of(tmp_path, {"good": torch.ones(3), "bad": torch.tensor([1.0, value])})
    )
    with pytest.raises(CheckpointError, match="'bad' holds numbers that are not finite"):
        read_weights(header)


def test_numbers_may_be_large(tmp_path: Path) -> None:
    """Their sum is beyond float32, they are not."""
    assert (
        read_weights(read_header(file_of(tmp_path, {"large": torch.full((9,), 3e38)})))["large"]
        .isfinite()
        .all()
    )


def test_float64_that_float32_does_not_hold(tmp_path: Path) -> None:
    header = read_header(file_of(tmp_path, {"wide": torch.tensor([1e300], dtype=torch.float64)}))
    with pytest.raises(CheckpointError, match="not finite"):
        read_weights(header)


def test_whole_numbers_are_no_weights(tmp_path: Path) -> None:
    header = read_header(
        file_of(tmp_path, {"a.position_ids": torch.arange(3), "q": torch.ones(2, dtype=torch.int8)})
    )
    with pytest.raises(CheckpointError, match="quantised weights are not read"):
        read_weights(header, ("position_ids",))
    assert read_weights(header, ("position_ids", "q")) == {}


def test_what_does_not_fit_is_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = []

    def make(width: int) -> nn.Module:
        module = nn.Linear(width, width)
        devices.append(module.weight.device.type)
        return module

    shapes = {"weight": (4, 4), "bias": (4,)}
    with pytest.raises(CheckpointError, match="weight has shape"):
        sketched(lambda: make(1_000_000_000), shapes, "the model")
    assert devices == ["meta"]
    assert sketched(lambda: make(4), shapes, "the model").weight.device.type == "meta"
    monkeypatch.setattr(weights.os, "sysconf", lambda name: 8)
    with pytest.raises(CheckpointError, match="GiB of memory, this machine has"):
        sketched(lambda: make(4), shapes, "the model")


# Weights stored as int8, with a scale for each row.
def int8_file(folder: Path, **changed: torch.Tensor) -> Path:
    generator = torch.Generator().manual_seed(0)
    wide = torch.randn(64, 80, generator=generator) * torch.logspace(-4, 3, 64)[:, None]
    wide[5] = 0
    given = {"wide": wide, "kernel": torch.randn(512, 1, 3, 3, generator=generator)}
    given |= {"small": torch.randn(8, 8, generator=generator), "bias": torch.ones(5000)}
    torch.save(given, folder / "given.pt")
    return file_of(folder, {**stored_weights(given, torch.int8), **changed})


def test_int8_is_right_to_half_a_step(tmp_path: Path) -> None:
    header = read_header(int8_file(tmp_path))
    given = torch.load(tmp_path / "given.pt", weights_only=True)
    read = read_weights(header)
    assert header.scaled == {"wide", "kernel"}
    assert {name: tuple(tensor.shape) for name, tensor in given.items()} == dict(header.shapes)
    assert {tensor.dtype for tensor in read.values()} == {torch.float32}
    for name in ("wide", "kernel"):
        step = given[name].flatten(1).abs().amax(1) / 127
        error = (read[name] - given[name]).flatten(1).abs().amax(1)
        assert (error <= step / 2 * (1 + 1e-5)).all()
    assert not read["wide"][5].any()
    torch.testing.assert_close(read["small"], given["small"], atol=1e-3, rtol=1e-3)
    plain = file_of(tmp_path, given).stat().st_size - 5000 * 4
    assert int8_file(tmp_path).stat().st_size - 5000 * 2 < plain / 2.5


@pytest.mark.parametrize(
    ("scale", "said"),
    [
        (torch.full((64,), float("nan")), "must be above 0 and finite"),
        (torch.full((64,), float("inf")), "must be above 0 and finite"),
        (-torch.ones(64), "must be above 0 and finite"),
        (torch.zeros(64), "must be above 0 and finite"),
        (torch.ones(63), r"of shape \(63,\), expected F32 or F16 of shape \(64,\)"),
        (torch.ones(64, 1), r"of shape \(64, 1\)"),
        (torch.ones(64, dtype=torch.int32), "I32 of shape"),
    ],
)
def test_a_damaged_scale_is_refused(tmp_path: Path, scale: torch.Tensor, said: str) -> None:
    path = int8_file(tmp_path, **{"wide.scale": scale})
    with pytest.raises(CheckpointError, match=said):
        read_weights(read_header(path))


def test_a_scale_without_its_tensor_is_a_tensor_of_its_own(tmp_path: Path) -> None:
    header = read_header(file_of(tmp_path, {"norm.scale": torch.ones(3), "norm": torch.ones(3)}))
    assert set(header.shapes) == {"norm.scale", "norm"}
    assert not header.scaled
