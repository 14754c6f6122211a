"""The tokenizer settings of a CLIP directory besides the vocabulary: `tokenizer_config.json`."""

from pathlib import Path
from typing import Any

from finereel.errors import CheckpointError
from finereel.io.foreign_files import ForeignFileError, read_json_object
from finereel.text.tokenize import END, MOST_BYTES, START

_NO_LIMIT = 1 << 30
_CLIP_CLASSES = ("CLIPTokenizer", "CLIPTokenizerFast")


def most_tokens(folder: Path) -> int:
    """The longest text in tokens that the tokenizer in a CLIP directory gives (`model_max_length`).

    Raises CheckpointError where its settings make other tokens than CLIP's text rules do.
    """
    settings = _object(folder / "tokenizer_config.json")
    for name, expected in (("bos_token", START), ("eos_token", END)):
        token = settings.get(name, expected)
        token = token.get("content") if isinstance(token, dict) else token
        if token != expected:
            raise CheckpointError(
                f"the tokenizer in {folder} has the {name} {token!r}, which is not supported: "
                f"expected {expected}"
            )
    kind = settings.get("tokenizer_class", _CLIP_CLASSES[0])
    if kind not in _CLIP_CLASSES and not _lowers(
        _object(folder / "tokenizer.json").get("normalizer")
    ):
        raise CheckpointError(
            f"the tokenizer in {folder} ({kind}) keeps upper case, which is not supported: "
            "expected lower-casing"
        )
    longest = settings.get("model_max_length", _NO_LIMIT)
    if isinstance(longest, bool) or not isinstance(longest, int | float) or longest < 2:
        raise CheckpointError(
            f"model_max_length of the tokenizer in {folder} must be at least 2, got {longest!r}"
        )
    return int(min(longest, _NO_LIMIT))


def _lowers(normalizer: Any) -> bool:
    """Whether a normalizer of `tokenizer.json`, or one of its parts, lower-cases."""
    if not isinstance(normalizer, dict):
        return False
    parts = normalizer.get("normalizers")
    return normalizer.get("type") == "Lowercase" or any(
        map(_lowers, parts if isinstance(parts, list) else [])
    )


def _object(path: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing where there is no file."""
    try:
        return read_json_object(path, MOST_BYTES)
    except FileNotFoundError:
        return {}
    except ForeignFileError as error:
        raise CheckpointError(f"{path} cannot be read as JSON ({error}); copy it again") from error
