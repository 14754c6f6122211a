"""Chinese-CLIP: CLIP's vision tower beside a BERT, with the parameter names and the arithmetic of
`transformers`' `ChineseCLIPModel`.

Source: Yang et al. 2022 (arXiv 2211.01335).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from finereel.errors import ConfigError
from finereel.io.foreign_files import brief
from finereel.models.encoders.bert import BertGeometry, BertTower
from finereel.models.encoders.clip import ClipEncoder, check_picture, checked_clip_values
from finereel.models.encoders.geometry import ClipGeometry
from finereel.models.encoders.towers import ClipTowers


@dataclass(frozen=True)
class ChineseClipGeometry(ClipGeometry):
    """Both towers and the shared space; the text tower is a BERT."""

    text_config: BertGeometry  # type: ignore[assignment]

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "ChineseClipGeometry":
        """Read a `config.json` of `transformers`, or what `describe` wrote.

        Args:
            values: The config as a dictionary.

        Returns:
            The geometry.

        Raises:
            ConfigError: If a value does not fit.
            CheckpointError: If a value is of another type.
        """
        text = values.get("text_config") or {}
        if not isinstance(text, dict):
            raise ConfigError(f"text_config must be an object, got {brief(text)}")
        vision = {name: value for name, value in values.items() if not name.startswith("text_")}
        clip = ClipGeometry.from_values(checked_clip_values(vision))
        check_picture(clip.vision_config)
        rest = {part.name: getattr(clip, part.name) for part in fields(clip)}
        return cls(**{**rest, "text_config": BertGeometry.from_values(text)})

    def describe(self) -> dict[str, Any]:
        """As JSON values; what `from_values` takes."""
        vision = asdict(self.vision_config)
        return {
            "projection_dim": self.projection_dim,
            "text_config": asdict(self.text_config),
            "vision_config": vision,
        }


class ChineseClipTowers(ClipTowers):
    """CLIP's vision tower and a BERT under their projections."""

    def _text_tower(self) -> nn.Module:
        assert isinstance(self.config, ChineseClipGeometry)
        return BertTower(self.config.text_config)


class ChineseClipEncoder(ClipEncoder):
    """Both towers of Chinese-CLIP; a sentence is its first token. Arguments as `ClipEncoder`.

    As in CLIP, frames and sentences are aligned; patches and words are projected like them, and
    count where a model was trained for it.
    """

    kind = "chinese_clip"

    @property
    def causal_text_tower(self) -> Any:
        """None: BERT attends in both directions."""
        return None

    def encode_tokens(
        self,
        input_ids: Int64[Tensor, "T W"],
        mask: Bool[Tensor, "T W"] | None = None,
        prompts: Float[Tensor, "*blocks n E"] | None = None,
    ) -> tuple[Float[Tensor, "T D"], Float[Tensor, "T W D"]]:
        """Sentence and words; attention runs in both directions, so padding is masked."""
        if mask is None:
            mask = torch.ones_like(input_ids, dtype=torch.bool)
        hidden = self.clip.text_model(torch.where(mask, input_ids, 0), mask, prompts)
        words: Tensor = self.clip.text_projection(hidden)
        return words[:, 0], words
