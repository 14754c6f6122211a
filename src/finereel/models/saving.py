"""A model as a directory: save it, load it by path, bundled name or hub id.

A model directory describes itself: `config.json` (this project's settings, the towers' geometry,
the card), `model.safetensors`, `tokenizer.json`. A plain directory or hub id of CLIP, SigLIP and
others (`finereel.models.encoders.plain`) loads too: its head is untrained, so only the granularities
that need no training count.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from finereel.config import ModelConfig, from_dict
from finereel.errors import CheckpointError, ConfigError, ModelNotFoundError
from finereel.io.foreign_files import brief, is_folder, read_json_object
from finereel.models.choice import (
    BUNDLED,
    ENCODED,
    bundled_here,
    default_model,
    full_name,
    require_here,
)
from finereel.models.encoders import encoder_from_description
from finereel.models.encoders.patches import make_selector
from finereel.models.encoders.plain import PLAIN
from finereel.models.hub import from_hub
from finereel.models.retrieval import RetrievalModel
from finereel.models.weights import (
    FORMAT,
    FORMAT_VERSION,
    load_strictly,
    read_header,
    read_weights,
    refusals,
    sketched,
)
from finereel.text import load_tokenizer

# An untrained head on pretrained towers: video and frames align already, patches do not.
UNTRAINED = ModelConfig(
    temporal="meanP",
    shifted_blocks=(),
    weights={"video_sentence": 0.5, "frame_sentence": 0.5},
    aggregation="max",
)
_VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt")


def save(model: RetrievalModel, directory: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a model directory, as `RetrievalModel.save` does.

    Args:
        model: The model.
        directory: The folder; it is created if needed.
        dtype: Precision of the stored weights, as in `RetrievalModel.save`.

    Raises:
        StorageError: If the folder cannot be written.
    """
    model.save(directory, dtype)


def load(path_or_id: str | Path | None = None) -> RetrievalModel:
    """Load a model.

    Args:
        path_or_id: A model directory, a bundled name (`everyday`, `reelworld-tiny`), a plain
            directory of `transformers` (CLIP, SigLIP, SigLIP 2, Chinese-CLIP), `clip`, or a hub id,
            which is looked up in the local cache first. None means the default of this machine, see
            `finereel.models.choice.default_model`; it is never downloaded.

    Returns:
        The model in evaluation mode. Pickled weights are never read.

    Raises:
        ModelNotFoundError: If there is no such model.
        CheckpointError: If its files do not fit together.

    Example:
        >>> load("reelworld-tiny").num_frames
        12
    """
    name = require_here(default_model()) if path_or_id is None else full_name(str(path_or_id))
    folder = BUNDLED.get(name, Path(name))
    if name.startswith(ENCODED):
        raise ModelNotFoundError(
            f"{name} searches libraries (`finereel index --model {name}`); to evaluate it: "
            "`finereel evaluate --scorer sentence-transformers --model "
            f"{name.removeprefix(ENCODED)}`"
        )
    if not is_folder(folder):
        folder = from_hub(name, bundled_here())
    if (folder / OPEN_CLIP).exists() and not (folder / "config.json").exists():
        raise CheckpointError(
            f"{folder} is an open_clip checkpoint; convert it once, then give the new folder: "
            f"finereel import open_clip {folder} OUT"
        )
    with refusals(f"{folder}/config.json"):
        described = read_json_object(folder / "config.json")
    with refusals(folder):
        loader = _load_own if described.get("format") == FORMAT else _load_plain
        return require_fit(loader(folder, name, described).eval())


OPEN_CLIP = "open_clip_config.json"
"""What an open_clip checkpoint has in place of `config.json`."""


def keep_patches(model: RetrievalModel) -> None:
    """Make the model select patches even if none of its granularities reads them.

    Version 0.1 saved such models with their patch scorer, and libraries made with them contain
    patches.

    Args:
        model: The model to change.
    """
    model.patches = make_selector(model.config, model.dim)
    model.reads |= {"patches"}


def _load_own(folder: Path, name: str, described: dict[str, Any]) -> RetrievalModel:
    if described.get("version") != FORMAT_VERSION:
        raise CheckpointError(
            f"{folder} is a model of format version {brief(described.get('version'))}, this "
            "program reads "
            f"{FORMAT_VERSION}; update finereel, or export the model again"
        )
    if "model" not in described:
        raise CheckpointError(f"{folder}/config.json lacks 'model'; copy the model again")
    if not isinstance(described.get("card") or {}, dict):
        raise CheckpointError(
            f"{folder}/config.json: 'card' must be an object; copy the model again"
        )
    config = from_dict(ModelConfig, described["model"])
    # An imported checkpoint brings no vocabulary; such a model encodes token ids, and its card says
    # so.
    tokenizer = (
        load_tokenizer(folder) if any((folder / file).exists() for file in _VOCABULARIES) else None
    )
    header = read_header(folder / "model.safetensors")

    def make() -> RetrievalModel:
        encoder = encoder_from_description(described, config)
        model = RetrievalModel(encoder, config, tokenizer, name, described.get("card"))
        if model.patches is None and any(tensor.startswith("patches.") for tensor in header.shapes):
            keep_patches(model)
        return model

    model: RetrievalModel = sketched(make, header.shapes, str(folder))
    load_strictly(model, read_weights(header), str(folder))
    return model


