"""Small models and features that several tests share; everything is seeded."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from finereel.config import ModelConfig
from finereel.models.encoders.clip import ClipEncoder, clip_from_config
from finereel.models.encoders.tiny import tiny_clip_values
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.heads import head_config
from finereel.models.retrieval import RetrievalModel
from finereel.text.tokenize import Tokenizer, train_tokenizer

CORPUS = ["a red car jumps over the house", "a small blue fish swims slowly", "a man is cooking"]
DIM, WORDS, FRAMES, IMAGE = 32, 6, 4, 21


def tiny_tokenizer() -> Tokenizer:
    return train_tokenizer(CORPUS, vocab_size=530)


def tiny_towers(vocab_size: int = 530, seed: int = 0, **geometry: Any) -> Any:
    torch.manual_seed(seed)
    values = {
        "dim": DIM,
        "image_size": IMAGE,
        "patch_size": 7,
        "vision_blocks": 2,
        "text_blocks": 2,
    } | geometry
    clip = clip_from_config(tiny_clip_values(vocab_size, **values))
    with torch.no_grad():
        for (
            name,
            parameter,
        ) in clip.named_parameters():  # CLIP's own start is nearly symmetric: 0.02-wide, biases 0
            if name != "logit_scale":
                parameter.add_(torch.randn_like(parameter) * 0.08)
    return clip


def transformers_clip(towers: Any) -> Any:
    """The same weights as a `transformers.CLIPModel`."""
    from transformers import CLIPConfig, CLIPModel

    clip = CLIPModel(CLIPConfig(**towers.config.describe()))
    clip.load_state_dict(towers.state_dict())
    return clip.eval()


def tiny_config(**settings: Any) -> ModelConfig:
    values = {
        "max_words": WORDS,
        "max_frames": FRAMES,
        "shifted_blocks": (1,),
        "temporal_layers": 1,
    } | settings
    return ModelConfig(**values)


def tiny_model(seed: int = 0, **settings: Any) -> RetrievalModel:
    """An untrained model whose head is jittered away from the identity."""
    config = tiny_config(**settings)
    encoder = ClipEncoder(tiny_towers(seed=seed), config.shifted_blocks, config.mask_padding)
    model = RetrievalModel(encoder, config, tiny_tokenizer(), name="tiny")
    jitter(model.head, seed=seed)
    return model.eval()


def tiny_peer(head: str, seed: int = 0, **settings: Any) -> RetrievalModel:
    """An untrained model of any head, as it was published but for its sizes."""
    published = head_config(head, **settings)
    sizes = {"max_words": WORDS, "max_frames": FRAMES, "temporal_layers": 1}
    shifted = (1,) if published.shifted_blocks else ()
    config = replace(published, shifted_blocks=shifted, **sizes)
    encoder = ClipEncoder(tiny_towers(seed=seed), config.shifted_blocks, config.mask_padding)
    model = RetrievalModel(encoder, config, tiny_tokenizer(), name=f"tiny {head}")
    jitter(model.head, seed=seed)
    return model.eval()


def jitter(module: torch.nn.Module, seed: int = 0, amount: float = 0.1) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(amount * torch.randn(parameter.shape, generator=generator))


def random_text(num: int, seed: int = 1, words: int = WORDS, dim: int = DIM) -> TextFeatures:
    """Unit-scale features; text i has 2 + i mod (words - 1) real tokens."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([2 + i % (words - 1) for i in range(num)])
    return TextFeatures(
        torch.randn(num, dim, generator=generator),
        torch.randn(num, words, dim, generator=generator),
        torch.arange(words)[None] < lengths[:, None],
    )


