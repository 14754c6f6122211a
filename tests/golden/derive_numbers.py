"""Derive sinkhorn.npz and metrics.npz from the fixtures of the published code, in the sibling
folder shared/golden.

    FINEREEL_FIXTURES=DIR python tests/golden/derive_numbers.py

sinkhorn.npz: `<case>/x`, and `<case>/it<n>_row`, `_column` where the published result is finite;
`epoch/<granularity>_bank`, `_test`, `_bias` and `epoch/fused`: the published text-to-video
evaluation. metrics.npz: matrices with the published ranks and metrics [R@1, R@5, R@10, MdR, MnR],
without and with ties, and the multi-caption protocol.
"""

import os
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
FIXTURES = Path(os.environ["FINEREEL_FIXTURES"])
GRANULARITIES = ("video_sentence", "frame_sentence", "patch_word")


def sinkhorn_arrays() -> dict[str, np.ndarray]:
    given = np.load(FIXTURES / "sinkhorn_given.npz")
    epoch = np.load(FIXTURES / "ucofia_eval_t2v_epoch_soft.npz")
    derived = {name: given[name] for name in given if name.endswith("/x")}
    for name in given:
        case, entry = name.split("/")
        if entry.startswith("main_") and np.isfinite(given[name]).all():
            side = {"a": "row", "b": "column"}[entry[-1]]
            derived[f"{case}/{entry[len('main_') : -2]}_{side}"] = given[name]
    for granularity in GRANULARITIES:
        derived[f"epoch/{granularity}_bank"] = epoch[f"sk_input/{granularity}"]
        derived[f"epoch/{granularity}_test"] = epoch[f"test/{granularity}"]
        derived[f"epoch/{granularity}_bias"] = epoch[f"sk_second/{granularity}"]
    return derived | {"epoch/fused": epoch["final_sim"]}


def metrics_arrays() -> dict[str, np.ndarray]:
    given = np.load(FIXTURES / "metrics_given.npz")
    return {name: given[name] for name in given}


if __name__ == "__main__":
    np.savez_compressed(HERE / "sinkhorn.npz", **sinkhorn_arrays())
    np.savez_compressed(HERE / "metrics.npz", **metrics_arrays())