def _load_plain(folder: Path, name: str, described: dict[str, Any]) -> RetrievalModel:
    kind = described.get("model_type")
    if not isinstance(kind, str) or kind not in PLAIN:
        raise CheckpointError(
            f"{folder} holds a model of type {brief(kind)}: expected a finereel model directory, "
            f"or one of transformers with the model_type {', '.join(PLAIN)}"
        )
    if not (folder / "model.safetensors").exists():
        raise CheckpointError(
            f"{folder} has no model.safetensors; convert its weights first "
            "(AutoModel.from_pretrained(...).save_pretrained(...)): pickled weights are not loaded"
        )
    plain = PLAIN[kind](folder, described)
    config = replace(UNTRAINED, max_words=plain.max_words)
    card = {"trained": False, "note": plain.note, "languages": list(plain.languages)}
    return RetrievalModel(plain.encoder, config, plain.tokenizer, name, card)


# DO THE PARTS OF A LOADED MODEL FIT ONE ANOTHER: what shapes of tensors do not say, checked before
# it encodes.
Model = TypeVar("Model")

_FEWEST_WORDS = 2  # the start and the end token
_FEWEST_SHIFTED = 7  # tokens of a frame of which some are shifted, see `token_shift`
_LARGEST_LOG_SCALE = 30.0  # CLIP's own ends at ln 100 = 4.6
_MOST_PIXELS = 1 << 28  # numbers in the pictures of one clip: 1 GiB
_MOST_TOKENS = 1 << 18  # of all frames of one clip


def require_fit(model: Model) -> Model:
    """Check that a loaded model can encode, within bounds.

    Args:
        model: A `RetrievalModel`.

    Returns:
        The same model.

    Raises:
        ConfigError: If its settings, tokenizer and weights do not fit together.
    """
    _check_words(model)
    _check_frames(model)
    scale = float(model.encoder.logit_scale.detach())  # type: ignore[attr-defined]
    if not abs(scale) <= _LARGEST_LOG_SCALE:
        raise ConfigError(
            f"logit_scale is {scale:.3g}, expected at most {_LARGEST_LOG_SCALE:.0f} above or below "
            "0: scores would not "
            "be finite; copy the model again"
        )
    if not any(model.config.weights.values()):  # type: ignore[attr-defined]
        raise ConfigError(
            "all weights of granularities are 0, so every video would score alike; copy it again"
        )
    return model


def _check_words(model: Any) -> None:
    words, positions = model.config.max_words, model.encoder.max_words
    if not _FEWEST_WORDS <= words <= positions:
        raise ConfigError(
            f"max_words is {words}, expected {_FEWEST_WORDS} to {positions}, the positions of the "
            "text tower"
        )
    known = model.encoder.vocab_size
    if model.tokenizer is not None and model.tokenizer.vocab_size > known:
        raise ConfigError(
            f"the tokenizer has ids up to {model.tokenizer.vocab_size - 1}, the text tower knows "
            f"{known} tokens: copy "
            "the tokenizer that the model was trained with"
        )


def _check_frames(model: Any) -> None:
    frames, side, patches = (
        model.config.max_frames,
        model.encoder.image_size,
        model.encoder.tokens_per_frame - 1,
    )
    if 3 * frames * side**2 > _MOST_PIXELS or frames * (patches + 1) > _MOST_TOKENS:
        raise ConfigError(
            f"a clip of {frames} frames would have {3 * frames * side**2:,} numbers in its "
            "pictures and "
            f"{frames * (patches + 1):,} tokens, expected at most {_MOST_PIXELS:,} and "
            f"{_MOST_TOKENS:,}"
        )
    if model.patches is not None and model.config.patches_per_frame > patches:
        raise ConfigError(
            f"patches_per_frame is {model.config.patches_per_frame}, a frame of this model has "
            f"{patches} patches"
        )
    shifts = model.encoder.shifts_tokens or (
        model.patch_temporal is not None and model.config.patch_temporal == "shift"
    )
    if shifts and patches + 1 < _FEWEST_SHIFTED:
        raise ConfigError(
            f"shifted tokens need at least {_FEWEST_SHIFTED} a frame, this model has {patches + 1}"
        )
