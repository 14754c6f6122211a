"""CLIP's own vocabulary, as published."""

import pytest

from finereel.text import clip_tokenizer


def test_size_and_special_tokens() -> None:
    tokenizer = clip_tokenizer()
    assert (tokenizer.vocab_size, tokenizer.start_id, tokenizer.end_id) == (49408, 49406, 49407)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        # Ids of the published checkpoints.
        ("a photo of a dog", [320, 1125, 539, 320, 1929]),
        ("a diagram", [320, 22697]),
        ("hello world!", [3306, 1002, 256]),
        ("é", [4166]),
    ],
)
def test_ids_are_those_of_the_published_model(text: str, ids: list[int]) -> None:
    assert clip_tokenizer().encode([text], 32).ids[0, 1 : 1 + len(ids)].tolist() == ids


def test_every_byte_encodes() -> None:
    text = "".join(map(chr, range(1, 0x250))) + "人 🎬"
    assert clip_tokenizer().encode([text], 2000).mask.sum() > 500
