"""Token shift against a loop over frames and tokens, and its promise about padding."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from finereel.models.encoders.clip import shift_tokens


def reference(tokens: torch.Tensor, real: list[bool] | None) -> torch.Tensor:
    """(F, N, D): tokens 1, 1+fold, ... from the frame before, then tokens 4, 4+fold, ... from the
    frame after.
    """
    num_frames, num_tokens = tokens.shape[:2]
    fold = num_tokens // 7
    shifted = tokens.clone()
    for frame in range(num_frames):
        for token in range(num_tokens):
            if (
                token >= 1
                and (token - 1) % fold == 0
                and frame > 0
                and (real is None or real[frame - 1])
            ):
                shifted[frame, token] = tokens[frame - 1, token]
            last = frame == num_frames - 1
            if (
                token >= 4
                and (token - 4) % fold == 0
                and not last
                and (real is None or real[frame + 1])
            ):
                shifted[frame, token] = tokens[frame + 1, token]
    return shifted


@given(
    num_frames=st.integers(1, 5),
    num_tokens=st.integers(7, 60),
    length=st.integers(1, 5),
    seed=st.integers(0, 9),
)
def test_agrees_with_the_loop(num_frames: int, num_tokens: int, length: int, seed: int) -> None:
    tokens = torch.randn(
        2, num_frames, num_tokens, 3, generator=torch.Generator().manual_seed(seed)
    )
    real = [frame < length for frame in range(num_frames)]
    mask = torch.tensor([real, [True] * num_frames])
    for video in range(2):
        assert torch.equal(shift_tokens(tokens)[video], reference(tokens[video], None))
        assert torch.equal(
            shift_tokens(tokens, mask)[video], reference(tokens[video], mask[video].tolist())
        )


def test_the_tokens_of_vit_b_32() -> None:
    """Of 50 tokens, {1, 8, ..., 43} look back and {4, 11, ..., 46} ahead; CLS stays."""
    tokens = torch.arange(3.0).reshape(1, 3, 1, 1).expand(1, 3, 50, 1)
    middle = shift_tokens(tokens)[0, 1, :, 0]
    assert (middle == 0).nonzero().flatten().tolist() == [1, 8, 15, 22, 29, 36, 43]
    assert (middle == 2).nonzero().flatten().tolist() == [4, 11, 18, 25, 32, 39, 46]


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_padded_frames_are_never_read(poison: float) -> None:
    tokens = torch.randn(1, 4, 10, 3)
    mask = torch.tensor([[True, True, False, False]])
    poisoned = torch.where(mask[..., None, None], tokens, poison)
    assert torch.equal(shift_tokens(poisoned, mask)[:, :2], shift_tokens(tokens, mask)[:, :2])
    assert not torch.isfinite(shift_tokens(poisoned)[:, :2]).all()


def test_too_few_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 7 tokens"):
        shift_tokens(torch.zeros(1, 2, 6, 3))


def test_input_is_left_alone() -> None:
    tokens = torch.randn(1, 3, 10, 2)
    before = tokens.clone()
    shift_tokens(tokens)
    assert torch.equal(tokens, before)


def test_a_padded_first_frame_is_not_looked_back_at() -> None:
    """The neighbour's mask decides, not the asking frame's: they differ where padding stands in
    front.
    """
    tokens = torch.arange(3.0).reshape(1, 3, 1, 1).expand(1, 3, 50, 1)
    shifted = shift_tokens(tokens, torch.tensor([[False, True, True]]))
    assert shifted[0, 1, 1, 0] == 1.0
    assert shifted[0, 2, 1, 0] == 1.0
    assert shifted[0, 0, 4, 0] == 1.0
