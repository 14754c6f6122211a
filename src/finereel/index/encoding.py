"""Encode the clips of a run as a preset says: reuse features of equal frames, encode in fewer bits."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int16, Int64, UInt8
from PIL import Image
from torch import Tensor

from finereel.index.presets import Preset
from finereel.index.protocols import SearchModel
from finereel.io.foreign_files import brief
from finereel.models.features import VideoFeatures, concatenate
from finereel.models.quantized import QuantizedTower, installed, suits_int8
from finereel.models.retrieval import RetrievalModel
from finereel.models.weights import require_finite_features
from finereel.types import Frames

THUMBNAIL = 32
"""Side in pixels of the grey thumbnails that are compared."""

MOST_LOCAL = 16
"""Grey levels by which no pixel of two thumbnails may differ for the frames to be alike: something
small that moves changes few of them.
"""

CHECKED_FRAMES = 50
"""Frames of the person's own on which int8 is compared with float32."""

GPU_IMAGES = 256
"""Images that a GPU encodes at a time."""


class PresetEncoder:
    """Encodes clips as a preset says. One per run.

    Attributes:
        reused: Frames that took the features of an equal one.
    """

    def __init__(self, model: SearchModel, preset: Preset) -> None:
        self._model = model
        self._preset = preset
        self.reused = 0
        self._quick = _Quick(model) if preset.quick and _by_frame(model) else None

    @property
    def batch(self) -> int:
        """A processor encodes clip by clip, a GPU as many as make GPU_IMAGES."""
        many = self._quick is not None and self._quick.many
        return max(1, GPU_IMAGES // self._model.num_frames) if many else 1

    @property
    def num_frames(self) -> int:
        """F of the model."""
        return self._model.num_frames

    @property
    def quantized(self) -> int:
        """Frames encoded in int8."""
        return 0 if self._quick is None else self._quick.quantized

    def take_notes(self) -> list[str]:
        """What a person should know about the encoder and was not told yet."""
        return [] if self._quick is None else self._quick.take_notes()

    def encode(self, clips: Sequence[Frames]) -> VideoFeatures:
        """Encode clips of one file.

        Args:
            clips: Neighbouring clips, in order.

        Returns:
            Their features; without `quick`, those of `encode_video`, bit for bit.
        """
        if self._quick is not None:
            return self._encode_quickly(self._quick, clips)
        if not isinstance(self._model, RetrievalModel):
            return self._model.encode_video(clips)
        encoded: list[VideoFeatures] = []
        for number, clip in enumerate(clips):
            if number and _identical(clip, clips[number - 1]):
                encoded.append(encoded[-1])
                self.reused += len(clip.thinned(self._model.num_frames))
            else:
                encoded.append(self._model.encode_video([clip]))
        return concatenate(encoded)

    @torch.no_grad()
    def _encode_quickly(self, quick: "_Quick", clips: Sequence[Frames]) -> VideoFeatures:
        model = quick.model.eval()
        kept = [clip.thinned(model.num_frames).pixels for clip in clips]
        places = same_as(np.concatenate([thumbnails(one) for one in kept]), self._preset.alike)
        ends = np.cumsum([len(one) for one in kept])[:-1]
        fresh = np.split(np.diff(places, prepend=-1) > 0, ends)
        tokens = quick.tokens([one[new] for one, new in zip(kept, fresh, strict=True)])
        self.reused += len(places) - len(tokens)
        each = [
            model.features_of_tokens(*padded(tokens[own], model.num_frames))
            for own in np.split(places, ends)
        ]
        return require_finite_features(concatenate(each), model.name)


class _Quick:
    """Tokens of single frames in as few bits as are good enough."""

    def __init__(self, model: SearchModel) -> None:
        assert isinstance(model, RetrievalModel)
        self.model: RetrievalModel = model
        self.device = model.encoder.scale.device
        self.many = self.device.type == "cuda"
        self.quantized = 0
        self._notes: list[str] = []
        self._tower: QuantizedTower | None = None
        self._ready = False
        self._seen: list[tuple[Tensor, Tensor]] = []
        self._wanted = suits_int8(model.encoder)
        if self._wanted and installed():
            self._tower = QuantizedTower(model.encoder, model.fingerprint)  # type: ignore[arg-type]
            known = self._tower.known()
            if known is not None:
                self._decide(known.passed, known.cosine)

    def take_notes(self) -> list[str]:
        found, self._notes = self._notes, []
        return found

    def tokens(self, frames: Sequence[UInt8[np.ndarray, "_ _ _ 3"]]) -> Float[Tensor, "m N D"]:
        """All tokens of frames, in order. On a processor the frames of one entry go together, on a
        GPU as many as it takes.
        """
        groups = [self.model.encoder.to_pixels(some) for some in frames if len(some)]
        if self.many and groups:
            groups = list(torch.split(torch.cat(groups), GPU_IMAGES))
        return torch.cat([self._encode(group.to(self.device)) for group in groups])

    def _encode(self, pixels: Float[Tensor, "n 3 H H"]) -> Float[Tensor, "n N D"]:
        if self._ready and self._tower is not None:
            self.quantized += len(pixels)
            return self._tower(pixels)
        mask = torch.ones(1, len(pixels), dtype=torch.bool, device=self.device)
        kind = self.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
            tokens = self.model.encoder.encode_frames(pixels[None], mask)[0].float()
        if self._wanted:
            self._learn(pixels, tokens)
        return tokens

    def _learn(self, pixels: Tensor, tokens: Tensor) -> None:
        """Gather frames until there are enough to check int8 on."""
        self._seen.append((pixels, tokens))
        if sum(len(some) for some, _ in self._seen) < CHECKED_FRAMES:
            return
        first, wanted = (torch.cat(some)[:CHECKED_FRAMES] for some in zip(*self._seen, strict=True))
        self._seen, self._wanted = [], False
        if self._tower is None:
            self._notes.append(
                "encoded in float32; `pip install 'finereel[fast]'` encodes this model several "
                "times faster (int8)"
            )
            return
        try:
            found = self._tower.check(first, wanted)
        except Exception as error:  # the exporter's and onnxruntime's own; float32 always works
            self._notes.append(f"encoded in float32: int8 cannot be prepared ({brief(error)})")
            return
        self._decide(found.passed, found.cosine)

    def _decide(self, passed: bool, cosine: float) -> None:
        self._ready, self._wanted = passed, False
        if not passed:
            self._notes.append(
                f"encoded in float32: in int8 the frames would differ too much (cosine {cosine:.4f})"
            )


def _by_frame(model: SearchModel) -> bool:
    """Whether a model's tokens of a frame depend on that frame alone."""
    if not isinstance(model, RetrievalModel):
        return False
    prompted = model.prompts is not None and model.prompts.visual is not None
    encoder = model.encoder
    alone = encoder.takes_pixels and not encoder.shifts_tokens and not prompted
    return alone and model.config.mask_padding  # else padded frames count, and are encoded


def padded(
    tokens: Float[Tensor, "n N D"], frames: int
) -> tuple[Float[Tensor, "1 F N D"], Bool[Tensor, "1 F"]]:
    """The tokens of a clip with zeros for the frames that it lacks, and the mask of its own.

    Example:
        >>> padded(torch.ones(2, 5, 3), 4)[1].tolist()
        [[True, True, False, False]]
    """
    missing = frames - len(tokens)
    mask = torch.arange(frames, device=tokens.device) < len(tokens)
    return torch.cat([tokens, tokens.new_zeros(missing, *tokens.shape[1:])])[None], mask[None]


def _identical(one: Frames, other: Frames) -> bool:
    mine, theirs = one.pixels, other.pixels
    return mine.shape == theirs.shape and bool(np.array_equal(mine, theirs))


def thumbnails(frames: UInt8[np.ndarray, "n H W 3"]) -> Int16[np.ndarray, "n S S"]:
    """Grey thumbnails of THUMBNAIL pixels a side, each pixel the mean of its part of the frame.

    Example:
        >>> thumbnails(np.full((2, 64, 48, 3), 9, np.uint8)).mean(axis=(1, 2)).tolist()
        [9.0, 9.0]
    """
    size = (THUMBNAIL, THUMBNAIL)
    box = Image.Resampling.BOX
    each = [Image.fromarray(frame).convert("L").resize(size, box) for frame in frames]
    return np.stack([np.asarray(one) for one in each]).astype(np.int16)


def same_as(small: Int16[np.ndarray, "n S S"], alike: float) -> Int64[np.ndarray, " n"]:
    """For each frame, the number of the frame to encode that stands for it, counted from 0.

    Args:
        small: Thumbnails in order.
        alike: Mean grey levels below which a frame is stood for by the last one to encode.

    Returns:
        (n,) numbers, ascending.

    Example:
        >>> grey = np.array([0, 1, 3, 3], np.int16)[:, None, None] * np.ones((32, 32), np.int16)
        >>> same_as(grey, 2.0).tolist()
        [0, 0, 1, 1]
    """
    places, last = [0], 0
    for number in range(1, len(small)):
        apart = np.abs(small[number] - small[last])
        if apart.mean() >= alike or apart.max() >= MOST_LOCAL:
            last = number
            places.append(places[-1] + 1)
        else:
            places.append(places[-1])
    return np.array(places, dtype=np.int64)
