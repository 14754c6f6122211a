"""Codecs of tokens: the vectors of a clip in 16, 8 or 2 bits per number, and back.

    codes = CODECS["int8"].encode(tokens, mask)     # (V, N, D) and (V, N) -> bytes (V, N, B)
    tokens = CODECS["int8"].decode(codes, dim)      # -> (V, N, D), float32

To add one, write a subclass of `finereel.codecs.base.Codec` and give it a line in CODECS; the
contract tests then run on it.
"""

from finereel.codecs.base import Codec
from finereel.codecs.half import HalfCodec
from finereel.codecs.int8 import Int8Codec
from finereel.codecs.two_bit import TwoBitCodec
from finereel.errors import unknown_name

CODECS: dict[str, Codec] = {
    "fp16": HalfCodec(),
    "int8": Int8Codec(),
    "2bit": TwoBitCodec(),
}


def codec(name: str) -> Codec:
    """The codec called `name`; ConfigError that lists the known ones for any other name.

    >>> codec("int8").vector_bytes(512)
    514
    """
    if name not in CODECS:
        raise unknown_name("format of tokens", name, tuple(CODECS))
    return CODECS[name]
