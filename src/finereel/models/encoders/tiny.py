"""A miniature CLIP geometry for the bundled model, the tests and the documentation."""

from typing import Any


def tiny_clip_values(
    vocab_size: int,
    dim: int = 128,
    image_size: int = 84,
    patch_size: int = 12,
    vision_blocks: int = 4,
    text_blocks: int = 3,
) -> dict[str, Any]:
    """A `transformers` CLIP config dictionary; one width for both towers, 7 x 7 patches like
    ViT-B/32.

    >>> tiny_clip_values(100)["projection_dim"]
    128
    """
    shared = {
        "hidden_size": dim,
        "intermediate_size": 4 * dim,
        "num_attention_heads": max(1, dim // 64),
        "hidden_act": "quick_gelu",
        "projection_dim": dim,
    }
    end = vocab_size - 1
    text = {
        "vocab_size": vocab_size,
        "max_position_embeddings": 32,
        "num_hidden_layers": text_blocks,
        "bos_token_id": end - 1,
        "eos_token_id": end,
        "pad_token_id": 0,
    }
    vision = {
        "image_size": image_size,
        "patch_size": patch_size,
        "num_hidden_layers": vision_blocks,
    }
    return {
        "projection_dim": dim,
        "text_config": {**shared, **text},
        "vision_config": {**shared, **vision},
    }
