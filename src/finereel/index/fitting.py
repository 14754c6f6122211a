"""Fit a normalization bank on the clips of a library."""

import numpy as np

from finereel.errors import ConfigError
from finereel.index.bank import Bank
from finereel.index.protocols import SearchModel
from finereel.index.search import BLOCK
from finereel.index.snapshot import Snapshot


def fit_bank(
    snapshot: Snapshot, model: SearchModel, captions: list[str], temperature: float, strength: float
) -> Bank:
    """Score the bank's captions against every clip, also hidden ones, and fit a Sinkhorn bias per
    granularity.

    Memory: captions x clips x 8 bytes per granularity. Raises ConfigError without captions or
    clips.
    """
    row_ids = snapshot.row_ids(with_missing=True)
    if not captions or not len(row_ids):
        raise ConfigError(
            f"a normalisation needs captions and clips, got {len(captions)} captions and "
            f"{len(row_ids)} clips"
        )
    text = model.encode_text(captions)
    clip_ids: list[str] = []
    blocks: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(row_ids), BLOCK):
        clips = snapshot.take(row_ids[start : start + BLOCK])
        clip_ids += clips.rows["clip_id"].to_pylist()
        for name, part in model.score(text, clips.features).parts.items():
            blocks.setdefault(name, []).append(part.double().cpu().numpy())
    scores = {name: np.concatenate(parts, axis=1) for name, parts in blocks.items()}
    return Bank.fit(captions, scores, clip_ids, temperature=temperature, strength=strength)


def refit(old: Bank | None, snapshot: Snapshot, model: SearchModel) -> Bank | None:
    """The same captions and settings with another model's features; None where there was no bank or
    is no clip.
    """
    if old is None or not snapshot.count:
        return None
    settings = next(iter(old.normalizers.to_dict().values()))["settings"]
    return fit_bank(
        snapshot, model, list(old.captions), settings["temperature"], settings["strength"]
    )
