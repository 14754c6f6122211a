"""Derive bertadam.npz and ucofia_training.npz from the fixtures of the published code, in the
sibling shared/golden.

    FINEREEL_FIXTURES=DIR python tests/golden/derive_training.py

bertadam.npz: a copy: one tensor, six gradients, and the weights the published optimizer makes of
them. ucofia_training.npz: published loss, its halves, scores and gradients of the head, the logit
scale and the text projection, with the head's weights and the features they were computed from
(`features/...`: ours, by the model that reproduces the published ones, since the fixture does not
hold them).
"""

import os
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from finereel.models import published as official

HERE = Path(__file__).resolve().parent
FIXTURES = Path(os.environ["FINEREEL_FIXTURES"])
WEIGHTS = (*official.ucofia.MATRICES, "clip.logit_scale", "clip.text_projection")
PUBLISHED = ("loss", "loss_t2v", "loss_v2t", "sim_matrix")


@torch.no_grad()
def training_arrays() -> dict[str, np.ndarray]:
    given, inputs = (
        np.load(FIXTURES / "ucofia_trainloss_soft.npz"),
        np.load(FIXTURES / "inputs_train.npz"),
    )
    state = load_file(FIXTURES / "ucofia_train_soft.safetensors")
    names = ("input_ids", "input_mask", "video", "video_mask")
    ids, words, pixels, frames = (torch.from_numpy(inputs[name][:, 0]) for name in names)
    model = official.load("ucofia", state, variant="train").model
    hidden = []  # what the text projection is applied to
    model.encoder.clip.text_projection.register_forward_pre_hook(
        lambda _, given: hidden.append(given[0])
    )
    text = model.text_features(ids, words.bool())
    video = model.video_features(pixels[:, :, 0], frames.bool(), torch.from_numpy(given["noise"]))
    features = {
        "hidden": hidden[0],
        "video": video.video,
        "frames": video.frames,
        "patches": video.patches,
    }
    features |= {"input_ids": ids, "word_mask": text.word_mask, "frame_mask": video.frame_mask}
    arrays = {f"features/{name}": tensor.numpy() for name, tensor in features.items()}
    arrays |= {f"weight/{name}": state[name].numpy() for name in WEIGHTS}
    arrays |= {name: given[name] for name in PUBLISHED}
    return arrays | {f"grad/{name}": given[f"grad/{name}"] for name in WEIGHTS}


if __name__ == "__main__":
    np.savez_compressed(HERE / "bertadam.npz", **np.load(FIXTURES / "bertadam_standalone.npz"))
    np.savez_compressed(HERE / "ucofia_training.npz", **training_arrays())
