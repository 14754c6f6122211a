"""Encoded captions and clips on disk, so that another normalisation of the same model and split
encodes nothing.

    FOLDER/<16 hex>.safetensors     text/<field> and video/<field> of one split

The name is a hash over the model's fingerprint, the split's hash and the source's description. A
description names a source and not its bytes: empty the folder when video files were replaced under
their old names.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from finereel.io.atomic import replace_file, writes
from finereel.models.features import TextFeatures, VideoFeatures, from_tensors, tensors_of

FORMAT = 2
"""Part of every entry's name, so that entries in another form are not read."""


@dataclass(frozen=True)
class FeatureCache:
    """One entry of the cache. A damaged entry counts as none, and entries appear whole or not at
    all.
    """

    folder: Path
    model: str
    split: str
    source: Mapping[str, str]

    @property
    def path(self) -> Path:
        """The file of this entry."""
        named = json.dumps([FORMAT, self.model, self.split, dict(self.source)], sort_keys=True)
        return (
            self.folder
            / f"{hashlib.blake2b(named.encode(), digest_size=8).hexdigest()}.safetensors"
        )

    def read(self, device: torch.device) -> tuple[TextFeatures, VideoFeatures] | None:
        """The features on `device`, None where they are not kept."""
        try:
            kept = {name: tensor.to(device) for name, tensor in load_file(self.path).items()}
            text, video = (
                {
                    name.removeprefix(side): tensor
                    for name, tensor in kept.items()
                    if name.startswith(side)
                }
                for side in ("text/", "video/")
            )
            return from_tensors(TextFeatures, text), from_tensors(VideoFeatures, video)
        except (OSError, SafetensorError, LookupError, ValueError, TypeError, RuntimeError):
            return None

    @writes("self.folder")
    def write(self, text: TextFeatures, video: VideoFeatures) -> None:
        """Keep the features."""
        sides = (("text/", tensors_of(text)), ("video/", tensors_of(video)))
        kept = {
            side + name: tensor.detach().cpu().contiguous()
            for side, part in sides
            for name, tensor in part.items()
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with replace_file(self.path) as fresh:
            save_file(kept, fresh)
