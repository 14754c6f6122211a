"""Derive networks.npz: whole published networks from seeds, and what they must give.

    FINEREEL_FIXTURES=DIR python tests/golden/derive_networks.py

The full fixtures hold the weights of every network (7 MB each). Here each network keeps names,
shapes, means and deviations of its tensors; their values come from a seed. The expected scores,
losses and gradient norms were computed by `finereel.models.published` on a day when it agreed with
the released code's own arrays to 1e-5 (this script checks that first), so a change of any network
shows without the full fixtures.
"""

import json
import os
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from finereel.models import published as official
from finereel.training.learner import symmetric_infonce
from places import FIXTURES, GOLDEN

SIZES = {"max_words": 12, "max_frames": 6}
NETWORKS: dict[str, tuple[str, dict[str, Any], str, str, bool]] = {
    # name: (kind, options, fixture, its published logits, with noise)
    "ucofia train": (
        "ucofia",
        {"variant": "train"},
        "ucofia_train_soft",
        "ucofia_train_soft_sigma0.0",
        False,
    ),
    "ucofia train, noise": (
        "ucofia",
        {"variant": "train"},
        "ucofia_train_soft",
        "ucofia_train_soft_sigma0.05",
        True,
    ),
    "ucofia eval": (
        "ucofia",
        {"variant": "eval"},
        "ucofia_eval_t2v_soft",
        "ucofia_eval_t2v_soft_sigma0.0",
        False,
    ),
    "clip4clip meanP": (
        "clip4clip",
        {"temporal": "meanP"},
        "clip4clip_meanP",
        "clip4clip_meanP",
        False,
    ),
    "clip4clip seqTransf": ("clip4clip", {}, "clip4clip_seqTransf", "clip4clip_seqTransf", False),
    "clip4clip seqLSTM": ("clip4clip", {}, "clip4clip_seqLSTM", "clip4clip_seqLSTM", False),
    "xclip": ("xclip", {}, "xclip_seqTransf_soft", "xclip_seqTransf_soft", False),
    "ts2net": ("ts2net", {}, "ts2net_seqTransf", "ts2net_seqTransf", False),
    "ts2net, noise": ("ts2net", {}, "ts2net_seqTransf", "ts2net_seqTransf", True),
    "drl": ("drl", {}, "drl_wti", "drl_wti", False),
}


def inputs(name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Token ids (T, W), their mask, pixels (V, F, 3, H, W), their mask, of the inputs called `eval`
    or `train`.
    """
    arrays = np.load(GOLDEN / f"inputs_{name}.npz")
    names = ("input_ids", "input_mask", "video", "video_mask")
    ids, words, video, frames = (torch.from_numpy(arrays[key][:, 0]) for key in names)
    return ids, words.bool(), video[:, :, 0], frames.bool()


def seeded(described: dict[str, list[Any]]) -> dict[str, Tensor]:
    """A state from names, shapes, means and deviations; every tensor from a seed of its name."""
    state = {}
    for name, (shape, mean, deviation) in described.items():
        values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
        state[name] = torch.from_numpy(np.asarray(mean + deviation * values, dtype=np.float32))
    return state


def noise_for(videos: int) -> Tensor:
    """Noise of the patch choice, (V * F, 20, 49)."""
    values = np.random.default_rng(7).standard_normal((videos * SIZES["max_frames"], 20, 49))
    return torch.from_numpy(values.astype(np.float32))


def measured(name: str, state: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Scores of every granularity, and loss and gradient norms of one training step."""
    kind, options, _, _, with_noise = NETWORKS[name]
    ids, words, pixels, mask = inputs("eval")
    noise = noise_for(len(pixels)) if with_noise else None
    found = official.load(kind, dict(state), **SIZES, **options).scores(
        ids, words, pixels, mask, noise=noise
    )
    arrays = {f"scores/{part}": scores.numpy() for part, scores in found.items()}
    model = official.load(kind, dict(state), **SIZES, **options).model.train()
    ids, words, pixels, mask = inputs("train")
    noise = noise_for(len(pixels))
    loss = symmetric_infonce(
        model.score(
            model.text_features(ids, words), model.video_features(pixels, mask, noise)
        ).fused
    )
    loss.backward()
    norms = [
        0.0 if p.grad is None else float(p.grad.double().norm())
        for _, p in sorted(model.named_parameters())
    ]
    return {**arrays, "loss": loss.detach().numpy(), "gradients": np.array(norms)}


def published_logits(name: str) -> np.ndarray:
    _, _, _, file, with_noise = NETWORKS[name]
    given = np.load(FIXTURES / f"{file}.npz")
    key = "logits" if "logits" in given else f"logits_sigma{'0.05' if with_noise else '0.0'}"
    return np.asarray(given[key])


def agree_with_the_released_code(name: str, state: dict[str, Tensor]) -> None:
    kind, options, _, file, with_noise = NETWORKS[name]
    given = np.load(FIXTURES / f"{file}.npz")
    noise = torch.from_numpy(given["noise"]) if with_noise else None
    found = (
        official.load(kind, dict(state), **SIZES, **options)
        .scores(*inputs("eval"), noise=noise)["fused"]
        .numpy()
    )
    theirs = published_logits(name)
    assert np.abs(found - theirs).max() <= 1e-5 * np.abs(theirs).max(), name


def main() -> None:
    for name in ("eval", "train"):
        np.savez_compressed(
            GOLDEN / f"inputs_{name}.npz", **np.load(FIXTURES / f"inputs_{name}.npz")
        )
    described: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, (_, _, fixture, _, _) in NETWORKS.items():
        state = load_file(FIXTURES / f"{fixture}.safetensors")
        agree_with_the_released_code(name, state)
        described[name] = {
            key: [
                list(tensor.shape),
                round(float(tensor.mean()), 6),
                round(float(tensor.std(correction=0)), 6),
            ]
            for key, tensor in state.items()
        }
        arrays |= {
            f"{name}/{key}": value for key, value in measured(name, seeded(described[name])).items()
        }
    np.savez_compressed(
        GOLDEN / "networks.npz", described=np.array(json.dumps(described)), **arrays
    )


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
