"""Token shift: before attention, some patch tokens come from the previous frame and some from the
next one.

Source: TS2-Net (ECCV 2022), used by UCoFiA's released code in vision blocks 10 and 11
(`until_module.py`).
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_DIVISIONS = 7
_AHEAD_OFFSET = 3


def shift_tokens(
    tokens: Float[Tensor, "V F N D"], frame_mask: Bool[Tensor, "V F"] | None = None
) -> Float[Tensor, "V F N D"]:
    """Replace tokens 1, 1+fold, ... by the previous frame's and tokens 4, 4+fold, ... by the next
    frame's.

    fold = N // 7. The first and the last frame keep their own. Where both rules name a token, the later one (next
    frame) wins, as published. With `frame_mask` a padded neighbour is never read; without it, zero frames used as
    padding leak into the last real frame, which is what the published code does.

    >>> frames = torch.arange(3.0).reshape(1, 3, 1, 1).expand(1, 3, 8, 1)
    >>> shift_tokens(frames)[0, 1, :, 0]
    tensor([1., 0., 0., 0., 2., 2., 2., 2.])
    """
    num_tokens = tokens.shape[2]
    fold = num_tokens // _DIVISIONS
    if fold == 0:
        raise ValueError(
            f"token shift needs at least {_DIVISIONS} tokens per frame, got {num_tokens}"
        )
    back = torch.arange(1, num_tokens, fold, device=tokens.device)
    ahead = torch.arange(1 + _AHEAD_OFFSET, num_tokens, fold, device=tokens.device)
    shifted = tokens.clone()
    shifted[:, 1:, back] = _where_real(
        tokens[:, :-1, back], shifted[:, 1:, back], frame_mask, slice(None, -1)
    )
    shifted[:, :-1, ahead] = _where_real(
        tokens[:, 1:, ahead], shifted[:, :-1, ahead], frame_mask, slice(1, None)
    )
    return shifted


def _where_real(neighbour: Tensor, own: Tensor, frame_mask: Tensor | None, frames: slice) -> Tensor:
    if frame_mask is None:
        return neighbour
    return torch.where(frame_mask[:, frames, None, None], neighbour, own)
