"""The contract of an encoder: what `RetrievalModel` asks of the towers, whatever they are made of."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped, UInt8
from torch import Tensor, nn

from finereel.models.encoders.pixels import normalize_pixels, to_pixels
from finereel.models.encoders.prompts import Prompts
from finereel.models.preprocessing import DECODED_SIDE, Preprocessing

PIXEL_AXES = 5
"""Axes of a batch of clips as pixels, (V, F, 3, H, H); precomputed tokens have one fewer."""


class Encoder(nn.Module, ABC):
    """A vision side and a text side whose outputs live in one space of D dimensions.

    The contract, which `tests/models/encoders/test_contract.py` runs on every kind: what stands in
    padded words and padded frames does not change anything that is real; the order of texts and
    clips does not matter; the same input gives the same output; every parameter learns; `describe`
    builds the same encoder again.

    Attributes:
        kind: The key of `config.json` under which the encoder is described, and of `ENCODERS`.
        takes_pixels: Whether it encodes pictures; otherwise it takes precomputed tokens only.
        logit_scale: ln s.
    """

    kind: ClassVar[str]
    takes_pixels: ClassVar[bool] = True
    logit_scale: nn.Parameter

    @property
    @abstractmethod
    def dim(self) -> int:
        """D, the width of the shared space."""

    @property
    @abstractmethod
    def max_words(self) -> int:
        """The most tokens the text side has positions for."""

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """The number of token ids the text side knows."""

    @property
    @abstractmethod
    def text_width(self) -> int:
        """The width of a token inside the text side, which is that of a textual prompt."""

    @property
    @abstractmethod
    def visual_width(self) -> int:
        """The width of a visual prompt."""

    @property
    @abstractmethod
    def text_blocks(self) -> int:
        """The number of transformer blocks that textual prompts pass."""

    @property
    def visual_blocks(self) -> int:
        """The number of transformer blocks that visual prompts pass; 0 where they only read what
        has passed them.
        """
        return 0

    @property
    @abstractmethod
    def tokens_per_frame(self) -> int:
        """N, the tokens of a frame, its own token included."""

    @property
    def image_size(self) -> int:
        """Side of the square input picture in pixels; 0 where no pictures are taken."""
        return 0

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What happens to pictures; None for CLIP's statistics and torch's bicubic resizing."""
        return None

    @property
    def picture_size(self) -> int:
        """Shorter side in pixels of the pictures to decode."""
        return DECODED_SIDE if self.preprocessing is None else self.preprocessing.decoded_side

    @property
    def shifts_tokens(self) -> bool:
        """Whether some tokens of a frame are exchanged with those of its neighbours."""
        return False

    @property
    def causal_text_tower(self) -> Any:
        """A `finereel.models.encoders.towers.TextTower` from which a temporal encoder may start;
        None where the text side is none.
        """
        return None

    @property
    def scale(self) -> Float[Tensor, ""]:
        """s = exp(logit_scale)."""
        scale: Tensor = self.logit_scale.exp()
        return scale

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """As JSON values; `encoder_from_description` builds the same encoder again."""

    @abstractmethod
    def encode_tokens(
        self,
        input_ids: Int64[Tensor, "T W"],
        mask: Bool[Tensor, "T W"] | None = None,
        prompts: Float[Tensor, "*blocks n E"] | None = None,
    ) -> tuple[Float[Tensor, "T D"], Float[Tensor, "T W D"]]:
        """Encode texts.

        Args:
            input_ids: (T, W) token ids; under a False mask they may be anything.
            mask: (T, W), True on tokens of the text; None where all are.
            prompts: (n, `text_width`) vectors between the start token and the first word, or
                (`text_blocks`, n, `text_width`) of their own for every block.

        Returns:
            The sentence vectors (T, D) and one vector per token (T, W, D), undefined on padding.
        """

    @abstractmethod
    def encode_frames(
        self, frames: Float[Tensor, "V F ..."], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V F N D"]:
        """Encode clips.

        Args:
            frames: (V, F, ...), what `to_input` returns.
            frame_mask: (V, F), True on real frames.

        Returns:
            All N tokens of every frame, the frame's own token first.
        """

    @abstractmethod
    def encode_prompted(
        self, frames: Float[Tensor, "V F ..."], frame_mask: Bool[Tensor, "V F"], prompts: Prompts
    ) -> tuple[Float[Tensor, "V F N D"], Float[Tensor, "V F D"]]:
        """Encode clips with visual prompts.

        Args:
            frames: (V, F, ...), what `to_input` returns.
            frame_mask: (V, F), True on real frames.
            prompts: The prompts of the model.

        Returns:
            The tokens of `encode_frames`, and the frame vectors of the visual prompts.

        Raises:
            ModelError: If the prompts have to pass the tower and `frames` are tokens already.
            ConfigError: If the settings of the prompts do not suit the encoder.
        """

    def frozen_tokens(
        self, frames: Float[Tensor, "V F ..."], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V F N E"]:
        """Compute what `encode_frames` takes in the place of pixels, to be saved: training on it
        is training with a frozen vision backbone.

        Args:
            frames: (V, F, ...), what `to_input` returns.
            frame_mask: (V, F), True on real frames.

        Returns:
            Tokens of every frame, its own token first.
        """
        return self.encode_frames(frames, frame_mask)

    def to_input(self, frames: Shaped[Tensor, "V F ..."]) -> Float[Tensor, "V F ..."]:
        """Normalise pixels of the model's size; precomputed tokens stay as they are.

        Args:
            frames: (V, F, H, H, 3) pixels from 0 to 255, or (V, F, N, E) tokens.

        Returns:
            What `encode_frames` takes.
        """
        pixels = self.takes_pixels and frames.ndim == PIXEL_AXES
        return normalize_pixels(frames, self.preprocessing) if pixels else frames

    def to_pixels(self, frames: UInt8[np.ndarray, "F H W 3"]) -> Float[Tensor, "F 3 size size"]:
        """Resize and normalise pictures of any size.

        Args:
            frames: (F, H, W, 3) pictures.

        Returns:
            The pictures as the vision side takes them.
        """
        settings = self.preprocessing
        if settings is None:
            return to_pixels(torch.from_numpy(np.ascontiguousarray(frames)), self.image_size)
        return normalize_pixels(torch.from_numpy(settings.squares(frames)), settings)

    def prepare_training(self) -> None:
        """Switch to what trains fastest; by default nothing."""

    def finish_training(self) -> None:
        """Switch back to what a loaded model computes with; by default nothing."""


def scattered(
    real: Float[Tensor, "R N E"], frame_mask: Bool[Tensor, "V F"]
) -> Float[Tensor, "V F N E"]:
    """Put the tokens of real frames into their places, zeros into padded frames.

    Args:
        real: (R, N, E), the tokens of the R real frames in order.
        frame_mask: (V, F), True on real frames.

    Returns:
        (V, F, N, E).
    """
    tokens = real.new_zeros(*frame_mask.shape, *real.shape[1:])
    tokens[frame_mask] = real
    return tokens
