"""A batch takes pixels or tokens; a text is taught once where rows repeat it."""

import torch

from finereel.training.batch import Batch, without_repeated_texts


def test_tokens_are_a_batch_like_pixels() -> None:
    masks = (
        torch.ones(2, 3, dtype=torch.bool),
        torch.ones(2, 4, dtype=torch.int64),
        torch.ones(2, 4, dtype=torch.bool),
    )
    assert len(Batch(torch.zeros(2, 3, 5, 5, 3, dtype=torch.uint8), *masks)) == 2
    assert len(Batch(torch.zeros(2, 3, 7, 8), *masks)) == 2


def test_only_rows_that_repeat_the_text_above_are_left_out() -> None:
    ids = torch.tensor([[1, 2], [1, 2], [1, 4], [1, 2], [1, 2], [1, 2]])
    factors = torch.arange(6)[:, None]
    frames, mask = torch.zeros(6, 1, 2, 2, 3, dtype=torch.uint8), torch.ones(6, 1, dtype=torch.bool)
    kept = without_repeated_texts(Batch(frames, mask, ids, ids > 0, factors, factors))
    assert kept.input_ids.tolist() == [[1, 2], [1, 4], [1, 2]]
    assert kept.text_factors is not None
    assert kept.text_factors.tolist() == [[0], [2], [3]]
    assert len(kept) == 6
    assert torch.equal(kept.video_factors, factors)
