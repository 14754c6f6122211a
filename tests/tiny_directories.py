"""Random tiny models as `transformers` saves them, each with its tokenizer and image processor."""

import json
from pathlib import Path
from typing import Any

import torch

from tiny_encoders import sentence_pieces

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def write_tokenizer(folder: Path) -> None:
    """As `transformers` saves SigLIP 2's: its tokenizer.json, and which token pads."""
    folder.mkdir(parents=True, exist_ok=True)
    sentence_pieces().save(str(folder / "tokenizer.json"))
    settings = {"pad_token": "<pad>", "eos_token": "<eos>", "tokenizer_class": "Siglip2Tokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def jittered(model: Any) -> Any:
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "logit" not in name:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def siglip(folder: Path) -> Any:
    """A random SigLIP, as all SigLIP 2 of a fixed resolution are."""
    from transformers import SiglipConfig, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    text = {**SIZES, "vocab_size": 512, "max_position_embeddings": 16}
    vision = {**SIZES, "image_size": 32, "patch_size": 8}
    theirs = jittered(SiglipModel(SiglipConfig(text_config=text, vision_config=vision)))
    theirs.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    write_tokenizer(folder)
    return theirs


def siglip2(folder: Path) -> Any:
    """A random SigLIP 2 that takes pictures of any shape (NaFlex)."""
    from transformers import Siglip2Config, Siglip2Model
    from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

    text = {**SIZES, "vocab_size": 512, "max_position_embeddings": 16}
    vision = {**SIZES, "num_patches": 16, "patch_size": 8}
    theirs = jittered(Siglip2Model(Siglip2Config(text_config=text, vision_config=vision)))
    theirs.save_pretrained(folder)
    Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16).save_pretrained(folder)
    write_tokenizer(folder)
    return theirs
