"""Encoders: the towers, the temporal encoder and the patch selection that turn frames and tokens
into features.

ENCODERS builds the towers a model directory describes, by the key under which `config.json`
describes them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from finereel.config import ModelConfig, from_dict
from finereel.errors import ConfigError
from finereel.models.encoders.base import Encoder
from finereel.models.encoders.clip import ClipEncoder, Stated, clip_from_config
from finereel.models.encoders.dual import DualEncoder, DualGeometry
from finereel.models.encoders.features import FeatureEncoder, FeatureGeometry
from finereel.models.encoders.siglip import SiglipEncoder, SiglipGeometry


def _clip(values: Mapping[str, Any], config: ModelConfig) -> Encoder:
    stated = Stated.from_values(values)
    return ClipEncoder(
        clip_from_config(dict(values)), config.shifted_blocks, config.mask_padding, stated
    )


def _features(values: Mapping[str, Any], config: ModelConfig) -> Encoder:
    return FeatureEncoder(from_dict(FeatureGeometry, dict(values)))


def _dual(values: Mapping[str, Any], config: ModelConfig) -> Encoder:
    return DualEncoder(DualGeometry.from_values(values))


def _siglip(values: Mapping[str, Any], config: ModelConfig) -> Encoder:
    return SiglipEncoder(SiglipGeometry.from_values(values))


__all__ = ["ENCODERS", "Encoder", "encoder_from_description"]

ENCODERS: dict[str, Callable[[Mapping[str, Any], ModelConfig], Encoder]] = {
    "clip": _clip,
    "features": _features,
    "dual": _dual,
    "siglip": _siglip,
}


def encoder_from_description(described: Mapping[str, Any], config: ModelConfig) -> Encoder:
    """The untrained encoder that `describe` described; ConfigError when none of ENCODERS is
    described.
    """
    for kind, build in ENCODERS.items():
        if isinstance(described.get(kind), dict):
            return build(described[kind], config)
    raise ConfigError(
        f"config.json describes no encoder: expected one of {', '.join(ENCODERS)}; copy it again"
    )
