"""Clips as they come back from a library that keeps their tokens by a codec, and what they take."""

from dataclasses import replace

from torch import Tensor

from finereel.codecs.base import Codec
from finereel.models.features import StoredFeatures


def coded(clips: StoredFeatures, codec: Codec) -> StoredFeatures:
    """The same clips after their tokens were coded and decoded. The video vectors stay: a library
    keeps them in half precision, whatever the format of its tokens.
    """

    # Without masks: padding is zero already, unless the model's head was published to read it.
    def through(tokens: Tensor) -> Tensor:
        if not tokens.shape[1]:
            return tokens
        return codec.decode(codec.encode(tokens), tokens.shape[-1]).to(tokens.device)

    return replace(
        clips,
        frames=through(clips.frames),
        patches=through(clips.patches),
        contextual=through(clips.contextual),
    )


def clip_bytes(codec: Codec, tokens: int, dim: int) -> int:
    """The bytes of one clip: its tokens by a codec, and its video vector in half precision.

    >>> from finereel.codecs import CODECS
    >>> {name: clip_bytes(codec, 48, 512) for name, codec in CODECS.items()}
    {'fp16': 50176, 'int8': 25696, '2bit': 7264}
    """
    return tokens * codec.vector_bytes(dim) + 2 * dim
