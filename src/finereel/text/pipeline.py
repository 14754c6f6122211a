"""Tokenizers that run as their `tokenizer.json` says, by the tokenizers library: unigrams and
byte-fallback BPE as in SigLIP and SigLIP 2 (SentencePiece vocabularies), and any other kind.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import normalizers

from finereel.errors import CheckpointError, ModelNotFoundError
from finereel.io.foreign_files import MIB, ForeignFileError, brief, read_json_object, read_text
from finereel.text.base import BaseTokenizer
from finereel.text.wordpiece import without_surrogates

MOST_BYTES = 64 * MIB  # Gemma's 256,000 pieces have 34
_PROBE = "a"
_SHOWN = 100


class PipelineTokenizer(BaseTokenizer):
    """The pipeline of a `tokenizer.json` as it stands: normalizer, pieces, and the special tokens
    that its template puts around a text.

    Args:
        pipeline: The tokenizer of the tokenizers library.
        pad_id: The id that fills a row.
    """

    def __init__(self, pipeline: tokenizers.Tokenizer, pad_id: int) -> None:
        pipeline.no_truncation()
        pipeline.encode_special_tokens = True  # a literal special token in a text is plain text
        pipeline.enable_padding(pad_id=pad_id, pad_token=pipeline.id_to_token(pad_id))
        whole = pipeline.encode(_PROBE)
        special = [bool(flag) for flag in whole.special_tokens_mask]
        first = special.index(False) if False in special else len(special)
        last = len(special) - special[::-1].index(False) if False in special else first
        highest = max(pipeline.get_vocab(with_added_tokens=True).values())
        super().__init__(pipeline, highest + 1, whole.ids[:first], whole.ids[last:], pad_id)

    @classmethod
    def load(cls, directory: str | Path) -> "PipelineTokenizer":
        """Read the tokenizer of a model directory.

        Args:
            directory: The folder, with `tokenizer.json` and perhaps `tokenizer_config.json`, whose
                `pad_token` and `do_lower_case` count.

        Returns:
            The tokenizer.

        Raises:
            ModelNotFoundError: If there is no `tokenizer.json`.
            CheckpointError: If it does not read.
        """
        folder = Path(directory)
        path, settings = folder / "tokenizer.json", folder / "tokenizer_config.json"
        try:
            stated = read_json_object(settings, MIB) if settings.exists() else {}
            pipeline = tokenizers.Tokenizer.from_str(read_text(path, MOST_BYTES))
            if stated.get("do_lower_case") is True:
                pipeline.normalizer = _lowering(pipeline.normalizer)
            return cls(pipeline, _pad_id(pipeline, stated))
        except FileNotFoundError:
            raise ModelNotFoundError(
                f"no tokenizer in {folder}: expected tokenizer.json; save it with transformers "
                "(AutoTokenizer.from_pretrained(...).save_pretrained(...))"
            ) from None
        except ForeignFileError as error:
            raise CheckpointError(
                f"the tokenizer in {folder} cannot be read ({error}); copy it again"
            ) from error
        except CheckpointError:
            raise
        except Exception as error:  # the tokenizers library raises no class of its own
            raise CheckpointError(
                f"{path} cannot be read by the tokenizers library "
                f"({' '.join(str(error).split())[:_SHOWN]}); copy it again"
            ) from error

    def _entries(self, text: str, official: bool) -> tuple[list[int], list[tuple[int, int]]]:
        found = self._pipeline.encode(without_surrogates(text), add_special_tokens=False)
        return list(found.ids), [_without_space(text, *span) for span in found.offsets]


def _without_space(text: str, start: int, end: int) -> tuple[int, int]:
    """The span of a piece without the space before its word; an empty one for space alone."""
    kept = text[start:end].lstrip()
    return (end - len(kept), end) if kept else (end, end)


def _lowering(normalizer: Any) -> Any:
    """A normalizer that drops case first."""
    parts = [normalizers.Lowercase(), *([] if normalizer is None else [normalizer])]
    return normalizers.Sequence(parts)


def _pad_id(pipeline: tokenizers.Tokenizer, stated: Mapping[str, Any]) -> int:
    """What fills a row: as `tokenizer_config.json` states it, else as `tokenizer.json` does, else
    the usual names.
    """
    token = stated.get("pad_token")
    token = token.get("content") if isinstance(token, dict) else token
    if token is not None:
        found = pipeline.token_to_id(token) if isinstance(token, str) else None
        if found is None:
            raise CheckpointError(
                f"pad_token {brief(token)} of tokenizer_config.json is not in the vocabulary; copy "
                "the tokenizer again"
            )
        return int(found)
    if pipeline.padding is not None:
        return int(pipeline.padding["pad_id"])
    known = [pipeline.token_to_id(name) for name in ("<pad>", "</s>")]
    return int(next((number for number in known if number is not None), 0))
