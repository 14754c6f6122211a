"""Random tiny models as `transformers` saves them, each with its tokenizer and image processor, and
as open_clip does.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from finereel.models.encoders.clip import clip_from_config
from finereel.models.encoders.tiny import tiny_clip_values
from tiny_encoders import PIECES, sentence_pieces
from tiny_models import tiny_tokenizer

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


def chinese_clip(folder: Path) -> Any:
    """A random Chinese-CLIP."""
    from transformers import BertTokenizerFast, ChineseCLIPConfig, ChineseCLIPModel
    from transformers.models.chinese_clip.image_processing_pil_chinese_clip import (
        ChineseCLIPImageProcessorPil,
    )

    pieces = [*PIECES, "[MASK]", "\u7ea2", "\u8272", "\u6c7d", "\u8f66"]
    text = {**SIZES, "vocab_size": len(pieces), "max_position_embeddings": 64}
    vision = {**SIZES, "image_size": 32, "patch_size": 8}
    config = ChineseCLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
    theirs = jittered(ChineseCLIPModel(config))
    theirs.save_pretrained(folder)
    size, crop = {"shortest_edge": 32}, {"height": 32, "width": 32}
    ChineseCLIPImageProcessorPil(size=size, crop_size=crop).save_pretrained(folder)
    vocab = {piece: number for number, piece in enumerate(pieces)}
    BertTokenizerFast(vocab=vocab).save_pretrained(folder)
    return theirs


VOCABULARY = tiny_tokenizer().vocab_size
BLOCK = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
TOWERS = {
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm": "ln_final",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding": "visual.conv1",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm": "visual.ln_pre",
    "vision_model.post_layernorm": "visual.ln_post",
    "text_model.encoder.layers": "transformer.resblocks",
    "vision_model.encoder.layers": "visual.transformer.resblocks",
}


def open_clip_towers(act: str) -> Any:
    """Random towers whose heads are 16 wide in the vision tower."""
    values = tiny_clip_values(VOCABULARY, dim=32, image_size=32, patch_size=8, vision_blocks=2)
    values["text_config"] |= {"hidden_act": act, "intermediate_size": 64, "num_attention_heads": 4}
    values["vision_config"] |= {"hidden_act": act, "num_attention_heads": 2}
    torch.manual_seed(0)
    clip = clip_from_config(values)
    with torch.no_grad():
        for name, parameter in clip.named_parameters():
            if name != "logit_scale":
                parameter.add_(torch.randn_like(parameter) * 0.08)
    return clip


def open_clip_state(clip: Any) -> dict[str, torch.Tensor]:
    """The weights under open_clip's names, written out by hand."""
    state, fused = {}, {}
    for ours, tensor in clip.state_dict().items():
        if ours in ("text_projection.weight", "visual_projection.weight"):
            place = "text_projection" if ours.startswith("text") else "visual.proj"
            state[place] = tensor.T.contiguous()
            continue
        name = ours
        for old, new in (TOWERS | BLOCK).items():
            name = name.replace(old, new)
        if "self_attn" in name:  # query, key and value are one matrix
            base, part = name.split("self_attn.")
            fused[f"{base}attn.in_proj_{part.split('.')[1]}", part[0]] = tensor
            continue
        state[name] = tensor.clone()
    for name in {name for name, _ in fused}:
        state[name] = torch.cat([fused[name, part] for part in "qkv"])
    return state


def write_open_clip(folder: Path, act: str = "gelu", **changed: Any) -> Any:
    """An open_clip folder; `section__name=value` changes the config."""
    clip = open_clip_towers(act)
    folder.mkdir(parents=True, exist_ok=True)
    vision = {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8}
    text = {"context_length": 32, "vocab_size": VOCABULARY, "width": 32, "heads": 4, "layers": 3}
    config: dict[str, Any] = {
        "model_cfg": {
            "embed_dim": 32,
            "quick_gelu": act == "quick_gelu",
            "vision_cfg": vision,
            "text_cfg": {**text, "mlp_ratio": 2.0},
        },
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
    }
    for place, value in changed.items():
        *sections, name = place.split("__")
        section = config
        for part in sections:
            section = section[part]
        section[name] = value
    save_file(open_clip_state(clip), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    tiny_tokenizer().save(folder)
    return clip
