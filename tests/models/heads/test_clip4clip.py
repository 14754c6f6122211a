"""CLIP4Clip's head against a slow reference."""

from slow_scores import SCALE, Side, assert_head_agrees, unit


def reference(state: Side, text: Side, video: Side) -> dict[str, float]:
    return {"video_sentence": SCALE * float(unit(text["sentence"]) @ video["video"])}


def test_agrees_with_the_slow_reference() -> None:
    assert_head_agrees("clip4clip", reference)
