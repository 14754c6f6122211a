"""Load the encoder of a plain model directory of `transformers`: `config.json`, `model.safetensors`,
the tokenizer's and the image processor's files.

PLAIN names the kinds that are read, by the `model_type` of `config.json`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from finereel.models.encoders.base import Encoder
from finereel.models.encoders.chinese_clip import (
    ChineseClipEncoder,
    ChineseClipGeometry,
    ChineseClipTowers,
)
from finereel.models.encoders.clip import ClipEncoder, Stated, clip_from_config
from finereel.models.encoders.siglip import SiglipEncoder, SiglipGeometry, siglip_towers
from finereel.models.preprocessing import read_preprocessing
from finereel.models.weights import load_strictly, read_header, read_weights, sketched
from finereel.text import BaseTokenizer, PipelineTokenizer, Tokenizer, load_tokenizer
from finereel.text.tokenize import most_tokens

Module = TypeVar("Module", bound=nn.Module)

_CHINESE_WORDS = 52  # the longest text that Chinese-CLIP was trained on
_ENGLISH_PIECES = 32_000  # SigLIP's English vocabulary; the multilingual ones have 250,000 and more
_COUNTING = (
    "with an untrained head: video_sentence (mean of frames) and frame_sentence (best frame) "
    "count. patch_word joins where a model was trained for it:"
)


@dataclass(frozen=True)
class PlainParts:
    """What a plain directory holds.

    Attributes:
        encoder: The towers.
        tokenizer: Their tokenizer.
        max_words: The most tokens of a text.
        note: Which granularities count, for the model's card.
        languages: Of texts, for the model's card.
    """

    encoder: Encoder
    tokenizer: BaseTokenizer
    max_words: int
    note: str
    languages: tuple[str, ...] = ("English",)


def _read(folder: Path, make: Callable[[], Module], ignored: tuple[str, ...]) -> Module:
    """The module that `make` makes, with the weights of a directory."""
    header = read_header(folder / "model.safetensors")
    module: Module = sketched(make, header.shapes, str(folder), ignored)
    load_strictly(module, read_weights(header, ignored), str(folder), ignored)
    return module


def _clip(folder: Path, described: Mapping[str, Any]) -> PlainParts:
    clip = _read(folder, lambda: clip_from_config(dict(described)), ("position_ids",))
    tokenizer, text = Tokenizer.load(folder), clip.config.text_config
    words = min(most_tokens(folder), text.max_position_embeddings)
    stated = Stated(
        read_preprocessing(folder, clip.config.vision_config.image_size), text.sentence_end
    )
    note = f"CLIP towers {_COUNTING} CLIP's patches are not aligned with words."
    return PlainParts(ClipEncoder(clip, stated=stated), tokenizer, words, note)


def _siglip(folder: Path, described: Mapping[str, Any]) -> PlainParts:
    text, vision = siglip_towers(described)
    tokenizer = load_tokenizer(folder, other_bpe=True)
    usual = f"S{str(described['model_type'])[1:]}ImageProcessor"
    pixels = read_preprocessing(folder, vision.image_size, usual)
    geometry = SiglipGeometry(text, vision, tokenizer.pad_id, pixels)
    encoder = _read(folder, lambda: SiglipEncoder(geometry), ("position_ids",))
    note = (
        f"SigLIP towers {_COUNTING} patches pass the pooling head one by one and words the text "
        "head, neither of which was trained to be compared."
    )
    many = isinstance(tokenizer, PipelineTokenizer) and tokenizer.vocab_size > _ENGLISH_PIECES
    languages = ("many",) if many else ("English",)
    return PlainParts(encoder, tokenizer, encoder.max_words, note, languages)


def _chinese_clip(folder: Path, described: Mapping[str, Any]) -> PlainParts:
    geometry = ChineseClipGeometry.from_values(described)
    ignored = ("position_ids", "pooler.dense.weight", "pooler.dense.bias")
    clip = _read(folder, lambda: ChineseClipTowers(geometry), ignored)
    pixels = read_preprocessing(
        folder, geometry.vision_config.image_size, "ChineseCLIPImageProcessor"
    )
    encoder = ChineseClipEncoder(clip, stated=Stated(pixels))
    note = f"Chinese-CLIP towers {_COUNTING} patches are not aligned with words."
    words = min(_CHINESE_WORDS, encoder.max_words)
    return PlainParts(encoder, load_tokenizer(folder), words, note, ("Chinese",))


PLAIN: dict[str, Callable[[Path, Mapping[str, Any]], PlainParts]] = {
    "clip": _clip,
    "siglip": _siglip,
    "siglip2": _siglip,
    "chinese_clip": _chinese_clip,
}
