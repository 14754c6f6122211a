"""The sizes of CLIP towers and the settings of their arithmetic, named as in `config.json`. Does
not import torch.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from finereel.errors import CheckpointError

_CLIP_DEFAULT = 512
_COUNTS = (
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "vocab_size",
    "max_position_embeddings",
)
Geometry = TypeVar("Geometry", bound="TowerGeometry")


@dataclass(frozen=True)
class TowerGeometry:
    """What both towers have. The defaults are those of `transformers`' `CLIPTextConfig` and
    `CLIPVisionConfig`.
    """

    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_hidden_layers: int = 12
    hidden_act: str = "quick_gelu"
    projection_dim: int | None = _CLIP_DEFAULT
    layer_norm_eps: float = 1e-5
    attention_dropout: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name in _COUNTS and value < 1:
                raise CheckpointError(
                    f"{name} of a CLIP tower must be at least 1, got {value}; copy config.json "
                    "again"
                )
        if self.hidden_size % self.num_attention_heads:
            raise CheckpointError(
                "the towers' hidden_size must be a multiple of num_attention_heads, got "
                f"{self.hidden_size} and "
                f"{self.num_attention_heads}; copy config.json again"
            )


@dataclass(frozen=True)
class TextGeometry(TowerGeometry):
    """The text tower. eos_token_id: where a sentence is read, see
    `finereel.models.encoders.towers`.
    """

    hidden_size: int = 512
    intermediate_size: int = 2048
    num_attention_heads: int = 8
    vocab_size: int = 49408
    max_position_embeddings: int = 77
    bos_token_id: int | None = 49406
    eos_token_id: int | None = 49407
    pad_token_id: int | None = 1

    @property
    def sentence_end(self) -> int | None:
        """The token that `transformers` reads a sentence at; None for the highest id.

        Configs written before that was settable say 2, whatever the vocabulary.
        """
        if self.eos_token_id is None:
            raise CheckpointError(
                "text_config.eos_token_id is missing, so the position of the sentence vector is unknown"
            )
        return None if self.eos_token_id in (2, self.vocab_size - 1) else self.eos_token_id


@dataclass(frozen=True)
class VisionGeometry(TowerGeometry):
    """The vision tower; sizes in pixels."""

    hidden_size: int = 768
    intermediate_size: int = 3072
    num_attention_heads: int = 12
    image_size: int = 224
    patch_size: int = 32
    num_channels: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_channels != 3:
            raise CheckpointError(
                f"the vision tower takes pictures of {self.num_channels} channels (num_channels): "
                "only 3, red, green "
                "and blue, are supported"
            )
        if not 0 < self.patch_size <= self.image_size:
            raise CheckpointError(
                f"a patch must fit into a picture, got patch_size {self.patch_size} and image_size "
                f"{self.image_size}"
            )


@dataclass(frozen=True)
class ClipGeometry:
    """Both towers and the shared space of D = projection_dim; logit_scale_init_value: ln s before
    training.
    """

    text_config: TextGeometry
    vision_config: VisionGeometry
    projection_dim: int = _CLIP_DEFAULT
    logit_scale_init_value: float = 2.6592

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "ClipGeometry":
        """From a `config.json` of `transformers` or from `describe`. CheckpointError for values of
        another type.
        """
        plain = {
            name: values[name]
            for name in ("projection_dim", "logit_scale_init_value")
            if name in values
        }
        return cls(
            tower_geometry(TextGeometry, values, "text_config"),
            tower_geometry(VisionGeometry, values, "vision_config"),
            **{
                name: _checked(name, int if name == "projection_dim" else float, plain[name])
                for name in plain
            },
        )

    def describe(self) -> dict[str, Any]:
        """As JSON values; what `from_values` takes."""
        text, vision = described_tower(self.text_config), described_tower(self.vision_config)
        return {"projection_dim": self.projection_dim, "text_config": text, "vision_config": vision}


def described_tower(tower: TowerGeometry) -> dict[str, Any]:
    """All of a tower; settings that older models do not name are left out at their defaults."""
    later = {"attention_dropout": 0.0, "num_channels": 3}
    values = asdict(tower)
    return {
        name: value for name, value in values.items() if name not in later or value != later[name]
    }


def tower_geometry(kind: type[Geometry], values: Mapping[str, Any], key: str) -> Geometry:
    """One tower. Old configs repeat a tower as `..._config_dict`, which then counts whole, its
    defaults included.
    """
    given, whole = values.get(key), values.get(f"{key}_dict")
    for name, part in ((key, given), (f"{key}_dict", whole)):
        if part is not None and not isinstance(part, Mapping):
            raise CheckpointError(
                f"{name} in config.json must be an object, got {part!r}; copy config.json again"
            )
    settings = {**(given or {})} if whole is None else dict(whole)
    known = {setting.name: setting for setting in fields(kind)}
    return kind(**{name: _checked(f"{key}.{name}", _type(known[name].type), settings[name])
                   for name in settings if name in known})  # fmt: skip


def _type(annotation: Any) -> Any:
    return {"int": int, "float": float, "str": str}.get(str(annotation), annotation)


def _checked(name: str, kind: Any, value: Any) -> Any:
    fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        expected = getattr(kind, "__name__", str(kind))
        raise CheckpointError(
            f"{name} in config.json must be {expected}, got {value!r}; copy config.json again"
        )
    return value
