"""The module that `SentenceTransformer` runs in a directory written by
`finereel.bridges.sentence_transformers`.

It asks this file for the class `VideoSentence`. The class is made when it is asked for, so that
nothing else imports sentence-transformers.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from finereel.data.frames import WHOLE_VIDEO, FrameSettings, read_squares
from finereel.errors import ConfigError, missing_extra
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.types import Frames
from finereel.video import VideoReader


class VideoSentenceMethods:
    """What makes an `InputModule` of sentence-transformers one vector of a model of ours.

    One vector for each text and for each video, whose product is video_sentence / scale.

    A video is the path of a file, which is read whole as `finereel evaluate` reads it, or its
    pictures: a list of PIL images, an array (F, H, W, 3) of bytes, or a dict with that `array`.

    Args:
        model: The model.
    """

    save_in_root = True
    load_dir_path: Callable[..., str]

    def __init__(self, model: RetrievalModel) -> None:
        super().__init__()
        self.model = model

    @property
    def modalities(self) -> list[Any]:
        """Texts and videos."""
        return ["text", "video"]

    def get_embedding_dimension(self) -> int:
        """D."""
        return self.model.dim

    def preprocess(
        self, inputs: Sequence[Any], prompt: str | None = None, **_: Any
    ) -> dict[str, Any]:
        """Token ids and their mask, or pictures and theirs."""
        if all(isinstance(one, str) and not _is_video(one) for one in inputs):
            return self._texts([f"{prompt or ''}{text}" for text in inputs])
        with VideoReader(WHOLE_VIDEO) as reader:
            return self._videos([self._frames(one, reader) for one in inputs])

    def _texts(self, texts: list[str]) -> dict[str, Any]:
        if self.model.tokenizer is None:
            raise ConfigError(
                f"model {self.model.name} has no tokenizer, so it encodes videos only"
            )
        tokens = self.model.tokenizer.encode(texts, self.model.config.max_words)
        return {
            "input_ids": torch.from_numpy(tokens.ids),
            "word_mask": torch.from_numpy(tokens.mask),
        }

    def _videos(self, clips: list[np.ndarray]) -> dict[str, Any]:
        count, size = self.model.num_frames, self.model.encoder.image_size
        frames = np.zeros((len(clips), count, size, size, 3), np.uint8)
        mask = np.zeros((len(clips), count), bool)
        for row, clip in enumerate(clips):
            frames[row, : len(clip)], mask[row, : len(clip)] = clip, True
        return {"frames": torch.from_numpy(frames), "frame_mask": torch.from_numpy(mask)}

    def _frames(self, given: Any, reader: VideoReader) -> np.ndarray:
        """The pictures of one video at the model's size, at most F."""
        encoder = self.model.encoder
        settings = FrameSettings(
            self.model.num_frames, encoder.image_size, preprocessing=encoder.preprocessing
        )
        value: Any = given
        for key in ("video", "array"):
            if isinstance(value, dict) and key in value:
                value = value[key]
        if isinstance(value, str | Path):
            return read_squares(reader, Path(value), settings)
        pixels = np.stack([_pixels(picture) for picture in value])
        clip = Frames(pixels, np.arange(len(pixels), dtype=np.float64))
        return settings.squares(clip.thinned(self.model.num_frames).pixels)

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Adds `sentence_embedding` (n, D)."""
        if "frames" in features:
            pictures = self.model.encoder.to_input(features["frames"])
            vectors = self.model.video_features(pictures, features["frame_mask"]).video
        else:
            text = self.model.text_features(features["input_ids"], features["word_mask"])
            vectors = self.model.head.coarse_query(text)
        return {**features, "sentence_embedding": vectors}

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """The model's own directory."""
        self.model.save(output_path)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **options: Any) -> Any:
        """The model of a directory or of a repository on the hub."""
        known = ("token", "cache_folder", "revision", "local_files_only")
        where = {name: options[name] for name in known if name in options}
        folder = cls.load_dir_path(model_name_or_path, subfolder=subfolder, **where)
        return cls(load(folder))


@cache
def _module_class() -> type:
    try:
        from sentence_transformers.base.modules import InputModule
    except ImportError as error:
        raise missing_extra("the exported model", "sentence-transformers") from error
    return type("VideoSentence", (VideoSentenceMethods, InputModule), {"__module__": __name__})


def __getattr__(name: str) -> Any:
    if name == "VideoSentence":
        return _module_class()
    raise AttributeError(f"{__name__} has no {name}")


def _is_video(text: str) -> bool:
    from sentence_transformers.base.modality import is_video_url_or_path

    return bool(is_video_url_or_path(text))


def _pixels(picture: Any) -> np.ndarray:
    """A picture as (H, W, 3) bytes; ConfigError for anything else."""
    if hasattr(picture, "convert"):
        picture = picture.convert("RGB")
    array = np.asarray(picture)
    if array.ndim == 3 and array.shape[0] == 3 != array.shape[2]:
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise ConfigError(
            f"expected pictures (H, W, 3) of bytes from 0 to 255, got {array.dtype} {array.shape}"
        )
    return array
