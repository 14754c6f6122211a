"""Convert an open_clip checkpoint (`open_clip_config.json` and safetensors) into a model directory.

CLIP with a vision transformer and CLIP's text transformer is read. The tensors are those of
OpenAI's CLIP; what differs is stated in the config: the activation (`quick_gelu`, else GELU), the
number of heads, the width of the MLPs and the preprocessing of pictures.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from finereel.errors import CheckpointError
from finereel.io.foreign_files import ForeignFileError, brief, read_json_object
from finereel.models.encoders.clip import ClipEncoder, Stated, clip_from_config
from finereel.models.encoders.towers import ClipTowers
from finereel.models.preprocessing import CLIP_MEAN, CLIP_STD, Preprocessing
from finereel.models.published import names
from finereel.models.published.plan import ImportReport
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import UNTRAINED, require_fit, save
from finereel.models.weights import load_strictly, read_header, read_weights, refusals, sketched
from finereel.text import BaseTokenizer, Tokenizer, clip_tokenizer

CONFIG = "open_clip_config.json"
_WEIGHTS = ("open_clip_model.safetensors", "model.safetensors")
_UNUSED = ("clip.logit_bias",)  # moves every score alike
_RESAMPLING = {"bicubic": 3, "bilinear": 2}

# What a config may say besides sizes: where it says anything else, another network is meant.
_VISION = {
    "image_size",
    "layers",
    "width",
    "head_width",
    "patch_size",
    "mlp_ratio",
    "patch_dropout",
    "output_tokens",
}
_TEXT = {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio", "output_tokens"}
_TEXT |= {"pad_id", "eos_id"}  # of other poolings
_MODEL = {
    "embed_dim",
    "vision_cfg",
    "text_cfg",
    "quick_gelu",
    "custom_text",
    "init_logit_scale",
    "init_logit_bias",
}
_USUAL: Mapping[str, Any] = {
    "pool_type": ("tok", "argmax"),
    "pos_embed_type": ("learnable",),
    "no_causal_mask": (False,),
    "no_ln_pre": (False,),
    "attentional_pool": (False,),
    "global_average_pool": (False,),
    "final_ln_after_pool": (False,),
    "input_patchnorm": (False,),
    "embed_cls": (False,),
    "proj_bias": (False,),
    "proj_type": ("linear",),
}


def import_open_clip(
    path: str | Path,
    out_dir: str | Path,
    tokenizer: str | Path | None = None,
    max_words: int | None = None,
    max_frames: int | None = None,
) -> tuple[RetrievalModel, ImportReport]:
    """Convert an open_clip checkpoint into a model directory.

    Args:
        path: A folder with `open_clip_config.json` and `open_clip_model.safetensors`, or the
            safetensors file with the config beside it.
        out_dir: The model directory to write.
        tokenizer: A directory with the tokenizer; None takes CLIP's own, which all such models of
            49,408 tokens were trained with.
        max_words: Maximum number of tokens in a text; None for as many as the text tower takes.
        max_frames: Number of frames per clip; None for 12.

    Returns:
        The model, whose head is untrained, and the report on its tensors.

    Raises:
        CheckpointError: If a file is missing or does not read, or describes another network.
    """
    given = Path(path)
    folder = given if given.is_dir() else given.parent
    weights = _weights_file(given)
    with refusals(folder / CONFIG):
        described = read_json_object(folder / CONFIG)
        values = clip_values(described)
        pixels = _preprocessing(described.get("preprocess_cfg"), values)
    words = _tokenizer(tokenizer, values["text_config"]["vocab_size"])
    with refusals(weights):
        clip, report = _towers(weights, values)
        encoder = ClipEncoder(clip, stated=Stated(pixels))
        config = replace(
            UNTRAINED,
            max_words=max_words or encoder.max_words,
            max_frames=max_frames or UNTRAINED.max_frames,
        )
        note = "CLIP towers of open_clip with an untrained head: video_sentence (mean of frames) "
        note += "and frame_sentence (best frame) count."
        card = {"trained": False, "source": f"{weights.name}, an open_clip checkpoint"}
        model = RetrievalModel(encoder, config, words, str(out_dir), {**card, "note": note})
        require_fit(model.eval())
    save(model, out_dir)
    return model, report


def clip_values(described: Mapping[str, Any]) -> dict[str, Any]:
    """Translate an open_clip config into a CLIP config of `transformers`.

    Args:
        described: The content of `open_clip_config.json`.

    Returns:
        The CLIP config as a dictionary.

    Raises:
        CheckpointError: If it describes another network than CLIP with a vision transformer.

    Example:
        >>> text = {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}
        >>> vision = {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32}
        >>> config = {"embed_dim": 512, "vision_cfg": vision, "text_cfg": text}
        >>> clip_values({"model_cfg": config})["vision_config"]["hidden_act"]
        'gelu'
    """
    model = _section(described, "model_cfg")
    vision, text = _section(model, "vision_cfg"), _section(model, "text_cfg")
    for place, section, known in (
        ("model_cfg", model, _MODEL),
        ("vision_cfg", vision, _VISION),
        ("text_cfg", text, _TEXT),
    ):
        for name, value in section.items():
            if name not in known and value not in _USUAL.get(name, ()):
                raise CheckpointError(
                    f"{place}.{name} is {brief(value)}, which is not supported: expected CLIP with "
                    "a vision transformer and CLIP's text transformer (ViT-B-32 and its kin)"
                )
    act = "quick_gelu" if model.get("quick_gelu") is True else "gelu"
    dim = _whole(model, "embed_dim")
    vocabulary = _whole(text, "vocab_size", 49_408)
    vision_width, text_width = _whole(vision, "width", 768), _whole(text, "width", 512)
    head_width = _whole(vision, "head_width", 64)
    return {
        "projection_dim": dim,
        "text_config": {
            "hidden_act": act,
            "hidden_size": text_width,
            "intermediate_size": _mlp_width(text, text_width),
            "num_attention_heads": _whole(text, "heads", 8),
            "num_hidden_layers": _whole(text, "layers", 12),
            "vocab_size": vocabulary,
            "max_position_embeddings": _whole(text, "context_length", 77),
            "bos_token_id": vocabulary - 2,
            "eos_token_id": vocabulary - 1,
            "pad_token_id": 0,
        },
        "vision_config": {
            "hidden_act": act,
            "hidden_size": vision_width,
            "intermediate_size": _mlp_width(vision, vision_width),
            "num_attention_heads": max(1, vision_width // head_width),
            "num_hidden_layers": _whole(vision, "layers", 12),
            "image_size": _whole(vision, "image_size", 224),
            "patch_size": _whole(vision, "patch_size", 16),
        },
    }


def _weights_file(given: Path) -> Path:
    if given.is_file():
        if given.suffix != ".safetensors":
            raise CheckpointError(
                f"{given} is not a .safetensors file: download open_clip_model.safetensors, "
                "pickled weights are not read for this kind"
            )
        return given
    found = [given / name for name in _WEIGHTS if (given / name).is_file()]
    if not found:
        raise CheckpointError(
            f"{given} holds no {_WEIGHTS[0]}: give a folder with it and {CONFIG}, as open_clip's "
            "models on the hub are"
        )
    return found[0]


def _towers(path: Path, values: Mapping[str, Any]) -> tuple[ClipTowers, ImportReport]:
    """The towers with their weights, and what became of every tensor."""
    read = read_weights(read_header(path), ("attn_mask",))
    state = {f"clip.{_plain(name)}": tensor for name, tensor in read.items()}
    text, vision = values["text_config"], values["vision_config"]
    blocks = text["num_hidden_layers"], vision["num_hidden_layers"]
    table = names.clip_table(*blocks, ours="")
    match = names.match(state, table, _UNUSED)
    match.check("open_clip")
    weights = names.translate(state, {name: table[name] for name in match.mapped})
    weights = {name: _sized(name, tensor) for name, tensor in weights.items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    clip = sketched(lambda: clip_from_config(dict(values)), shapes, str(path))
    load_strictly(clip, weights, str(path))
    mapped = {
        name.removeprefix("clip."): tuple(target.name for target in table[name])
        for name in match.mapped
    }
    sizes = {f"{tower} {name}": value for tower, part in (("text", text), ("vision", vision))
             for name, value in part.items()}  # fmt: skip
    ignored = tuple(name.removeprefix("clip.") for name in match.ignored)
    return clip, ImportReport("open_clip", mapped, ignored, (), "", sizes)


def _plain(name: str) -> str:
    """A tensor's name without the prefix of models whose text tower is a module of its own."""
    return name.removeprefix("text.")


