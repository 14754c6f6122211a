"""Run any masked language model of `transformers` from a directory, offline. Imports torch, so
import it only where it is used.
"""

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from finereel.errors import CheckpointError, ModelNotFoundError

ROWS = 128
# How tokenizers mark pieces: WordPiece marks what continues a word, the others what begins one.
_CONTINUES, _BEGINS = "##", ("Ġ", "▁")
_WORD = re.compile(r"[^\W\d_]+")
_WEIGHTS = "*.safetensors"
_IDENTITY = (
    _WEIGHTS,
    "config.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "*.model",
)


class MaskedLanguageModel:
    """A model and its tokenizer; only safetensors are read and no code of the directory runs.

    Raises ModelNotFoundError where there is no such directory, CheckpointError where it is no
    masked language model.
    """

    def __init__(self, directory: Path, device: str = "cpu") -> None:
        self.directory = Path(directory)
        self.device = device
        if not self.directory.is_dir():
            raise ModelNotFoundError(
                f"{directory}: expected a directory with a fill-mask model of transformers "
                "(config.json, "
                "model.safetensors and tokenizer files)"
            )
        self._tokenizer, self._model = _load(self.directory)
        self._model.eval().to(device)

    @cached_property
    def fingerprint(self) -> str:
        """The directory's name and the first 16 digits of the SHA-256 of weights, configuration and
        tokenizer.
        """
        digest = hashlib.sha256()
        for path in sorted(
            {path for pattern in _IDENTITY for path in self.directory.glob(pattern)}
        ):
            with path.open("rb") as file:
                digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
        return f"{self.directory.resolve().name}@{digest.hexdigest()[:16]}"

    @torch.inference_mode()
    def fill(
        self, sides: Sequence[tuple[str, str]], top: int
    ) -> list[list[tuple[str, float]] | None]:
        """Whole words for the gap between two texts: (word, ln p), best first; None for texts that
        are too long.
        """
        rows = [
            self._ids(before + str(self._tokenizer.mask_token) + after) for before, after in sides
        ]
        fits = [index for index, row in enumerate(rows) if row is not None]
        found: list[list[tuple[str, float]] | None] = [None] * len(rows)
        mask = self._tokenizer.mask_token_id
        for chunk in _chunks(fits):
            ids = [rows[index] or [] for index in chunk]
            gaps = [
                [position for position, token in enumerate(row) if token == mask] for row in ids
            ]
            logits = self._logits(ids)
            for index, gap, row in zip(chunk, gaps, logits, strict=True):
                # A caption that spells the mask token itself has two gaps, and neither is ours for
                # certain.
                found[index] = (
                    self._words(row[gap[0]].log_softmax(-1), top) if len(gap) == 1 else []
                )
        return found

    @torch.inference_mode()
    def log_likelihoods(self, texts: Sequence[str]) -> list[float]:
        """The sum over tokens of ln p(token | the others), the rest of its word to the right hidden
        as well.

        Minus infinity for a text longer than the model reads.
        """
        totals = [0.0] * len(texts)
        masked: list[tuple[int, list[int], int, int]] = []
        for number, text in enumerate(texts):
            rows = self._masked_rows(text)
            if rows is None:
                totals[number] = -math.inf
            masked += [(number, *row) for row in rows or ()]
        for chunk in _chunks(sorted(masked, key=lambda row: len(row[1]))):
            logits = self._logits([row for _, row, _, _ in chunk])
            for (number, _, position, token), row_logits in zip(chunk, logits, strict=True):
                totals[number] += float(row_logits[position].log_softmax(-1)[token])
        return totals

    def _masked_rows(self, text: str) -> list[tuple[list[int], int, int]] | None:
        """(ids with masks, position of the target, target) for every token of a text."""
        ids = self._ids(text)
        if ids is None:
            return None
        words = self._tokenizer(_encodable(text), return_special_tokens_mask=True)
        owner, special = words.word_ids(), words["special_tokens_mask"]
        rows = []
        for position, token in enumerate(ids):
            if special[position]:
                continue
            hidden = {
                p for p in range(position, len(ids)) if owner[p] == owner[position] or p == position
            }
            rows.append(
                (
                    [
                        self._tokenizer.mask_token_id if p in hidden else t
                        for p, t in enumerate(ids)
                    ],
                    position,
                    token,
                )
            )
        return rows

    def _ids(self, text: str) -> list[int] | None:
        ids: list[int] = self._tokenizer(_encodable(text), verbose=False)["input_ids"]
        return ids if len(ids) <= self._longest else None

    @cached_property
    def _longest(self) -> int:
        # RoBERTa counts positions from its padding id, so that two fewer tokens fit than it has
        # positions.
        positions = int(getattr(self._model.config, "max_position_embeddings", 512))
        return min(int(self._tokenizer.model_max_length), positions - 2)

    def _logits(self, rows: Sequence[Sequence[int]]) -> Tensor:
        longest = max(map(len, rows))
        pad = self._tokenizer.pad_token_id or 0
        ids = torch.tensor(
            [[*row, *[pad] * (longest - len(row))] for row in rows], device=self.device
        )
        seen = torch.tensor(
            [[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=self.device
        )
        logits: Tensor = self._model(input_ids=ids, attention_mask=seen).logits
        return logits.float()

    def _words(self, logp: Tensor, top: int) -> list[tuple[str, float]]:
        words = self._whole_words
        ids = torch.tensor(list(words), device=logp.device)
        values, order = logp[ids].sort(descending=True, stable=True)
        best: dict[str, float] = {}
        for place, value in zip(order.tolist(), values.tolist(), strict=True):
            best.setdefault(words[int(ids[place])], round(value, 4))
            if len(best) == top:
                break
        return list(best.items())

    @cached_property
    def _whole_words(self) -> dict[int, str]:
        """The ids of pieces that are words by themselves, and these words in lower case."""
        pieces = {id_: piece for piece, id_ in self._tokenizer.get_vocab().items()}
        mark = next(
            (
                mark
                for mark in _BEGINS
                if sum(piece.startswith(mark) for piece in pieces.values()) > 1
            ),
            "",
        )
        special = set(self._tokenizer.all_special_ids)
        words = {}
        for id_ in sorted(set(pieces) - special):
            piece = pieces[id_]
            if piece.startswith(mark) and not piece.startswith(_CONTINUES):
                word = str(self._tokenizer.convert_tokens_to_string([piece])).strip()
                if _WORD.fullmatch(word):
                    words[id_] = word.lower()
        return words


def _load(directory: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        model, told = AutoModelForMaskedLM.from_pretrained(
            directory, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{directory}: expected a fill-mask model of transformers, got: {error}"
        ) from error
    if told["missing_keys"]:
        raise CheckpointError(
            f"{directory}: the weights lack {len(told['missing_keys'])} tensors of a masked "
            "language model, such as "
            f"{min(told['missing_keys'])}; was it saved as another kind of model?"
        )
    if tokenizer.mask_token_id is None or not tokenizer.is_fast:
        raise CheckpointError(
            f"{directory}: expected a fast tokenizer with a mask token (tokenizer.json)"
        )
    return tokenizer, model


def _encodable(text: str) -> str:
    """Half a surrogate pair, which a caption read from JSON may hold, is no text to a tokenizer."""
    return text.encode("utf-8", "replace").decode()


def _chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), ROWS):
        yield rows[start : start + ROWS]
