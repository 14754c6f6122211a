"""X-CLIP's head against a slow reference in loops, written from the paper's equations and the
released code's facts.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from finereel.models.heads import head_config, make_head
from slow_scores import SCALE, Side, assert_head_agrees, real, softmax, unit
from tiny_models import DIM, FRAMES, WORDS, random_text, random_video


def aosm(values: dict[int, float], matrix: np.ndarray) -> float:
    """Σ (softmax(x/τ)·A)·x over the entries that exist, keyed by their place."""
    first = dict(zip(values, softmax([value / 0.01 for value in values.values()]), strict=True))
    return sum(
        sum(first[source] * matrix[source, place] for source in values) * values[place]
        for place in values
    )


def reference(state: Side, text: Side, video: Side, published: bool) -> dict[str, float]:
    words, frames = real(text["word_mask"], published), real(video["frame_mask"], published)
    sentence = unit(text["sentence"])
    matrices = {name.removesuffix(".mixing"): matrix for name, matrix in state.items()}
    of_video = {w: float(unit(text["words"][w]) @ video["video"]) for w in words}
    of_sentence = {f: float(sentence @ unit(video["frames"][f])) for f in frames}
    sim = {
        (w, f): float(unit(text["words"][w]) @ state["word_projection"] @ unit(video["frames"][f]))
        for w in words
        for f in frames
    }
    by_frame = {f: aosm({w: sim[w, f] for w in words}, matrices["over_words"]) for f in frames}
    by_word = {w: aosm({f: sim[w, f] for f in frames}, matrices["over_frames"]) for w in words}
    both = aosm(by_frame, matrices["over_word_frames"]) + aosm(
        by_word, matrices["over_frame_words"]
    )
    return {
        "video_sentence": SCALE * float(sentence @ state["sentence_projection"] @ video["video"]),
        "video_word": SCALE * aosm(of_video, matrices["over_video_words"]),
        "frame_sentence": SCALE * aosm(of_sentence, matrices["over_sentence_frames"]),
        "frame_word": SCALE * both / 2,
    }


@pytest.mark.parametrize("published", [False, True])
def test_agrees_with_the_slow_reference(published: bool) -> None:
    assert_head_agrees(
        "xclip", lambda *given: reference(*given, published), mask_padding=not published
    )


def test_matrices_are_told_apart() -> None:
    """Each learned matrix moves exactly the granularity it belongs to."""
    belongs = {
        "sentence_projection": "video_sentence", "over_video_words.mixing": "video_word",
        "over_sentence_frames.mixing": "frame_sentence",
    }  # fmt: skip
    text, video = random_text(4), random_video(4)
    text = replace(text, words=text.words[:1, :1] + 0.02 * text.words)
    video = replace(video, frames=video.frames[:1, :1] + 0.02 * video.frames)
    head = make_head(head_config("xclip", max_words=WORDS, max_frames=FRAMES), DIM)
    for name, parameter in head.named_parameters():
        with torch.no_grad():
            before = head.score(text, video, torch.tensor(SCALE)).parts
            parameter.add_(
                0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
            )
            after = head.score(text, video, torch.tensor(SCALE)).parts
        moved = {
            part for part in before if not torch.allclose(before[part], after[part], atol=1e-4)
        }
        assert moved == {belongs.get(name, "frame_word")}, name