def random_video(
    num: int, seed: int = 2, frames: int = FRAMES, per_frame: int = 4, dim: int = DIM
) -> VideoFeatures:
    """Clip i has 1 + i mod frames real frames."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([1 + i % frames for i in range(num)])
    mask = torch.arange(frames)[None] < lengths[:, None]
    return VideoFeatures(
        torch.nn.functional.normalize(torch.randn(num, dim, generator=generator), dim=-1),
        torch.randn(num, frames, dim, generator=generator),
        torch.randn(num, frames * per_frame, dim, generator=generator),
        mask,
        mask.repeat_interleave(per_frame, dim=1),
    )


def official_state(
    vocab_size: int = 530,
    words: int = WORDS,
    frames: int = FRAMES,
    vision_blocks: int = 12,
    scorer: str = "A",
) -> dict[str, Tensor]:
    """A random UCoFiA state dict under the official names; both towers 64 wide, 3 x 3 patches of 4
    pixels.
    """
    width, generator = 64, torch.Generator().manual_seed(3)
    shapes: dict[str, tuple[int, ...]] = {
        "clip.positional_embedding": (16, width), "clip.text_projection": (width, width), "clip.logit_scale": (),
        "clip.token_embedding.weight": (vocab_size, width), "clip.ln_final.weight": (width,),
        "clip.ln_final.bias": (width,), "clip.visual.class_embedding": (width,),
        "clip.visual.positional_embedding": (10, width), "clip.visual.proj": (width, width),
        "clip.visual.conv1.weight": (width, 3, 4, 4), "frame_position_embeddings.weight": (16, width),
        "frame_logit_weight": (frames, frames), "frame_mat_weight": (frames, frames),
        "frame_mat_weight2": (frames, frames), "pixel_mat_weight": (4 * frames, 4 * frames),
        "pixel_mat_weight2": (4 * frames, 4 * frames),
    }  # fmt: skip
    shapes |= {
        f"clip.visual.ln_{place}.{kind}": (width,)
        for place in ("pre", "post")
        for kind in ("weight", "bias")
    }
    shapes |= {
        f"word_{name}": (words, words) for name in ("logit_weight", "mat_weight", "mat_weight2")
    }
    shapes["word_mat_weight_for_pixel"] = (words, words)
    matrices = ("global_mat_weight", "global_mat_weight_1", "local_mat_weight", "local_mat_weight1")
    shapes |= dict.fromkeys(matrices, (width, width))
    wide = width if scorer == "A" else 2 * width
    selector = "visual_token_selector.score_predictor."
    shapes |= {selector + "in_conv.0.weight": (wide,), selector + "in_conv.0.bias": (wide,)}
    shapes |= {
        selector + f"{conv}.weight": (wide // 2, wide) for conv in ("in_conv.1", "out_conv.0")
    }
    shapes[selector + "out_conv.2.weight"] = (1, wide // 2)
    for prefix, count in (
        ("clip.transformer", 2),
        ("clip.visual.transformer", vision_blocks),
        ("transformerClip", 1),
    ):
        for block in range(count):
            wrapped = "net." if prefix == "clip.visual.transformer" and block in (10, 11) else ""
            shapes |= _block_shapes(f"{prefix}.resblocks.{block}.", width, wrapped)
    return {name: 0.2 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def official_peer_state(kind: str, temporal: str = "seqTransf") -> dict[str, Tensor]:
    """A random state dict of a peer under the official names: the towers of `official_state` and
    what is its own.
    """
    width, generator = 64, torch.Generator().manual_seed(4)
    clip = (
        "clip.",
        "transformerClip.",
        "frame_position_embeddings",
        *(["visual_token"] if kind == "ts2net" else []),
    )
    state = {name: tensor for name, tensor in official_state().items() if name.startswith(clip)}
    if temporal != "seqTransf":
        state = {
            name: tensor for name, tensor in state.items() if not name.startswith("transformerClip")
        }
    if temporal == "meanP":
        del state["frame_position_embeddings.weight"]
    if kind != "ts2net":  # no token shift there, so nothing wraps the attention
        state = {name.replace(".attn.net.", ".attn."): tensor for name, tensor in state.items()}
    shapes: dict[str, tuple[int, ...]] = {}
    if temporal == "seqLSTM":
        shapes |= {f"lstm_visual.weight_{side}_l0": (4 * width, width) for side in ("ih", "hh")}
        shapes |= {f"lstm_visual.bias_{side}_l0": (4 * width,) for side in ("ih", "hh")}
    if kind == "xclip":
        shapes |= dict.fromkeys(("global_mat_weight", "local_mat_weight"), (width, width))
        for name in ("logit_weight", "mat_weight", "mat_weight2"):
            shapes |= {f"word_{name}": (WORDS, WORDS), f"frame_{name}": (FRAMES, FRAMES)}
    if kind == "ts2net":
        shapes |= {
            "text_token_selector.in.weight": (width,),
            "visual_prompt_encoder.conv1.weight": (width, 3, 4, 4),
        }
    if kind == "drl":
        for side in ("text", "video"):
            shapes |= {
                f"{side}_weight_fc.0.weight": (width, width),
                f"{side}_weight_fc.0.bias": (width,),
            }
            shapes |= {f"{side}_weight_fc.2.weight": (1, width), f"{side}_weight_fc.2.bias": (1,)}
    return state | {
        name: 0.2 * torch.randn(shape, generator=generator) for name, shape in shapes.items()
    }


def _block_shapes(prefix: str, width: int, wrapped: str) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        f"attn.{wrapped}in_proj_weight": (3 * width, width), f"attn.{wrapped}in_proj_bias": (3 * width,),
        f"attn.{wrapped}out_proj.weight": (width, width), f"attn.{wrapped}out_proj.bias": (width,),
        "mlp.c_fc.weight": (4 * width, width), "mlp.c_fc.bias": (4 * width,),
        "mlp.c_proj.weight": (width, 4 * width), "mlp.c_proj.bias": (width,),
    }  # fmt: skip
    shapes |= {f"ln_{number}.{kind}": (width,) for number in (1, 2) for kind in ("weight", "bias")}
    return {prefix + name: shape for name, shape in shapes.items()}
