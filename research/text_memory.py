"""What a frozen text backbone makes of texts, computed once for all models of an experiment.

A small model's texts cost more than its clips, and negatives are sixteen times as many as captions.
Where the backbone is frozen, as a vision backbone with saved tokens is, every model that trains on
it reads the same hidden states.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from safetensors.numpy import load_file, save_file
from torch import Tensor

from finereel.errors import ModelError
from finereel.io.atomic import replace_file, storage_errors
from finereel.models.encoders.bert import BertTower
from finereel.models.retrieval import RetrievalModel

_ROWS = 64


class TextMemory:
    """Hidden states in half precision by token ids, in a file that the next process reads.

    Args:
        tower: The frozen backbone.
        path: The file; where it exists, it is read.
    """

    def __init__(self, tower: BertTower, path: Path) -> None:
        self._tower = {name: tensor.clone() for name, tensor in tower.state_dict().items()}
        self._path = path
        self._known: dict[bytes, np.ndarray] = {}
        if path.exists():
            held = load_file(path)
            ends = np.cumsum(held["lengths"])[:-1]
            texts = np.split(held["ids"], ends), np.split(held["states"], ends)
            self._known = {ids.tobytes(): states for ids, states in zip(*texts, strict=True)}
        self._saved = len(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, key: bytes) -> bool:
        return key in self._known

    def __getitem__(self, key: bytes) -> np.ndarray:
        return self._known[key]

    def add(self, key: bytes, states: np.ndarray) -> None:
        """Keep the hidden states (W, E) of a text."""
        self._known[key] = states.astype(np.float16)

    def save(self) -> None:
        """Write the file, where texts are new."""
        if len(self._known) == self._saved:
            return
        texts = [np.frombuffer(key, dtype=np.int32) for key in self._known]
        arrays = {
            "ids": np.concatenate(texts),
            "lengths": np.array([len(ids) for ids in texts], dtype=np.int64),
            "states": np.concatenate(list(self._known.values())),
        }
        with storage_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replace_file(self._path) as fresh:
                save_file(arrays, fresh)
        self._saved = len(self._known)

    def attach(self, model: RetrievalModel) -> None:
        """Let a model read its text backbone's states from here; what is new is saved first.

        Raises:
            ModelError: If the model's backbone is not the one whose states these are.
        """
        self.save()
        tower = getattr(model.encoder, "text_model", None)
        if not isinstance(tower, BertTower) or not self._is_of(tower):
            raise ModelError(
                f"the text backbone of {model.name} is not the one of {self._path}: freeze it "
                "(encoder.text_model), or train without saved texts"
            )
        model.encoder.text_model = RememberedTower(tower, self)

    def _is_of(self, tower: BertTower) -> bool:
        held = tower.state_dict()
        return held.keys() == self._tower.keys() and all(
            torch.equal(tensor, self._tower[name]) for name, tensor in held.items()
        )


class RememberedTower(BertTower):
    """A frozen backbone that computes every text once; without dropout, in training too.

    With prompts it computes anew, for they learn.

    Args:
        tower: The backbone; its weights are copied.
        memory: Where the states are kept.
    """

    def __init__(self, tower: BertTower, memory: TextMemory) -> None:
        super().__init__(tower.config)
        self.load_state_dict(tower.state_dict())
        self.requires_grad_(False)
        self._memory = memory
        self.train(False)

    def train(self, mode: bool = True) -> "RememberedTower":
        """Stay in evaluation mode."""
        super().train(False)
        return self

    def forward(
        self,
        input_ids: Int64[Tensor, "T W"],
        mask: Bool[Tensor, "T W"],
        prompts: Float[Tensor, "n E"] | None = None,
    ) -> Float[Tensor, "T W E"]:
        """See `BertTower`; padding stands behind the tokens of a text, its states are zeros."""
        if prompts is not None:
            return super().forward(input_ids, mask, prompts)
        lengths = mask.sum(1).tolist()
        ids = input_ids.numpy().astype(np.int32)
        keys = [row[:length].tobytes() for row, length in zip(ids, lengths, strict=True)]
        new = {key: row for row, key in enumerate(keys) if key not in self._memory}
        self._compute(input_ids, mask, sorted(new.values(), key=lambda row: lengths[row]), keys)
        states = np.zeros((*ids.shape, self.config.hidden_size), dtype=np.float32)
        for row, (key, length) in enumerate(zip(keys, lengths, strict=True)):
            states[row, :length] = self._memory[key]
        return torch.from_numpy(states)

    @torch.no_grad()
    def _compute(self, input_ids: Tensor, mask: Tensor, rows: list[int], keys: list[bytes]) -> None:
        """The states of these rows, shortest texts first."""
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            longest = int(mask[part].sum(1).max())
            made = super().forward(input_ids[part, :longest], mask[part, :longest])
            for row, states in zip(part, made.numpy(), strict=True):
                self._memory.add(keys[row], states[: int(mask[row].sum())])
