"""Precomputed tokens: what is read, and every way a features folder can be wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from finereel.data.base import ClipArrays
from finereel.data.features import FeatureStore, read_token_file, write_token_file
from finereel.errors import DataError

F, P, E = 2, 3, 4
RNG = np.random.default_rng(0)


def arrays(count: int = 3, **more: np.ndarray) -> dict[str, np.ndarray]:
    tokens = RNG.integers(-127, 128, (count, F, P, E)).astype(np.int8)
    return {
        "ids": np.array([f"v{n}" for n in range(count)]),
        "tokens": tokens,
        "scale": np.full(E, 0.5, np.float32),
    } | more


def write(folder: Path, name: str = "a.npz", **values: np.ndarray) -> Path:
    np.savez(folder / name, **values)
    return folder


def test_tokens_are_scaled_and_the_frame_token_is_their_mean(tmp_path: Path) -> None:
    given = arrays()
    store = FeatureStore(write(tmp_path, **given))
    read = store.read(["v2", "v0"])
    tokens = given["tokens"][[2, 0]].astype(np.float32) * 0.5
    assert read.frames.dtype == np.float32
    np.testing.assert_array_equal(read.frames[:, :, 1:], tokens)
    np.testing.assert_allclose(read.frames[:, :, 0], tokens.mean(2), rtol=1e-6)
    assert read.frame_mask.all()
    assert store.ids == ("v0", "v1", "v2")


def test_given_frame_tokens_and_masks_are_used(tmp_path: Path) -> None:
    frames = RNG.standard_normal((3, F, E)).astype(np.float32)
    mask = np.array([[True, False], [True, True], [True, True]])
    given = arrays(frames=frames, frame_mask=mask)
    del given["scale"]
    read = FeatureStore(write(tmp_path, **given)).read(["v0"])
    np.testing.assert_array_equal(read.frames[0, :, 0], frames[0])
    assert read.frame_mask.tolist() == [[True, False]]


def test_safetensors_and_npz_give_the_same(tmp_path: Path) -> None:
    given = arrays()
    (tmp_path / "npz").mkdir()
    (tmp_path / "safe").mkdir()
    ids = given.pop("ids")
    save_file(
        given, tmp_path / "safe" / "a.safetensors", metadata={"ids": json.dumps(ids.tolist())}
    )
    npz = FeatureStore(write(tmp_path / "npz", ids=ids, **given))
    safe = FeatureStore(tmp_path / "safe")
    np.testing.assert_array_equal(npz.read(ids.tolist()).frames, safe.read(ids.tolist()).frames)
    assert npz.description == safe.description


def test_several_files_are_one_store(tmp_path: Path) -> None:
    write(tmp_path, "a.npz", **arrays())
    write(tmp_path, "b.npz", **arrays(ids=np.array(["w0", "w1", "w2"])))
    store = FeatureStore(tmp_path)
    assert len(store.ids) == 6
    np.testing.assert_array_equal(store.read(["w1", "v1"]).frames[1], store.read(["v1"]).frames[0])


def test_problems_name_missing_and_broken_clips(tmp_path: Path) -> None:
    tokens = RNG.standard_normal((3, F, P, E)).astype(np.float32)
    tokens[1, 0, 0, 0] = np.nan
    given = arrays(tokens=tokens)
    store = FeatureStore(write(tmp_path, **given))
    problems = store.problems(["v0", "v1", "v9"])
    assert set(problems) == {"v1", "v9"}
    assert "no tokens" in problems["v9"]
    assert "finite" in problems["v1"]
    with pytest.raises(DataError, match="'v9'"):
        store.read(["v9"])


def test_the_description_changes_with_the_tokens(tmp_path: Path) -> None:
    given = arrays()
    first = FeatureStore(write(tmp_path, **given)).description
    given["tokens"][0, 0, 0, 0] ^= 1
    assert FeatureStore(write(tmp_path, **given)).description != first


BROKEN = {
    "no tokens": ({"ids": np.array(["a"])}, "expected `tokens`"),
    "three axes": (arrays(tokens=np.zeros((3, F, E), np.int8)), "expected `tokens`"),
    "int32": (arrays(tokens=np.zeros((3, F, P, E), np.int32)), "expected `tokens`"),
    "too few ids": (arrays(ids=np.array(["a", "b"])), "2 ids"),
    "an id twice": (arrays(ids=np.array(["a", "b", "a"])), "2 of them distinct"),
    "scale of another width": (arrays(scale=np.ones(E + 1, np.float32)), "`scale` has shape"),
    "mask of another shape": (arrays(frame_mask=np.ones((3, 1), bool)), "`frame_mask` has shape"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_files_that_do_not_agree_are_refused_by_name(case: str, tmp_path: Path) -> None:
    given, message = BROKEN[case]
    with pytest.raises(DataError, match=message) as caught:
        FeatureStore(write(tmp_path, **given))
    assert "a.npz" in str(caught.value)


def test_pickles_rubbish_and_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no features in"):
        FeatureStore(tmp_path)
    (tmp_path / "a.npz").write_bytes(b"PK rubbish")
    with pytest.raises(DataError, match="cannot be read as npz"):
        FeatureStore(tmp_path)
    write(tmp_path, tokens=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="without pickles"):
        FeatureStore(tmp_path)
    (tmp_path / "a.npz").unlink()
    (tmp_path / "a.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(DataError, match="safetensors"):
        FeatureStore(tmp_path)


def test_files_of_other_sizes_or_the_same_ids_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.npz", **arrays())
    write(tmp_path, "b.npz", **arrays())
    with pytest.raises(DataError, match=r"'v0' is in a\.npz"):
        FeatureStore(tmp_path)
    write(tmp_path, "b.npz", **arrays(tokens=np.zeros((3, F, P + 1, E), np.int8)))
    with pytest.raises(DataError, match=r"holds \(F, P, E\)"):
        FeatureStore(tmp_path)


def test_a_file_of_fewer_frames_is_read_as_padding(tmp_path: Path) -> None:
    short, long = np.random.default_rng(0).normal(size=(2, 2, F, 1 + P, E)).astype(np.float32)
    mask = np.zeros((2, F), dtype=bool)
    mask[:, 0] = True
    write_token_file(tmp_path / "a.safetensors", ["a0", "a1"], ClipArrays(short, mask))
    write_token_file(tmp_path / "b.safetensors", ["b0", "b1"], ClipArrays(long, mask | True))
    assert read_token_file(tmp_path / "a.safetensors").tokens.shape == (2, 1, P, E)
    store = FeatureStore(tmp_path)
    assert store.num_frames == F
    clips = store.read(["b1", "a1"])
    assert clips.frame_mask.tolist() == [[True] * F, [True] + [False] * (F - 1)]
    np.testing.assert_allclose(clips.frames[1, 0], short[1, 0], atol=2e-3)
    assert not clips.frames[1, 1:].any()


def test_safetensors_stay_in_their_file(tmp_path: Path) -> None:
    """A folder larger than the memory is read clip by clip."""
    rng = np.random.default_rng(0)
    clips = ClipArrays(rng.normal(size=(3, 2, 1 + P, E)).astype(np.float32), np.ones((3, 2), bool))
    write_token_file(tmp_path / "a.safetensors", ["a", "b", "c"], clips)
    file = read_token_file(tmp_path / "a.safetensors")
    assert isinstance(file.tokens, np.memmap)
    assert not file.tokens.flags.writeable
    read = FeatureStore(tmp_path).read(["c", "a"])
    np.testing.assert_allclose(read.frames, clips.frames[[2, 0]], atol=2e-3)


def test_a_file_without_clips_is_named(tmp_path: Path) -> None:
    save_file({"tokens": np.empty((0, 2, P, E), np.float16)}, tmp_path / "a.safetensors")
    assert read_token_file(tmp_path / "a.safetensors").ids == ()
    with pytest.raises(DataError, match="no tokens of 'x'"):
        FeatureStore(tmp_path).read(["x"])


def test_numbers_of_another_kind_are_named(tmp_path: Path) -> None:
    save_file({"tokens": np.ones((1, 2, P, E), np.uint32)}, tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="U32"):
        read_token_file(tmp_path / "a.safetensors")
