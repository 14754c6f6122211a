"""Heads: turn text and video features into one score matrix per granularity. HEADS lists them by
name (`head=`).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from finereel.config import ModelConfig
from finereel.errors import unknown_name
from finereel.models.heads.base import Head
from finereel.models.heads.clip4clip import Clip4ClipHead
from finereel.models.heads.drl import DrlHead
from finereel.models.heads.max_sim import MaxSimHead
from finereel.models.heads.ts2net import Ts2NetHead
from finereel.models.heads.ucofia import UcofiaHead
from finereel.models.heads.xclip import XclipHead
from finereel.models.heads.xpool import XpoolHead

HEADS: dict[str, type[Head]] = {
    "ucofia": UcofiaHead,
    "clip4clip": Clip4ClipHead,
    "xclip": XclipHead,
    "ts2net": Ts2NetHead,
    "drl": DrlHead,
    "max_sim": MaxSimHead,
    "xpool": XpoolHead,
}


def make_head(config: ModelConfig, dim: int) -> Head:
    """The head that `config.head` names, for D-dimensional features."""
    make: Callable[[ModelConfig, int], Head] = _head(config.head)
    return make(config, dim)


def head_config(head: str, **settings: Any) -> ModelConfig:
    """The settings that a head was published with, all its granularities in equal parts, changed by
    `settings`.

    >>> head_config("clip4clip", temporal="meanP").weights
    {'video_sentence': 1.0}
    >>> sorted(head_config("xclip").weights), head_config("xclip").aggregation
    (['frame_sentence', 'frame_word', 'video_sentence', 'video_word'], 'aosm')
    """
    kind = _head(head)
    config = ModelConfig(**{"head": head, **kind.published, **settings})
    names = kind.granularities(config)
    return (
        config
        if "weights" in settings
        else replace(config, weights={name: 1 / len(names) for name in names})
    )


def _head(name: str) -> type[Head]:
    if name not in HEADS:
        raise unknown_name("head", name, HEADS)
    return HEADS[name]
