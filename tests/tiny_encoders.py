"""One tiny encoder of every kind, with the tokenizer that fits it; everything is seeded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from finereel.models.encoders import Encoder
from finereel.models.encoders.bert import BertGeometry
from finereel.models.encoders.clip import ClipEncoder
from finereel.models.encoders.dual import DualEncoder, DualGeometry
from finereel.models.encoders.efficientnet import EfficientNetGeometry
from finereel.models.encoders.features import FeatureEncoder, FeatureGeometry
from finereel.text import BaseTokenizer, WordPieceTokenizer
from tiny_models import tiny_tokenizer, tiny_towers

PIECES = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "car", "jump", "##s", "over", "the"),
    *("house", "blue", "fish", "small", "man", "is", "cook", "##ing", "!", ",", "don", "'", "t"),
]
"""A vocabulary of WordPiece."""


def tiny_word_pieces() -> WordPieceTokenizer:
    return WordPieceTokenizer({piece: number for number, piece in enumerate(PIECES)})


def tiny_dual_geometry(**settings: Any) -> DualGeometry:
    text = BertGeometry(len(PIECES), 32, 2, 2, 64, max_position_embeddings=16)
    values = {
        "dim": 24,
        "vision_config": EfficientNetGeometry(image_size=64, width=40),
        "text_config": text,
    } | settings
    return DualGeometry(**values)


def tiny_dual(**settings: Any) -> DualEncoder:
    torch.manual_seed(0)
    return DualEncoder(tiny_dual_geometry(**settings))


def _clip() -> Encoder:
    return ClipEncoder(tiny_towers())


def _shifted_clip() -> Encoder:
    return ClipEncoder(tiny_towers(), shifted_blocks=(1,))


def _features() -> Encoder:
    torch.manual_seed(0)
    return FeatureEncoder(FeatureGeometry(16, 8, 6, 530, text_width=32, text_blocks=1))


@dataclass(frozen=True)
class TinyKind:
    """How to make an encoder, its tokenizer, and random frames as it takes them."""

    encoder: Callable[[], Encoder]
    tokenizer: Callable[[], BaseTokenizer]

    def frames(self, clips: int = 2, frames: int = 4, seed: int = 1) -> torch.Tensor:
        made, generator = self.encoder(), torch.Generator().manual_seed(seed)
        shape = (
            (3, made.image_size, made.image_size)
            if made.takes_pixels
            else (made.tokens_per_frame, 8)
        )
        return torch.randn(clips, frames, *shape, generator=generator)


KINDS = {
    "clip": TinyKind(_clip, tiny_tokenizer),
    "clip, shifted": TinyKind(_shifted_clip, tiny_tokenizer),
    "features": TinyKind(_features, tiny_tokenizer),
    "dual": TinyKind(tiny_dual, tiny_word_pieces),
    "dual, first, separate patches": TinyKind(
        lambda: tiny_dual(text_pooling="first", separate_patches=True), tiny_word_pieces
    ),
}
