"""Check that the parts of a loaded model fit together, as far as tensor shapes do not show it."""

from typing import Any, TypeVar

from finereel.errors import ConfigError

Model = TypeVar("Model")

_FEWEST_WORDS = 2  # the start and the end token
_FEWEST_SHIFTED = 7  # tokens of a frame of which some are shifted, see `token_shift`
_LARGEST_LOG_SCALE = 30.0  # CLIP's own ends at ln 100 = 4.6
_MOST_PIXELS = 1 << 28  # numbers in the pictures of one clip: 1 GiB
_MOST_TOKENS = 1 << 18  # of all frames of one clip


def require_fit(model: Model) -> Model:
    """The model as it is; ConfigError where it could be loaded but not encode, or not within
    bounds.

    Args: model: a `finereel.models.retrieval.RetrievalModel`.
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
    known = model.encoder.text_tower.config.vocab_size
    if model.tokenizer is not None and model.tokenizer.vocab_size > known:
        raise ConfigError(
            f"the tokenizer has ids up to {model.tokenizer.vocab_size - 1}, the text tower knows "
            f"{known} tokens: copy "
            "the tokenizer that the model was trained with"
        )


def _check_frames(model: Any) -> None:
    frames, side, patches = (
        model.config.max_frames,
        getattr(model.encoder, "image_size", 0),
        _patches(model.encoder),
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
    if getattr(model.encoder, "shifted_blocks", ()) and patches + 1 < _FEWEST_SHIFTED:
        raise ConfigError(
            f"shifted_blocks need at least {_FEWEST_SHIFTED} tokens a frame, this model has "
            f"{patches + 1}"
        )


def _patches(encoder: Any) -> int:
    """N - 1: the patches of a frame."""
    if hasattr(encoder, "geometry"):
        return int(encoder.geometry.tokens_per_frame) - 1
    vision = encoder.clip.config.vision_config
    return int(vision.image_size // vision.patch_size) ** 2
