"""Every codec against its contract, and against a slow reference that shares no code with it."""

import math
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from finereel.codecs import CODECS, codec
from finereel.codecs.base import Codec
from finereel.codecs.clips import clip_bytes, coded
from finereel.codecs.rotation import Rotation, hadamard
from finereel.errors import ConfigError, DataError
from finereel.models.features import StoredFeatures
from tiny_models import random_video

EVERY = pytest.mark.parametrize("used", CODECS.values(), ids=CODECS)
BYTES = {"fp16": 1024, "int8": 514, "2bit": 130}
"""Of a vector of 512 numbers."""
COSINES = {"fp16": 0.999_999, "int8": 0.9995, "2bit": 0.92}


def vectors(count: int, dim: int, seed: int = 0) -> Tensor:
    """Unit vectors, of which some numbers are much larger than the rest, as CLIP has them."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, dim, generator=generator)
    drawn[:, : max(1, dim // 100)] *= 6
    return normalize(drawn, dim=-1)


@EVERY
@pytest.mark.parametrize("shape", [(7,), (2, 3), (2, 3, 4), (0,), (3, 0), (0, 5)])
def test_shapes(used: Codec, shape: tuple[int, ...]) -> None:
    tokens = vectors(math.prod(shape), 24).reshape(*shape, 24)
    codes = used.encode(tokens)
    assert codes.dtype == torch.uint8
    assert codes.shape == (*shape, used.vector_bytes(24))
    decoded = used.decode(codes, 24)
    assert decoded.dtype == torch.float32
    assert decoded.shape == tokens.shape


def test_bytes_per_vector() -> None:
    assert {name: used.vector_bytes(512) for name, used in CODECS.items()} == BYTES
    assert clip_bytes(codec("int8"), 48, 512) <= 26 * 1024
    assert clip_bytes(codec("2bit"), 48, 512) <= 8 * 1024


@pytest.mark.parametrize("name", CODECS)
def test_directions_are_kept(name: str) -> None:
    tokens = vectors(200, 512)
    decoded = CODECS[name].decode(CODECS[name].encode(tokens), 512)
    assert torch.cosine_similarity(tokens, decoded).min() > COSINES[name]


@EVERY
def test_products_are_right_on_average(used: Codec) -> None:
    tokens, query = vectors(4000, 128), vectors(1, 128, seed=5)[0]
    near = normalize(tokens + query, dim=-1)  # cosines of about 0.7
    decoded = used.decode(used.encode(near), 128)
    assert ((decoded - near) @ query).mean().abs() < 0.004


@EVERY
def test_padding_is_zero_and_changes_nothing(used: Codec) -> None:
    tokens = vectors(6, 32).reshape(2, 3, 32)
    mask = torch.tensor([[True, False, True], [False, True, True]])
    poisoned = tokens.masked_fill(~mask[..., None], float("nan"))
    codes = used.encode(poisoned, mask)
    assert torch.equal(codes[mask], used.encode(tokens)[mask])
    assert not used.decode(codes, 32)[~mask].any()
    assert not used.decode(used.encode(torch.zeros(2, 32)), 32).any()


@EVERY
@pytest.mark.parametrize("broken", [float("nan"), float("inf"), 1e30])
def test_numbers_that_no_code_holds_are_refused(used: Codec, broken: float) -> None:
    tokens = vectors(3, 16)
    tokens[1, 2] = broken
    with pytest.raises(DataError, match="finite numbers"):
        used.encode(tokens)


@EVERY
def test_codes_of_another_width_are_refused(used: Codec) -> None:
    with pytest.raises(DataError, match="bytes for each vector of 16 numbers, got 3"):
        used.decode(torch.zeros(2, 3, dtype=torch.uint8), 16)


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="2bit, fp16, int8"):
        codec("4bit")


@EVERY
def test_a_vector_does_not_depend_on_its_neighbours(used: Codec) -> None:
    tokens = vectors(700, 96)
    codes = used.encode(tokens)
    assert torch.equal(codes[300:301], used.encode(tokens[300:301]))
    assert torch.equal(used.decode(codes, 96)[300:301], used.decode(codes[300:301], 96))


KNOWN = {
    "fp16": "e850fe77dbf82c6de27f7ed258de98cf",
    "int8": "53d9fa4aeb52fb9d2086442a44aa10a3",
    "2bit": "ee1d6691d29fa1ba6bbe99de12d77919",
}
PROGRAM = """
import hashlib, sys, numpy as np, torch
from finereel.codecs import CODECS
torch.set_num_threads(int(sys.argv[1]))
for name, codec in CODECS.items():
    digest = hashlib.md5()
    for dim in (7, 96, 512, 768):
        whole = (np.arange(40 * dim, dtype=np.int64) * 7919 % 1009 - 504).reshape(40, dim)
        tokens = torch.from_numpy((whole / 256).astype(np.float32))
        codes = codec.encode(tokens)
        digest.update(codes.numpy().tobytes())
        digest.update(codec.decode(codes, dim).numpy().tobytes())
    print(name, digest.hexdigest())
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_bytes_in_every_process(threads: int) -> None:
    command = [sys.executable, "-c", PROGRAM, str(threads)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert dict(line.split() for line in told.splitlines()) == KNOWN


@settings(max_examples=40, deadline=None)
@given(dim=st.integers(1, 200), seed=st.integers(0, 9), power=st.integers(-6, 6))
def test_any_width_and_length(dim: int, seed: int, power: int) -> None:
    tokens = vectors(5, dim, seed) * 2.0**power
    for name, used in CODECS.items():
        decoded = used.decode(used.encode(tokens), dim)
        error = (decoded - tokens).norm(dim=1) / tokens.norm(dim=1)
        assert error.max() < {"fp16": 5e-4, "int8": 0.03, "2bit": 0.8}[name]
        # The factor is stored as a half, and makes this product right.
        own = (decoded * tokens).sum(1) / tokens.square().sum(1)
        assert (own - 1).abs().max() < {"fp16": 5e-4, "int8": 0.01, "2bit": 0.012}[name]
    int8 = CODECS["int8"]
    decoded = int8.decode(int8.encode(tokens), dim)
    scale = tokens.abs().amax(1, keepdim=True) / 127
    assert ((decoded - tokens).abs() <= scale * 0.51).all()


def slow_int8(vector: list[float]) -> bytes:
    """One vector, number by number, with Python's own halves."""
    scale = struct.unpack(
        "<e", struct.pack("<e", np.float32(max(map(abs, vector))) / np.float32(127))
    )[0]
    whole = [round(float(np.float32(x) / np.float32(scale))) for x in vector]
    return struct.pack("<e", scale) + struct.pack(f"{len(vector)}b", *whole)


def slow_two_bit(vector: list[float], signs: list[float]) -> tuple[float, list[float]]:
    """Factor and levels of one vector by the definition: a matrix, and the nearest level."""
    dim = len(vector)
    length = math.sqrt(sum(x * x for x in vector))
    turned = [
        sum(
            (-1) ** (row & column).bit_count() * signs[column] * vector[column]
            for column in range(dim)
        )
        / math.sqrt(dim)
        / length
        for row in range(dim)
    ]
    deviations = (-1.5104, -0.4528, 0.4528, 1.5104)
    nearest = [min(deviations, key=lambda level: abs(x * math.sqrt(dim) - level)) for x in turned]
    levels = [math.copysign(10.0 if abs(level) > 1 else 3.0, level) for level in nearest]
    return length / sum(a * b for a, b in zip(levels, turned, strict=True)), levels


def test_int8_against_the_slow_reference() -> None:
    tokens = vectors(20, 33)
    found = CODECS["int8"].encode(tokens).numpy()
    assert [row.tobytes() for row in found] == [slow_int8(row) for row in tokens.tolist()]


def test_two_bit_against_the_slow_reference() -> None:
    tokens = vectors(20, 64) * 3
    signs = Rotation(64)._steps[0][0].tolist()
    found = CODECS["2bit"].encode(tokens).numpy()
    for row, vector in zip(found, tokens.tolist(), strict=True):
        factor, levels = slow_two_bit(vector, signs)
        assert struct.unpack("<e", row[:2].tobytes())[0] == pytest.approx(factor * 8, rel=2e-3)
        read = [(-10, -3, 3, 10)[byte >> shift & 3] for byte in row[2:] for shift in (0, 2, 4, 6)]
        assert sum(a != b for a, b in zip(read, levels, strict=True)) <= 1  # at a threshold


@pytest.mark.parametrize("dim", [1, 2, 3, 16, 48, 80, 100])
def test_the_rotation_is_one(dim: int) -> None:
    rotation, whole = Rotation(dim), (vectors(30, dim) * 2**16).round()
    turned = rotation.turn(whole)
    assert torch.allclose(turned @ turned.T / 2**32, whole @ whole.T / 2**32, atol=1e-3)
    assert (rotation.back(turned) - whole).abs().max() < 8
    # A vector of one large number is spread over all.
    one = torch.zeros(1, dim)
    one[0, dim // 2] = 2**16
    assert rotation.turn(one).abs().max() <= 2**16 * (0.8 if dim > 3 else 1.0)


def test_hadamard_is_that_of_the_matrix() -> None:
    size = 128
    matrix = [[(-1) ** (row & column).bit_count() for column in range(size)] for row in range(size)]
    given_ = torch.arange(3.0 * size).reshape(3, size)
    assert torch.equal(hadamard(given_), given_ @ torch.tensor(matrix, dtype=torch.float32))


@EVERY
def test_clips_through_a_codec(used: Codec) -> None:
    raw = random_video(3)
    clips = StoredFeatures(
        raw.video,
        normalize(raw.frames, dim=-1) * raw.frame_mask[..., None],
        normalize(raw.patches, dim=-1) * raw.patch_mask[..., None],
        raw.frame_mask,
        raw.patch_mask,
    )
    found = coded(clips, used)
    assert isinstance(found, StoredFeatures)
    assert torch.equal(found.video, clips.video)
    assert found.patches.shape == clips.patches.shape
    near = torch.cosine_similarity(found.patches[raw.patch_mask], clips.patches[raw.patch_mask])
    assert near.min() > 0.8
    assert not found.frames[~raw.frame_mask].any()


@pytest.mark.parametrize(("name", "most"), [("int8", 0.1), ("2bit", 0.4)])
def test_two_hundred_clips_are_decoded_soon(name: str, most: float) -> None:
    """A wide margin: 2 and 15 ms of a processor that does nothing else."""
    codes = CODECS[name].encode(vectors(9600, 512))
    spent = []
    for _ in range(3):
        began = time.process_time()
        CODECS[name].decode(codes, 512)
        spent.append(time.process_time() - began)
    assert min(spent) < most
