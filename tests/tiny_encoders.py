"""One tiny encoder of every kind, with the tokenizer that fits it; everything is seeded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, processors

from finereel.models.encoders import Encoder
from finereel.models.encoders.bert import BertGeometry
from finereel.models.encoders.chinese_clip import (
    ChineseClipEncoder,
    ChineseClipGeometry,
    ChineseClipTowers,
)
from finereel.models.encoders.clip import ClipEncoder
from finereel.models.encoders.dual import DualEncoder, DualGeometry
from finereel.models.encoders.efficientnet import EfficientNetGeometry
from finereel.models.encoders.features import FeatureEncoder, FeatureGeometry
from finereel.models.encoders.geometry import VisionGeometry
from finereel.models.encoders.siglip import (
    SiglipEncoder,
    SiglipGeometry,
    SiglipTextGeometry,
    SiglipVisionGeometry,
)
from finereel.models.preprocessing import Preprocessing
from finereel.text import BaseTokenizer, PipelineTokenizer, WordPieceTokenizer
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


SPOKEN = ["a", "red", "car", "jumps", "over", "the", "house", "fish", "man", "is", "cooking", ","]


def sentence_pieces() -> Tokenizer:
    """Byte-fallback BPE as in SigLIP 2, lower-cased, with an end token behind a text."""
    vocab = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3}
    vocab |= {f"<0x{byte:02X}>": 4 + byte for byte in range(256)}
    merges: list[tuple[str, str]] = []
    for word in SPOKEN:
        for symbol in f"\u2581{word}":
            vocab.setdefault(symbol, len(vocab))
        for end in range(1, len(word) + 1):
            pair = (f"\u2581{word}"[:end], word[end - 1])
            if "".join(pair) not in vocab:
                vocab["".join(pair)] = len(vocab)
                merges.append(pair)
    pipeline = Tokenizer(
        models.BPE(vocab, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True)
    )
    pipeline.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(" ", "\u2581")]
    )
    pipeline.add_special_tokens(["<pad>", "<eos>", "<bos>", "<unk>"])
    pipeline.post_processor = processors.TemplateProcessing("$A <eos>", None, [("<eos>", 1)])
    return pipeline


def tiny_sentence_pieces() -> PipelineTokenizer:
    return PipelineTokenizer(sentence_pieces(), pad_id=0)


def tiny_siglip(linear_patches: bool = False) -> SiglipEncoder:
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
    }
    text = SiglipTextGeometry(**sizes, vocab_size=512, max_position_embeddings=16)
    vision = SiglipVisionGeometry(
        **sizes, image_size=32, patch_size=8, linear_patches=linear_patches
    )
    half = (0.5, 0.5, 0.5)
    pixels = Preprocessing(32, (32, 32), mean=half, std=half)
    encoder = SiglipEncoder(SiglipGeometry(text, vision, 0, pixels))
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.08 * torch.randn_like(parameter))
    return encoder


def tiny_chinese_clip() -> ChineseClipEncoder:
    text = BertGeometry(len(PIECES), 32, 2, 2, 64, max_position_embeddings=16)
    vision = VisionGeometry(32, 64, 2, 2, image_size=32, patch_size=8)
    torch.manual_seed(0)
    return ChineseClipEncoder(ChineseClipTowers(ChineseClipGeometry(text, vision, 24)))


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
    "chinese clip": TinyKind(tiny_chinese_clip, tiny_word_pieces),
    "siglip": TinyKind(tiny_siglip, tiny_sentence_pieces),
    "siglip, linear patches": TinyKind(lambda: tiny_siglip(True), tiny_sentence_pieces),
}
