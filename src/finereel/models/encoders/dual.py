"""A vision backbone and a text backbone, brought into one space by learned projections.

VISION and TEXT name the backbones. A vision backbone is a module made from its geometry that maps
pictures (B 3 H H) to patches (B N E); a text backbone maps token ids and their mask to hidden
states (T W E), with prompts behind the first token where given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from finereel.config import from_dict, require_between, to_dict
from finereel.errors import ConfigError, ModelError, unknown_name
from finereel.io.foreign_files import brief
from finereel.models.encoders.base import PIXEL_AXES, Encoder, scattered
from finereel.models.encoders.bert import BertGeometry, BertTower
from finereel.models.encoders.efficientnet import EfficientNetGeometry, EfficientNetLite
from finereel.models.encoders.prompts import Prompts, pooled_prompts
from finereel.models.preprocessing import Preprocessing

TextPooling = Literal["mean", "first"]


@dataclass(frozen=True)
class BackboneKind:
    """A backbone: the class of its geometry and the module that is made from one."""

    geometry: type[Any]
    make: Any


VISION = {"efficientnet_lite0": BackboneKind(EfficientNetGeometry, EfficientNetLite)}
TEXT = {"bert": BackboneKind(BertGeometry, BertTower)}


@dataclass(frozen=True)
class DualGeometry:
    """Sizes of both backbones and of the space they share.

    Attributes:
        dim: D of the shared space.
        vision: The vision backbone, a key of `VISION`.
        text: The text backbone, a key of `TEXT`.
        vision_config: Sizes of the vision backbone.
        text_config: Sizes of the text backbone.
        separate_patches: Whether patches have a projection of their own; otherwise they pass the
            one of the frame's token, which is their mean.
        text_pooling: What a sentence is: the `mean` of all its tokens, start and end included, or
            the `first` one.
        preprocessing: What happens to pictures; by default they are squashed to the size of the
            vision backbone and normalised by ImageNet's statistics.
        logit_scale_init_value: ln s before training.

    Raises:
        ConfigError: If a value is out of bounds, or the preprocessing makes pictures of another
            size.

    Example:
        >>> geometry = DualGeometry(dim=64)
        >>> DualGeometry.from_values(geometry.describe()) == geometry
        True
    """

    dim: int = 512
    vision: str = "efficientnet_lite0"
    text: str = "bert"
    vision_config: Any = field(default_factory=EfficientNetGeometry)
    text_config: Any = field(default_factory=BertGeometry)
    separate_patches: bool = False
    text_pooling: TextPooling = "mean"
    preprocessing: Preprocessing | None = None
    logit_scale_init_value: float = 2.6592

    def __post_init__(self) -> None:
        require_between(self, {"dim": (1, 16_384), "logit_scale_init_value": (-30.0, 30.0)})
        for setting, known in (("vision", VISION), ("text", TEXT)):
            name = getattr(self, setting)
            if name not in known:
                raise unknown_name(f"{setting} backbone", name, known)
        if self.text_pooling not in get_args(TextPooling):
            raise unknown_name("text_pooling", self.text_pooling, get_args(TextPooling))
        size = self.vision_config.image_size
        if self.preprocessing is None:
            object.__setattr__(self, "preprocessing", Preprocessing.imagenet(size))
        elif self.preprocessing.size != size:
            raise ConfigError(
                f"the preprocessing makes pictures of {self.preprocessing.size} pixels, the vision "
                f"backbone takes {size}"
            )

    def describe(self) -> dict[str, Any]:
        """As JSON values, as `config.json` holds them under `dual`."""
        assert self.preprocessing is not None
        return {**to_dict(self), "preprocessing": self.preprocessing.to_dict()}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "DualGeometry":
        """Read what `describe` wrote.

        Args:
            values: The values; those left out have their defaults.

        Returns:
            The geometry.

        Raises:
            ConfigError: If a name is unknown or a value does not fit.
            CheckpointError: If the preprocessing does not read.
        """
        rest = dict(values)
        given = rest.pop("preprocessing", None)
        towers = {}
        for setting, known in (("vision", VISION), ("text", TEXT)):
            name = rest.get(setting, getattr(cls, setting))
            if not isinstance(name, str) or name not in known:
                raise unknown_name(f"{setting} backbone", brief(name), known)
            sizes = rest.pop(f"{setting}_config", {})
            if not isinstance(sizes, dict):
                raise ConfigError(f"{setting}_config must be an object, got {brief(sizes)}")
            towers[f"{setting}_config"] = from_dict(known[name].geometry, sizes)
        read = None if given is None else Preprocessing.from_dict(given)
        return from_dict(cls, {**rest, **towers, "preprocessing": read})


class DualEncoder(Encoder):
    """A vision backbone and a text backbone under learned linear maps.

    A frame's own token is the mean of its patches; words are the projected hidden states of the
    text backbone.

    Args:
        geometry: Sizes and kinds.

    Example:
        >>> vision, text = EfficientNetGeometry(32), BertGeometry(30, 16, 1, 2, 32)
        >>> encoder = DualEncoder(DualGeometry(8, vision_config=vision, text_config=text)).eval()
        >>> sentence, words = encoder.encode_tokens(torch.tensor([[1, 5, 2]]))
        >>> sentence.shape, words.shape, encoder.tokens_per_frame
        (torch.Size([1, 8]), torch.Size([1, 3, 8]), 2)
    """

    kind = "dual"

    def __init__(self, geometry: DualGeometry) -> None:
        super().__init__()
        self.geometry = geometry
        self.vision_model = VISION[geometry.vision].make(geometry.vision_config)
        self.text_model = TEXT[geometry.text].make(geometry.text_config)
        wide, width = geometry.vision_config.width, geometry.text_config.hidden_size
        self.visual_projection = nn.Linear(wide, geometry.dim)
        self.patch_projection = nn.Linear(wide, geometry.dim) if geometry.separate_patches else None
        self.text_projection = nn.Linear(width, geometry.dim)
        self.word_projection = nn.Linear(width, geometry.dim)
        self.logit_scale = nn.Parameter(torch.tensor(geometry.logit_scale_init_value))

    @property
    def dim(self) -> int:
        """D, the width of the shared space."""
        return self.geometry.dim

    @property
    def max_words(self) -> int:
        """The most tokens the text backbone has positions for."""
        return int(self.geometry.text_config.max_position_embeddings)

    @property
    def vocab_size(self) -> int:
        """The number of token ids the text backbone knows."""
        return int(self.geometry.text_config.vocab_size)

    @property
    def text_width(self) -> int:
        """The width of a token inside the text backbone."""
        return int(self.geometry.text_config.hidden_size)

    @property
    def text_blocks(self) -> int:
        """The number of blocks of the text side."""
        return int(self.geometry.text_config.num_hidden_layers)

    @property
    def visual_width(self) -> int:
        """D: visual prompts ask the projected tokens, see `finereel.models.encoders.prompts`."""
        return self.dim

    @property
    def tokens_per_frame(self) -> int:
        """N: the frame's own token and the patches."""
        return int(self.geometry.vision_config.patches) + 1

    @property
    def image_size(self) -> int:
        """Side of the square input picture in pixels."""
        return int(self.geometry.vision_config.image_size)

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What happens to pictures."""
        return self.geometry.preprocessing

    def describe(self) -> dict[str, Any]:
        """The geometry as JSON values."""
        return self.geometry.describe()

    def encode_tokens(
        self,
        input_ids: Int64[Tensor, "T W"],
        mask: Bool[Tensor, "T W"] | None = None,
        prompts: Float[Tensor, "*blocks n E"] | None = None,
    ) -> tuple[Float[Tensor, "T D"], Float[Tensor, "T W D"]]:
        """Sentence and words; attention runs in both directions, so padding is masked."""
        pooled, hidden = self.pooled_text(input_ids, mask, prompts)
        return self.text_projection(pooled), self.word_projection(hidden)

    def pooled_text(
        self,
        input_ids: Int64[Tensor, "T W"],
        mask: Bool[Tensor, "T W"] | None = None,
        prompts: Float[Tensor, "*blocks n E"] | None = None,
    ) -> tuple[Float[Tensor, "T E"], Float[Tensor, "T W E"]]:
        """Sentences and words of the text backbone before the projections; zeros on padding."""
        if mask is None:
            mask = torch.ones_like(input_ids, dtype=torch.bool)
        hidden: Tensor = self.text_model(torch.where(mask, input_ids, 0), mask, prompts)
        hidden = torch.where(mask[..., None], hidden, 0.0)
        if self.geometry.text_pooling == "first":
            return hidden[:, 0], hidden
        return hidden.sum(1) / mask.sum(1, keepdim=True).clamp_min(1), hidden

    def encode_frames(
        self,
        frames: Float[Tensor, "V F 3 H H"] | Float[Tensor, "V F n E"],
        frame_mask: Bool[Tensor, "V F"],
    ) -> Float[Tensor, "V F N D"]:
        """All N tokens of every frame, the mean of the patches first; padded frames become zeros.

        Args:
            frames: Pixels; or tokens that the vision backbone gave before, all N or the patches
                alone, which pass the projections only: training on saved tokens is training with a
                frozen vision backbone.
            frame_mask: (V, F), True on real frames.

        Returns:
            (V, F, N, D).

        Raises:
            ModelError: If tokens are not as many or as wide as those of the vision backbone.
        """
        tokens = self._real_tokens(frames, frame_mask)
        patches: Tensor = (self.patch_projection or self.visual_projection)(tokens[:, 1:])
        real = torch.cat([self.visual_projection(tokens[:, :1]), patches], 1)
        return scattered(real, frame_mask)

    def frozen_tokens(
        self, frames: Float[Tensor, "V F ..."], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V F N E"]:
        """Tokens of the vision backbone before the projections, the mean of the patches first;
        zeros for padded frames. Arguments and errors as in `encode_frames`.
        """
        return scattered(self._real_tokens(frames, frame_mask), frame_mask)

    def _real_tokens(
        self, frames: Float[Tensor, "V F ..."], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "R N E"]:
        """The tokens of `frozen_tokens` for the R real frames alone, in order."""
        real = frames[frame_mask]
        if frames.ndim == PIXEL_AXES:
            patches: Tensor = self.vision_model(real)
            return torch.cat([patches.mean(1, keepdim=True), patches], 1)
        count, width = frames.shape[2:]
        if width != self.geometry.vision_config.width or not 0 <= self.tokens_per_frame - count < 2:
            raise ModelError(
                f"expected frames as pixels, or as {self.tokens_per_frame} tokens of "
                f"{self.geometry.vision_config.width} numbers that {self.geometry.vision} made, "
                f"got {count} tokens of {width}: take the tokens of this model's vision backbone"
            )
        if count == self.tokens_per_frame:
            return real
        return torch.cat([real.mean(1, keepdim=True), real], 1)

    def encode_prompted(
        self, frames: Float[Tensor, "V F ..."], frame_mask: Bool[Tensor, "V F"], prompts: Prompts
    ) -> tuple[Float[Tensor, "V F N D"], Float[Tensor, "V F D"]]:
        """The tokens of `encode_frames`, and a frame vector that the visual prompts, as queries,
        make of them.

        Raises:
            ConfigError: If the settings speak of the inside of a vision transformer.
        """
        return pooled_prompts(self.encode_frames(frames, frame_mask), prompts)
