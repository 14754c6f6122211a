"""Derive ucofia_*.npz from the fixtures of the published code, in the sibling folder shared/golden.

    FINEREEL_FIXTURES=DIR python tests/golden/derive_ucofia.py

ucofia_head_{train,eval}.npz: features of 5 texts and 4 clips, the head's matrices under their
official names, and the published scores of every granularity (`<noise>/...` where the patches came
from the stochastic selection). ucofia_selection_{train,eval}.npz: all tokens of one clip with
padded frames, the patch scorer's weights (A in train, B in eval), the published scores and choices;
for A also the noise of two frames and the mixture it gives.
"""

import os
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

HERE = Path(__file__).resolve().parent
FIXTURES = Path(os.environ["FINEREEL_FIXTURES"])
CASES = {
    "train": ("ucofia_train_soft", ("0.0", "0.05")),
    "eval": ("ucofia_eval_t2v_soft", ("0.0",)),
}
BY_DIFFERENCE = {"video_sentence": "vs", "frame_sentence": "fs", "patch_word": "pw"}
SELECTOR = "visual_token_selector.score_predictor."
CLIP_INDEX, NOISY_FRAMES = 1, 2
MATRICES = (
    *(
        "global_mat_weight",
        "global_mat_weight_1",
        "local_mat_weight",
        "local_mat_weight1",
        "frame_logit_weight",
    ),
    *(
        "word_mat_weight",
        "word_mat_weight2",
        "pixel_mat_weight",
        "pixel_mat_weight2",
        "clip.logit_scale",
    ),
)


def head_arrays(variant: str) -> dict[str, np.ndarray]:
    name, sigmas = CASES[variant]
    state = load_file(FIXTURES / f"{name}.safetensors")
    arrays = {f"weight/{matrix}": state[matrix] for matrix in MATRICES}
    for sigma in sigmas:
        given = np.load(FIXTURES / f"{name}_sigma{sigma}.npz")
        arrays |= {
            part: given[part] for part in ("sentence", "words", "frames", "video_pooled_prenorm")
        }
        arrays |= {f"{sigma}/patches": given["patches"], f"{sigma}/fused": given["logits"]}
        for part, short in BY_DIFFERENCE.items():
            arrays[f"{sigma}/{part}"] = (
                given[part] if part in given else given[f"{short}_by_difference"]
            )
    return arrays


def selection_arrays(variant: str) -> dict[str, np.ndarray]:
    name, sigmas = CASES[variant]
    state = load_file(FIXTURES / f"{name}.safetensors")
    inputs = np.load(FIXTURES / "inputs_eval.npz")
    given = np.load(FIXTURES / f"{name}_sigma0.0.npz")
    frame_mask = inputs["video_mask"][CLIP_INDEX, 0]
    num_frames = len(frame_mask)
    rows = slice(CLIP_INDEX * num_frames, (CLIP_INDEX + 1) * num_frames)
    arrays = {key: tensor for key, tensor in state.items() if key.startswith(SELECTOR)}
    arrays |= {
        "tokens": given["visual_tokens"][CLIP_INDEX].reshape(
            num_frames, -1, given["visual_tokens"].shape[-1]
        ),
        "frame_mask": frame_mask.astype(bool),
        "scores": given["token_scores"][rows],
        "chosen": given["topk_indicator"][rows].argmax(-1),
        "patches": given["patches"][CLIP_INDEX],
    }
    if "0.05" in sigmas:
        stochastic = np.load(FIXTURES / f"{name}_sigma0.05.npz")
        some = slice(rows.start, rows.start + NOISY_FRAMES)
        arrays |= {
            "noise": stochastic["noise"][some],
            "indicator": stochastic["topk_indicator"][some],
        }
    return arrays


if __name__ == "__main__":
    for variant in CASES:
        np.savez_compressed(HERE / f"ucofia_head_{variant}.npz", **head_arrays(variant))
        np.savez_compressed(HERE / f"ucofia_selection_{variant}.npz", **selection_arrays(variant))
