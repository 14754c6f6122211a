"""How much the answers of one library would change with its tokens in another format."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from finereel.codecs import CODECS
from finereel.codecs.clips import coded
from finereel.errors import ConfigError
from finereel.index.protocols import SearchModel, TokenStorer
from finereel.index.search import BLOCK, Searcher, corrected
from finereel.index.tokens import stored_bytes
from finereel.ranking import top_overlap
from finereel.types import OnProgress, no_progress

MOST_CLIPS = 5_000
"""Clips that are scored; of a larger library as many, chosen by chance."""


@dataclass(frozen=True)
class FormatOverlap:
    """One format of tokens for one library.

    Attributes:
        tokens: Its name.
        bytes_per_clip: Tokens and video vector of one clip.
        overlap: Mean share of the ten best clips that stay the same, 0 to 1.
        best: Share of texts whose best clip stays the same.
        stored: Whether the library keeps its tokens so now.
    """

    tokens: str
    bytes_per_clip: int
    overlap: float
    best: float
    stored: bool

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return dict(vars(self))


@torch.no_grad()
def compare_stored(
    searcher: Searcher,
    model: SearchModel,
    texts: Sequence[str],
    on_progress: OnProgress = no_progress,
) -> list[FormatOverlap]:
    """The format of a library and every smaller one, against the answers that it gives now.

    Args:
        searcher: A state of the library.
        model: Its model.
        texts: Queries, at least one.
        on_progress: Told how many clips are scored.

    Returns:
        One result per format, from many bytes to few.

    Raises:
        ConfigError: If there is no text or no clip, or the model does not say how tokens are kept.
    """
    snapshot = searcher.snapshot
    if not texts or not snapshot.count:
        raise ConfigError(
            f"formats are compared by texts and clips, got {len(texts)} texts and "
            f"{snapshot.count} clips"
        )
    if not isinstance(model, TokenStorer):
        raise ConfigError(f"model {model.name} does not say in which form its tokens are kept")
    own = snapshot.sizes.stored.format
    names = list(CODECS)[list(CODECS).index(own) :]
    query, row_ids = model.encode_text(list(texts)), snapshot.sample(MOST_CLIPS)
    blocks: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for start in range(0, len(row_ids), BLOCK):
        clips = snapshot.take(row_ids[start : start + BLOCK])
        stored = model.stored(clips.features)
        for name in names:
            given = stored if name == own else coded(stored, CODECS[name])
            fused = corrected(model.score(query, given), clips, searcher.bank).fused
            blocks[name].append(fused.cpu().numpy())
        on_progress("clips", start + len(clips), len(row_ids))
    scores = {name: np.concatenate(parts, 1) for name, parts in blocks.items()}
    return [
        FormatOverlap(
            name,
            stored_bytes(snapshot.sizes, name),
            float(top_overlap(scores[own], found).mean()),
            float((scores[own].argmax(1) == found.argmax(1)).mean()),
            name == own,
        )
        for name, found in scores.items()
    ]
