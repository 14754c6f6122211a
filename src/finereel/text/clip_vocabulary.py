"""The vocabulary of CLIP's text towers, used to tell where a caption is truncated if no model is
given.
"""

import gzip
from functools import cache

from tokenizers import pre_tokenizers

from finereel.io.assets import ASSETS
from finereel.text.tokenize import END, START, WORD_END, Tokenizer

ASSET = ASSETS / "clip-bpe" / "merges.txt.gz"


@cache
def clip_tokenizer() -> Tokenizer:
    """CLIP's own tokenizer, 49,408 ids as in the published checkpoints (openai/CLIP,
    bpe_simple_vocab_16e6).

    >>> clip_tokenizer().encode(["a photo of a cat"], max_words=8).ids[0].tolist()
    [49406, 320, 1125, 539, 320, 2368, 49407, 0]
    """
    lines = gzip.decompress(ASSET.read_bytes()).decode("utf-8").splitlines()
    merges = [
        (left, right)
        for left, right in (line.split(" ") for line in lines if not line.startswith("#version"))
    ]
    # The published order of the 256 byte symbols: printable ASCII, printable Latin-1, then the
    # bytes moved beyond.
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    joined = [left + right for left, right in merges]
    symbols = [*alphabet, *(symbol + WORD_END for symbol in alphabet), *joined, START, END]
    return Tokenizer({symbol: number for number, symbol in enumerate(symbols)}, merges)
