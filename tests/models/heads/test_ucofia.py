"""UCoFiA's head against a slow reference in loops, written from the paper's equations and the
released code's facts.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from finereel.models.features import tensors_of
from finereel.models.heads import make_head
from finereel.models.heads.ucofia import GRANULARITIES
from tiny_models import DIM, jitter, random_text, random_video, tiny_config

SCALE = 20.0


def softmax(values: list[float]) -> list[float]:
    raised = [math.exp(value - max(values)) for value in values]
    return [value / sum(raised) for value in raised]


def isa(values: dict[int, float], matrix: np.ndarray) -> float:
    """Σ_n softmax_n(softmax_n(x/τ)·A / τ)·x_n over the entries that exist, keyed by their place."""
    places = list(values)
    first = softmax([values[place] / 0.01 for place in places])
    mixed = [
        sum(weight * matrix[source, place] for weight, source in zip(first, places, strict=True))
        for place in places
    ]
    second = softmax([value / 0.01 for value in mixed])
    return sum(weight * values[place] for weight, place in zip(second, places, strict=True))


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / math.sqrt(sum(float(x) ** 2 for x in vector))


def reference(
    head: Any, text: dict[str, np.ndarray], video: dict[str, np.ndarray], published: bool
) -> dict[str, float]:
    """The three scores of one text and one clip."""
    state = {name: tensor.double().numpy() for name, tensor in head.state_dict().items()}
    words = [n for n in range(len(text["words"])) if published or text["word_mask"][n]]
    frames = [n for n in range(len(video["frames"])) if published or video["frame_mask"][n]]
    patches = [n for n in range(len(video["patches"])) if published or video["patch_mask"][n]]
    sentence = unit(text["sentence"])
    cosines = {n: float(sentence @ unit(video["frames"][n])) for n in frames}
    sim = {}
    for w in words:
        word = unit(text["words"][w]) @ state["word_projection"]
        for p in patches:
            patch = video["patches"][p] if published else unit(video["patches"][p])
            sim[w, p] = float(word @ (patch @ state["patch_projection"]))
    by_patch = {p: isa({w: sim[w, p] for w in words}, state["over_words.mixing"]) for p in patches}
    by_word = {w: isa({p: sim[w, p] for p in patches}, state["over_patches.mixing"]) for w in words}
    of_patches = isa(by_patch, state["over_word_patches.mixing"])
    of_words = isa(by_word, state["over_patch_words.mixing"])
    left, right = (
        sentence @ state["sentence_projection"],
        video["video"] @ state["video_projection"],
    )
    return {
        "video_sentence": SCALE * float(left @ right),
        "frame_sentence": SCALE * isa(cosines, state["over_frames.mixing"]),
        "patch_word": (1.0 if published else SCALE) * (of_patches + of_words) / 2,
    }


@pytest.mark.parametrize("published", [False, True])
def test_agrees_with_the_slow_reference(published: bool) -> None:
    settings = {"mask_padding": False, "patch_units": "inner_product"} if published else {}
    head = make_head(tiny_config(**settings), DIM)
    jitter(head, amount=0.05)
    head = head.double()
    text, video = random_text(5).to(torch.float64), random_video(4).to(torch.float64)
    with torch.no_grad():
        scores = head.score(text, video, torch.tensor(SCALE, dtype=torch.float64))
    for t in range(5):
        for v in range(4):
            sides = [
                {name: tensor[row].numpy() for name, tensor in tensors_of(side).items()}
                for side, row in ((text, t), (video, v))
            ]
            wanted = reference(head, *sides, published)
            for name in GRANULARITIES:
                assert scores.parts[name][t, v].item() == pytest.approx(wanted[name], rel=1e-8), (
                    name,
                    t,
                    v,
                )


def test_soft_similarities_tell_the_inner_and_outer_matrices_apart() -> None:
    """Near-equal similarities keep both softmaxes soft, so that every mixing matrix shows in the
    number.
    """
    head = make_head(tiny_config(mask_padding=False, patch_units="inner_product"), DIM)
    jitter(head, amount=0.3)
    head = head.double()
    text, video = random_text(2).to(torch.float64), random_video(2).to(torch.float64)
    video = replace(video, patches=video.patches * 0.002)
    with torch.no_grad():
        found = head.score(text, video, torch.tensor(SCALE, dtype=torch.float64)).parts[
            "patch_word"
        ]
    for t in range(2):
        for v in range(2):
            sides = [
                {name: tensor[row].numpy() for name, tensor in tensors_of(side).items()}
                for side, row in ((text, t), (video, v))
            ]
            assert found[t, v].item() == pytest.approx(
                reference(head, *sides, True)["patch_word"], rel=1e-8
            )


def test_matrices_are_told_apart() -> None:
    """Each learned matrix moves exactly the granularity it belongs to."""
    belongs = {
        "sentence_projection": "video_sentence", "video_projection": "video_sentence",
        "over_frames.mixing": "frame_sentence",
    }  # fmt: skip
    text, video = random_text(4), random_video(4)
    text = replace(text, words=text.words[:1, :1] + 0.02 * text.words)
    video = replace(
        video,
        frames=video.frames[:1, :1] + 0.02 * video.frames,
        patches=video.patches[:1, :1] + 0.02 * video.patches,
    )
    head = make_head(tiny_config(), DIM)
    for name, parameter in head.named_parameters():
        with torch.no_grad():
            before = head.score(text, video, torch.tensor(SCALE)).parts
            parameter.add_(
                0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
            )
            after = head.score(text, video, torch.tensor(SCALE)).parts
        moved = {
            part
            for part in GRANULARITIES
            if not torch.allclose(before[part], after[part], atol=1e-4)
        }
        assert moved == {belongs.get(name, "patch_word")}, name
