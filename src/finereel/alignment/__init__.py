"""FEATURES x FEATURES -> SCORES PER GRANULARITY. HEADS lists the heads by name (`head=`)."""

from collections.abc import Callable

from finereel.alignment.base import Head
from finereel.alignment.ucofia import UcofiaHead
from finereel.config import ModelConfig
from finereel.errors import unknown_name

HEADS: dict[str, Callable[[ModelConfig, int], Head]] = {
    "ucofia": UcofiaHead,
}


def make_head(config: ModelConfig, dim: int) -> Head:
    """The head that `config.head` names, for D-dimensional features."""
    if config.head not in HEADS:
        raise unknown_name("head", config.head, HEADS)
    return HEADS[config.head](config, dim)
