"""Settings as immutable dataclasses that convert to JSON, and the fingerprint computed from them."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from finereel.errors import ConfigError
from finereel.io.foreign_files import brief, brief_list

Config = TypeVar("Config")
_MOST_BLOCKS = 128
_LARGEST_WEIGHT = 1e6
_LONGEST = 60
LATER = {
    "later": True
}  # a setting that models made before it do not have; their fingerprints must not move


def require_between(config: Any, bounds: Mapping[str, tuple[int | float, int | float]]) -> None:
    """ConfigError that names the first setting of `config` outside its bounds, both included."""
    for name, (low, high) in bounds.items():
        if not low <= getattr(config, name) <= high:
            raise ConfigError(
                f"{name} must be from {low} to {high}, got {brief(getattr(config, name))}"
            )


@dataclass(frozen=True)
class FineConfig:
    """What the fine-grained score has of its own (Chen et al. 2024, arXiv 2410.12407); by default
    nothing.

    visual_prompts: learnable vectors beside CLS and patches, whose mean output is the frame in the
    fine score.
    text_prompts: learnable vectors before the words, read in the fine score only. Either one comes
    with a head of its own. attention: `one_way` (prompts see all tokens, no token sees them: coarse
    scores stay bit for bit) or `joint` (as released: CLS and patches attend to the prompts too).
    legacy_index: read the first patch where the prompt stands last, as the released code does;
    needs `joint`, without which that patch knows nothing of the prompt. deep: every
    block has prompts of its own, which replace what came out of the block before (Jia et al. 2022,
    VPT-Deep), or are added to it where no token sees them.
    """

    visual_prompts: int = 0
    text_prompts: int = 0
    attention: Literal["one_way", "joint"] = "one_way"
    legacy_index: bool = False
    deep: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        for name in ("visual_prompts", "text_prompts"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be 0 or more, got {getattr(self, name)}")
            require_between(self, {name: (0, 1024)})
        if self.legacy_index and (self.attention != "joint" or not self.visual_prompts):
            raise ConfigError(
                "legacy_index reads a patch that saw the prompt: set visual_prompts and "
                "attention=joint"
            )

        if self.deep and not self.enabled:
            raise ConfigError("deep prompts are prompts: set visual_prompts or text_prompts")

    @property
    def enabled(self) -> bool:
        """Whether there is a fine score beside the coarse one."""
        return bool(self.visual_prompts or self.text_prompts)


@dataclass(frozen=True)
class ModelConfig:
    """Everything about a retrieval model except its weights and its CLIP towers' geometry.

    Defaults are UCoFiA's for MSR-VTT (32 words, 12 frames, 3 patches + CLS per frame, token shift
    in blocks 10 and 11); those of another head come from `finereel.models.heads.head_config`.
    Settings that only some heads know: aggregation (ucofia, xclip), patch_units and patch_word
    (ucofia), interaction and scaled_evaluation (drl), head_dropout (xpool). patch_temporal: how
    patches learn of other frames before some are selected, see
    `finereel.models.encoders.patch_temporal`.

    >>> ModelConfig(max_frames=8).num_patches
    32
    >>> from_dict(ModelConfig, to_dict(ModelConfig(max_frames=8))) == ModelConfig(max_frames=8)
    True
    """

    max_words: int = 32
    max_frames: int = 12
    shifted_blocks: tuple[int, ...] = (10, 11)
    temporal: Literal["meanP", "seqLSTM", "seqTransf", "tokenTransf"] = "seqTransf"
    temporal_layers: int = 4
    patches_per_frame: int = 3
    patch_scorer: Literal["token", "frame_video"] = "token"
    head: str = "ucofia"
    aggregation: str = "isa"
    weights: dict[str, float] = field(
        default_factory=lambda: {
            "video_sentence": 1 / 3,
            "frame_sentence": 1 / 3,
            "patch_word": 1 / 3,
        }
    )
    patch_units: Literal["cosine", "inner_product"] = "cosine"
    mask_padding: bool = True
    interaction: Literal["wti", "ti", "dp"] = field(default="wti", metadata=LATER)
    scaled_evaluation: bool = field(default=True, metadata=LATER)
    fine: FineConfig = field(default=FineConfig(), metadata=LATER)
    patch_word: Literal["similarities", "cross_attention"] = field(
        default="similarities", metadata=LATER
    )
    head_dropout: float = field(default=0.0, metadata=LATER)
    patch_temporal: Literal["none", "shift", "adapter"] = field(default="none", metadata=LATER)

    def __post_init__(self) -> None:
        for name in ("max_words", "max_frames", "patches_per_frame"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        # Far beyond any published model, and far below what takes all memory or hangs.
        sizes = dict.fromkeys(("max_words", "max_frames", "patches_per_frame"), (1, 4096))
        require_between(self, sizes | {"temporal_layers": (0, 128), "head_dropout": (0.0, 0.99)})
        if len(self.shifted_blocks) > _MOST_BLOCKS:
            raise ConfigError(
                f"shifted_blocks names {len(self.shifted_blocks)} blocks, expected at most "
                f"{_MOST_BLOCKS}"
            )
        if not self.weights:
            raise ConfigError(
                "weights must name at least one granularity, for instance {'video_sentence': 1.0}"
            )
        for name, weight in self.weights.items():
            if not math.isfinite(weight) or abs(weight) > _LARGEST_WEIGHT:
                raise ConfigError(
                    f"the weight of {brief(name)} must be a finite number, got {brief(weight)}"
                )

    @property
    def num_patches(self) -> int:
        """P: the selected patches and the CLS token of every frame."""
        return self.max_frames * (self.patches_per_frame + 1)


def to_dict(config: Any) -> dict[str, Any]:
    """A config dataclass as plain JSON types; a `LATER` setting at its default is left out.

    >>> "interaction" in to_dict(ModelConfig()), "interaction" in to_dict(ModelConfig(interaction="ti"))
    (False, True)
    """
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    for setting in dataclasses.fields(config):
        value = getattr(config, setting.name)
        if setting.metadata.get("later") and value == setting.default:
            del plain[setting.name]
        elif dataclasses.is_dataclass(value):
            plain[setting.name] = to_dict(value)
    return plain


def from_dict(kind: type[Config], values: dict[str, Any]) -> Config:
    """The inverse of `to_dict`; a key that is unknown or missing, or a value of another type or
    outside its choices is a `ConfigError` that names it.
    """
    if not isinstance(values, dict):
        raise ConfigError(
            f"expected an object with the settings of {kind.__name__}, got {brief(values)}"
        )
    hints = get_type_hints(kind)
    unknown = [name for name in values if name not in hints]
    if unknown:
        named = (
            unknown[0]
            if len(unknown) == 1 and str(unknown[0]).isidentifier()
            else brief_list(sorted(unknown))
        )
        raise ConfigError(
            f"{kind.__name__} has no setting {named[:_LONGEST]}: expected "
            f"{', '.join(sorted(hints))}"
        )
    missing = [name for name in hints if name not in values and _is_required(kind, name)]
    if missing:
        raise ConfigError(f"{kind.__name__} needs the setting {', '.join(missing)}")
    return kind(**{name: _coerce(name, hints[name], value) for name, value in values.items()})


def _is_required(kind: Any, name: str) -> bool:
    setting = kind.__dataclass_fields__[name]
    return setting.default is dataclasses.MISSING and setting.default_factory is dataclasses.MISSING


def _coerce(name: str, hint: Any, value: Any) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal and not any(
        type(value) is type(known) and value == known for known in inner
    ):
        raise ConfigError(f"{name} must be one of {', '.join(map(str, inner))}, got {brief(value)}")
    if origin is tuple:
        return tuple(
            _coerce(name, inner[0], item) for item in _typed(name, "a list", list | tuple, value)
        )
    if origin is dict:
        items = _typed(name, "an object", dict, value).items()
        return {
            _coerce(name, inner[0], key): _coerce(f"{name}.{key}", inner[1], item)
            for key, item in items
        }
    if dataclasses.is_dataclass(hint) and not isinstance(value, hint):  # type: ignore[arg-type]
        return from_dict(hint, _typed(name, "an object", dict, value))  # type: ignore[arg-type]
    if hint in (int, float, bool, str):
        kinds = (int, float) if hint is float else hint
        return _typed(
            name,
            hint.__name__,
            kinds,
            None if hint is not bool and isinstance(value, bool) else value,
        )
    return value


def _typed(name: str, expected: str, kinds: Any, value: Any) -> Any:
    if not isinstance(value, kinds):
        raise ConfigError(f"{brief(name).strip(chr(39))} must be {expected}, got {brief(value)}")
    return value


def fingerprint(*parts: bytes | memoryview | str | dict[str, Any]) -> str:
    """16 hex characters that change when any part changes.

    >>> fingerprint({"a": 1}, b"x") == fingerprint({"a": 1}, b"x") != fingerprint({"a": 2}, b"x")
    True
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        if isinstance(part, dict):
            part = json.dumps(part, sort_keys=True)
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()