def _sized(name: str, tensor: Tensor) -> Tensor:
    return tensor.reshape(()) if name == "logit_scale" and tensor.numel() == 1 else tensor


def _tokenizer(directory: str | Path | None, vocabulary: int) -> BaseTokenizer:
    found = clip_tokenizer() if directory is None else Tokenizer.load(directory)
    if found.vocab_size != vocabulary:
        where = "CLIP's own tokenizer" if directory is None else f"the tokenizer in {directory}"
        raise CheckpointError(
            f"{where} has {found.vocab_size:,} tokens, the text tower {vocabulary:,}: give the one "
            "it was trained with as --tokenizer DIR"
        )
    return found


def _preprocessing(stated: Any, values: Mapping[str, Any]) -> Preprocessing:
    """What `preprocess_cfg` does to pictures in use."""
    if stated is not None and not isinstance(stated, dict):
        raise ForeignFileError(f"preprocess_cfg must be an object, got {brief(stated)}")
    given, size = stated or {}, values["vision_config"]["image_size"]
    mode, filters = given.get("resize_mode", "shortest"), given.get("interpolation", "bicubic")
    if mode not in ("shortest", "squash"):
        raise CheckpointError(
            f"preprocess_cfg.resize_mode is {brief(mode)}: expected shortest or squash"
        )
    if filters not in _RESAMPLING:
        raise CheckpointError(
            f"preprocess_cfg.interpolation is {brief(filters)}: expected one of "
            f"{', '.join(_RESAMPLING)}"
        )
    plain = Preprocessing(size).to_dict() | {
        "resize": [size, size] if mode == "squash" else size,
        "resample": _RESAMPLING[filters],
        "mean": given.get("mean", CLIP_MEAN),
        "std": given.get("std", CLIP_STD),
    }
    return Preprocessing.from_dict(plain)


def _section(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = values.get(name)
    if not isinstance(section, dict):
        raise CheckpointError(f"expected an object {name} in {CONFIG}, got {brief(section)}")
    return section


def _whole(section: Mapping[str, Any], name: str, usual: int | None = None) -> int:
    value = section.get(name, usual)
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:  # height and width
        value = value[0]
    if type(value) is not int or value < 0:
        raise CheckpointError(f"{name} must be a whole number, got {brief(value)}")
    return value


def _mlp_width(section: Mapping[str, Any], width: int) -> int:
    ratio = section.get("mlp_ratio", 4.0)
    if type(ratio) not in (int, float) or not 0 < ratio <= 64:
        raise CheckpointError(f"mlp_ratio must be a number up to 64, got {brief(ratio)}")
    return int(width * ratio)
