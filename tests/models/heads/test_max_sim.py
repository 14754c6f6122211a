"""MaxSim against a slow reference."""

import pytest

from finereel.models.heads import head_config, make_head
from slow_scores import SCALE, Side, assert_head_agrees, real, unit
from tiny_models import DIM


def reference(state: Side, text: Side, video: Side, published: bool) -> dict[str, float]:
    words, frames = real(text["word_mask"], published), real(video["frame_mask"], published)

    def mean_max(name: str) -> float:
        best = [
            max(float(unit(text["words"][w]) @ unit(video[name][f])) for f in frames) for w in words
        ]
        return SCALE * sum(best) / len(best)

    return {"frame_word": mean_max("frames"), "video_word": mean_max("contextual")}


@pytest.mark.parametrize("published", [False, True])
def test_agrees_with_the_slow_reference(published: bool) -> None:
    assert_head_agrees(
        "max_sim", lambda *given: reference(*given, published), mask_padding=not published
    )


@pytest.mark.parametrize(("part", "read"), [("frame_word", "frames"), ("video_word", "contextual")])
def test_one_side_alone_reads_no_other(part: str, read: str) -> None:
    assert make_head(head_config("max_sim", weights={part: 1.0}), DIM).reads == {read}
