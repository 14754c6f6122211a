"""Load the tokenizer of a model directory, whatever its kind."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from finereel.errors import CheckpointError
from finereel.io.foreign_files import ForeignFileError, brief, read_json_object
from finereel.text.base import BaseTokenizer
from finereel.text.pipeline import MOST_BYTES, PipelineTokenizer
from finereel.text.tokenize import WORD_END, Tokenizer
from finereel.text.wordpiece import WordPieceTokenizer

TOKENIZERS: dict[str, Callable[[Path], BaseTokenizer]] = {
    "BPE": Tokenizer.load,
    "WordPiece": WordPieceTokenizer.load,
    "Unigram": PipelineTokenizer.load,
    "WordLevel": PipelineTokenizer.load,
}
"""By the type of the model in `tokenizer.json`. BPE is CLIP's, but for what `_is_other_bpe` says."""


def load_tokenizer(directory: str | Path, other_bpe: bool = False) -> BaseTokenizer:
    """Load the tokenizer of a model directory; `tokenizer.json` says of what kind it is.

    Args:
        directory: A folder with `tokenizer.json`, with `vocab.json` and `merges.txt` (CLIP), or
            with `vocab.txt` (BERT).
        other_bpe: Whether the model takes BPE of any kind, run as the file says; otherwise BPE must
            be CLIP's.

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
        stored = read_json_object(packed, MOST_BYTES)
    except ForeignFileError as error:
        raise CheckpointError(
            f"{packed} cannot be read as JSON ({error}); copy it again"
        ) from error
    model = stored.get("model")
    kind = model.get("type", "BPE") if isinstance(model, dict) else "BPE"
    if not isinstance(kind, str) or kind not in TOKENIZERS:
        raise CheckpointError(
            f"{packed} describes a tokenizer of type {brief(kind)}: expected one of "
            f"{', '.join(TOKENIZERS)}"
        )
    if kind == "BPE" and isinstance(model, dict) and _is_other_bpe(stored, model, other_bpe):
        return PipelineTokenizer.load(folder)
    return TOKENIZERS[kind](folder)


def _is_other_bpe(stored: Mapping[str, Any], model: Mapping[str, Any], wanted: bool) -> bool:
    """Whether BPE is not CLIP's, and is wanted, is SentencePiece's, or was saved by a
    `PipelineTokenizer`, which always pads.
    """
    other = model.get("end_of_word_suffix") != WORD_END
    saved = stored.get("padding") is not None
    return model.get("byte_fallback") is True or (other and (wanted or saved))
