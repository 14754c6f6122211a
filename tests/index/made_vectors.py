"""Tables of clips with chosen vectors and hardly anything else, written as a library writes them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from finereel.index.bank import Bank
from finereel.index.manifest import Manifest
from finereel.index.protocols import IndexedModel, StoredTokens
from finereel.index.schema import ClipRecord, FileRecord, to_rows
from finereel.index.store import ClipStore
from finereel.models.features import StoredFeatures
from finereel.types import Window
from finereel.video.files import FileState

DIM = 32


def random_vectors(count: int, seed: int, spread: float = 1.0) -> Tensor:
    """Unit vectors (count, DIM) around 20 directions; the smaller `spread`, the closer."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(20, DIM, generator=torch.Generator().manual_seed(0))
    own = centres[torch.randint(0, 20, (count,), generator=generator)]
    return normalize(own + spread * torch.randn(count, DIM, generator=generator), dim=-1)


def table_of(folder: Path) -> ClipStore:
    """An empty table."""
    model = IndexedModel("synthetic", "0" * 16, 1, 0, DIM, 0, StoredTokens(prepared=True))
    return ClipStore.create(folder, Manifest(model))


def add_clips(store: ClipStore, vectors: Tensor, number: int, replaced: Sequence[str] = ()) -> None:
    """One file of clips, in one commit."""
    count = len(vectors)
    path, state = f"/videos/{number}.mp4", FileState(1, 1)
    record = FileRecord(f"{number:016x}", f"{number:032x}", path, state)
    clips = [ClipRecord(Window(i, i + 1), np.array([i]), b"") for i in map(float, range(count))]
    mask = torch.ones(count, 1, dtype=torch.bool)
    none = torch.empty(count, 0, DIM)
    features = StoredFeatures(vectors, vectors[:, None], none, mask, mask[:, :0])
    store.commit([to_rows(record, clips, features, None, store.schema)], replaced)


def bank_of(store: ClipStore, seed: int, size: float = 40.0) -> Bank:
    """A bank whose biases are about as large as `size`, saved in the folder of the table."""
    clip_ids = store.snapshot().clip_ids()
    scores = size * np.random.default_rng(seed).normal(size=(6, len(clip_ids)))
    settings = {"temperature": 5.0, "strength": 1.0}
    captions = [f"caption {number}" for number in range(6)]
    bank = Bank.fit(captions, {"video_sentence": scores}, clip_ids, **settings)
    bank.save(store.folder)
    return bank
