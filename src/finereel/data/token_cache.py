"""Compute the vision tower's tokens of every clip once and save them.

    store = cache_tokens(load("my-clip"), split.videos, source, Path("tokens"))

The model's encoder takes these tokens in place of pixels. Text tower, temporal encoder and head are
trained, the vision tower stays frozen, and the result is a complete model that searches videos.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from finereel.data.base import ClipArrays, ClipSource
from finereel.data.features import FeatureStore, write_token_file
from finereel.models.retrieval import RetrievalModel
from finereel.models.weights import require_finite
from finereel.types import OnProgress, no_progress

_CLIPS_PER_FILE = 256


def cache_tokens(
    model: RetrievalModel,
    videos: Sequence[str],
    source: ClipSource,
    folder: Path,
    on_progress: OnProgress = no_progress,
) -> FeatureStore:
    """The tokens of `videos` by the model's vision tower, in half precision, in files of 256 clips
    below `folder`.

    Files that are there already are kept, so the same call goes on where it was stopped; take
    another folder for another model.
    """
    for start in range(0, len(videos), _CLIPS_PER_FILE):
        part = videos[start : start + _CLIPS_PER_FILE]
        path = folder / f"tokens-{start // _CLIPS_PER_FILE:05d}.safetensors"
        if not path.exists():
            write_token_file(path, part, _tokens(model, source.read(part)))
        on_progress("encoding", start + len(part), len(videos))
    return FeatureStore(folder, backbone=f"{model.name}:{model.fingerprint}")


@torch.no_grad()
def _tokens(model: RetrievalModel, clips: ClipArrays) -> ClipArrays:
    model.eval()
    device, found = model.encoder.scale.device, []
    for frames, mask in zip(clips.frames, clips.frame_mask, strict=True):
        given, real = (
            torch.from_numpy(frames[None]).to(device),
            torch.from_numpy(mask[None]).to(device),
        )
        tokens = model.encoder.frozen_tokens(model.encoder.to_input(given), real)
        require_finite([("the tokens of a clip", tokens)], f"model {model.name}")
        found.append(tokens.cpu().numpy())
    return ClipArrays(np.concatenate(found), clips.frame_mask)
