"""Load the tokenizer of a model directory, whatever its kind."""

from collections.abc import Callable
from pathlib import Path

from finereel.errors import CheckpointError
from finereel.io.foreign_files import ForeignFileError, brief, read_json_object
from finereel.text.base import BaseTokenizer
from finereel.text.sentencepiece import MOST_BYTES, SentencePieceTokenizer
from finereel.text.tokenize import Tokenizer
from finereel.text.wordpiece import WordPieceTokenizer

TOKENIZERS: dict[str, Callable[[Path], BaseTokenizer]] = {
    "BPE": Tokenizer.load,
    "WordPiece": WordPieceTokenizer.load,
    "Unigram": SentencePieceTokenizer.load,
}
"""By the type of the model in `tokenizer.json`; BPE with byte fallback is SentencePiece's too."""


def load_tokenizer(directory: str | Path) -> BaseTokenizer:
    """Load the tokenizer of a model directory; `tokenizer.json` says of what kind it is.

    Args:
        directory: A folder with `tokenizer.json`, with `vocab.json` and `merges.txt` (CLIP), or
            with `vocab.txt` (BERT).

    Returns:
        The tokenizer.

    Raises:
        ModelNotFoundError: If there is none.
        CheckpointError: If its file does not read, or its kind is not supported.

    Example:
        >>> from finereel.io import ASSETS
        >>> type(load_tokenizer(ASSETS / "reelworld-tiny")).__name__
        'Tokenizer'
    """
    folder = Path(directory)
    packed = folder / "tokenizer.json"
    if not packed.exists():
        listed = (folder / "vocab.txt").exists()
        return TOKENIZERS["WordPiece" if listed else "BPE"](folder)
    try:
        model = read_json_object(packed, MOST_BYTES).get("model")
    except ForeignFileError as error:
        raise CheckpointError(
            f"{packed} cannot be read as JSON ({error}); copy it again"
        ) from error
    kind = model.get("type", "BPE") if isinstance(model, dict) else "BPE"
    if not isinstance(kind, str) or kind not in TOKENIZERS:
        raise CheckpointError(
            f"{packed} describes a tokenizer of type {brief(kind)}: expected one of "
            f"{', '.join(TOKENIZERS)}"
        )
    if kind == "BPE" and isinstance(model, dict) and model.get("byte_fallback") is True:
        return SentencePieceTokenizer.load(folder)
    return TOKENIZERS[kind](folder)
