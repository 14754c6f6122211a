"""A CLIP `config.json` -> the settings that decide the towers' arithmetic, each of its type and
within bounds.

Bounds are far beyond any published CLIP (the largest has 48 blocks of width 1,664) and far below
what hangs. Everything else in the file is housekeeping and stays out: it could name code to load,
or a precision to compute in.
"""

from collections.abc import Callable, Mapping
from typing import Any

from finereel.errors import ConfigError
from finereel.io.foreign_files import brief
from finereel.models.encoders.towers import ACTIVATIONS

_MOST_TOKENS = 16_384  # of a frame
_LARGEST_ID = 2**31 - 1
_MOST_ENDS = 16

Check = Callable[[Any], bool]


def _between(low: int, high: int) -> tuple[Check, str]:
    return (
        lambda value: type(value) is int and low <= value <= high,
        f"a whole number from {low} to {high}",
    )


def _optional(check: tuple[Check, str]) -> tuple[Check, str]:
    return lambda value: value is None or check[0](value), f"{check[1]}, or null"


def _number(low: float, high: float) -> tuple[Check, str]:
    return (
        lambda value: type(value) in (int, float) and low <= value <= high,
        f"a number from {low} to {high}",
    )


def _is_end(value: Any) -> bool:
    ids = value if isinstance(value, list) else [value]
    return len(ids) <= _MOST_ENDS and all(_optional(_TOKEN)[0](token) for token in ids)


_WIDTH, _TOKEN = _between(1, 16_384), _between(-1, _LARGEST_ID)
_TOWER: dict[str, tuple[Check, str]] = {
    "hidden_size": _WIDTH,
    "intermediate_size": _between(1, 65_536),
    "num_attention_heads": _between(1, 1024),
    "num_hidden_layers": _between(0, 128),
    "projection_dim": _optional(_WIDTH),
    "hidden_act": (
        lambda value: isinstance(value, str) and value in ACTIVATIONS,
        "the name of an activation, for instance quick_gelu",
    ),
    "layer_norm_eps": _number(1e-15, 1.0),
    "attention_dropout": _number(0.0, 0.99),
}
_TEXT = _TOWER | {
    "vocab_size": _between(3, 1 << 20),
    "max_position_embeddings": _between(2, 16_384),
    "bos_token_id": _optional(_TOKEN),
    "pad_token_id": _optional(_TOKEN),
    "eos_token_id": (_is_end, "a token id, or a list of them"),
}
_VISION = _TOWER | {
    "image_size": _between(1, 4096),
    "patch_size": _between(1, 4096),
    "num_channels": _between(3, 3),
}
_TOWERS = {
    "text_config": _TEXT,
    "text_config_dict": _TEXT,
    "vision_config": _VISION,
    "vision_config_dict": _VISION,
}


def checked_clip_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of both towers and of the space they share, and no others. ConfigError names
    what does not fit.

    >>> checked_clip_values({"projection_dim": 64, "torch_dtype": "float16", "text_config": {"hidden_size": 64}})
    {'projection_dim': 64, 'text_config': {'hidden_size': 64}}
    >>> checked_clip_values({"text_config": {"num_hidden_layers": 1_000_000}})
    Traceback (most recent call last):
    finereel.errors.ConfigError: text_config.num_hidden_layers must be a whole number from 0 to 128, got 1000000
    """
    checked = _checked(
        values, {"projection_dim": _WIDTH, "logit_scale_init_value": _number(-30.0, 30.0)}, ""
    )
    for name, checks in _TOWERS.items():
        tower = values.get(name)
        if tower is None:
            continue
        if not isinstance(tower, dict):
            raise ConfigError(
                f"{name} must be an object with the settings of a tower, got {brief(tower)}"
            )
        checked[name] = _checked(tower, checks, f"{name}.")
        width, heads = (checked[name].get(key) for key in ("hidden_size", "num_attention_heads"))
        if width and heads and width % heads:
            raise ConfigError(
                f"{name}: hidden_size {width} is no multiple of num_attention_heads {heads}"
            )
    return checked


def _checked(
    values: Mapping[str, Any], checks: Mapping[str, tuple[Check, str]], place: str
) -> dict[str, Any]:
    for name, (fits, expected) in checks.items():
        if name in values and not fits(values[name]):
            raise ConfigError(f"{place}{name} must be {expected}, got {brief(values[name])}")
    return {name: values[name] for name in checks if name in values}


def check_picture(vision: Any) -> None:
    """ConfigError where a vision tower's picture, given the geometry with all defaults filled in,
    holds no patch, or more of them than attention can take.
    """
    tokens = (vision.image_size // vision.patch_size) ** 2 + 1
    if not 1 < tokens <= _MOST_TOKENS:
        raise ConfigError(
            f"vision_config: a picture of {vision.image_size} pixels makes {tokens - 1:,} patches "
            "of "
            f"{vision.patch_size}, expected 1 to {_MOST_TOKENS - 1:,}"
        )
