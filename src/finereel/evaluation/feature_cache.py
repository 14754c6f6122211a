"""Encoded captions and clips on disk, so that another normalisation of the same model and split encodes nothing.

    FOLDER/<16 hex>.safetensors     text/<field> and video/<field> of one split

The name is a hash over the model's fingerprint, the split's hash and the source's description. A description names a
source and not its bytes: empty the folder when video files were replaced under their old names.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from finereel.disk import writes
from finereel.features import PromptedText, PromptedVideo, TextFeatures, VideoFeatures


@dataclass(frozen=True)
class FeatureCache:
    """One entry of the cache. A damaged entry counts as none, and entries appear whole or not at all."""

    folder: Path
    model: str
    split: str
    source: Mapping[str, str]

    @property
    def path(self) -> Path:
        """The file of this entry."""
        named = json.dumps([self.model, self.split, dict(self.source)], sort_keys=True)
        return self.folder / f"{hashlib.blake2b(named.encode(), digest_size=8).hexdigest()}.safetensors"

    def read(self, device: torch.device) -> tuple[TextFeatures, VideoFeatures] | None:
        """The features on `device`, None where they are not kept."""
        try:
            kept = {name: tensor.to(device) for name, tensor in load_file(self.path).items()}
            text = PromptedText if "text/fine_sentence" in kept else TextFeatures
            video = PromptedVideo if "video/fine_video" in kept else VideoFeatures
            return (
                text(*(kept[f"text/{field.name}"] for field in fields(text))),
                video(*(kept[f"video/{field.name}"] for field in fields(video))),
            )
        except (OSError, SafetensorError, LookupError, ValueError, TypeError, RuntimeError):
            return None

    @writes("self.folder")
    def write(self, text: TextFeatures, video: VideoFeatures) -> None:
        """Keep the features."""
        kept: dict[str, Tensor] = {}
        for side, features in (("text", text), ("video", video)):
            for field in fields(features):
                kept[f"{side}/{field.name}"] = getattr(features, field.name).detach().cpu().contiguous()
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f"{self.path.name}.{os.getpid()}.partial")
        save_file(kept, partial)
        partial.replace(self.path)
