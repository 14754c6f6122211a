"""Derive {clip4clip,xclip,ts2net,drl}_head.npz from the fixtures of the published code, in
FINEREEL_FIXTURES.

    FINEREEL_FIXTURES=DIR python tests/golden/derive_peers.py

Features of 5 texts and 4 clips, the weights of the head under their official names, and the
published scores. Of CLIP4Clip the LSTM goes with them. The published arrays hold no video vector of
X-CLIP and no contextual frames of TS2-Net: those two come from our temporal encoder with the
published weights.
"""

import os
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from finereel.models import published as official

HERE = Path(__file__).resolve().parent
FIXTURES = Path(os.environ["FINEREEL_FIXTURES"])
SIZES = {"max_words": 12, "max_frames": 6}


def given(name: str) -> dict[str, np.ndarray]:
    inputs = np.load(FIXTURES / "inputs_eval.npz")
    masks = {
        "word_mask": inputs["input_mask"][:, 0].astype(bool),
        "frame_mask": inputs["video_mask"][:, 0].astype(bool),
    }
    return dict(np.load(FIXTURES / f"{name}.npz")) | masks


def weights(state: dict[str, torch.Tensor], *prefixes: str) -> dict[str, np.ndarray]:
    wanted = ("clip.logit_scale", *prefixes)
    return {
        f"weight/{name}": tensor.numpy()
        for name, tensor in state.items()
        if name.startswith(wanted)
    }


@torch.no_grad()
def features(kind: str, state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    model = official.load(kind, state, **SIZES).model
    inputs = np.load(FIXTURES / "inputs_eval.npz")
    pixels, mask = (
        torch.from_numpy(inputs["video"][:, 0, :, 0]),
        torch.from_numpy(inputs["video_mask"][:, 0]).bool(),
    )
    ids, words = (
        torch.from_numpy(inputs["input_ids"][:, 0]),
        torch.from_numpy(inputs["input_mask"][:, 0]).bool(),
    )
    video, text = model.video_features(pixels, mask), model.text_features(ids, words)
    return {
        "video": video.video.numpy(),
        "contextual": video.contextual.numpy(),
        "sentence": text.sentence.numpy(),
    }


def kept(arrays: dict[str, np.ndarray], *names: str) -> dict[str, np.ndarray]:
    return {
        name: arrays[name]
        for name in (*names, "word_mask", "frame_mask", "logits")
        if name in arrays
    }


def derive() -> dict[str, dict[str, np.ndarray]]:
    lstm, xclip, ts2net, drl = (
        load_file(FIXTURES / f"{name}.safetensors")
        for name in ("clip4clip_seqLSTM", "xclip_seqTransf_soft", "ts2net_seqTransf", "drl_wti")
    )
    of_xclip, of_ts2net = given("xclip_seqTransf_soft"), given("ts2net_seqTransf")
    parts = [name for name in of_xclip if name.endswith("_by_difference")]
    matrices = tuple(official.xclip.MATRICES)
    return {
        "clip4clip": kept(given("clip4clip_seqLSTM"), "sentence", "frames")
        | weights(lstm, "lstm_visual"),
        "xclip": kept(of_xclip, "sentence", "words", "frames", *parts)
        | {"video": features("xclip", xclip)["video"]}
        | weights(xclip, *matrices),
        "ts2net": kept(of_ts2net, "sentence")
        | {
            "logits": of_ts2net["logits_sigma0.0"],
            "contextual": features("ts2net", ts2net)["contextual"],
        }
        | weights(ts2net),
        "drl": kept(given("drl_wti"), "text_tokens", "video_tokens")
        | {"sentence": features("drl", drl)["sentence"]}
        | weights(drl, "text_weight_fc", "video_weight_fc"),
    }


if __name__ == "__main__":
    for kind, arrays in derive().items():
        np.savez_compressed(HERE / f"{kind}_head.npz", **arrays)
