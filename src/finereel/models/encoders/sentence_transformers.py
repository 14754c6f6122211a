"""Search with any object that encodes texts and pictures into one space, as the CLIP models of
sentence-transformers do. The package itself is not needed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from finereel.config import fingerprint
from finereel.errors import ModelError, missing_extra
from finereel.io.atomic import first_line
from finereel.models.choice import ENCODED
from finereel.models.encoders.temporal import pool_frames
from finereel.models.features import Scores, TextFeatures, VideoFeatures
from finereel.models.hub import in_cache
from finereel.models.preprocessing import DECODED_SIDE
from finereel.models.weights import require_finite_features
from finereel.types import Frames

_PROBE = "a person walks"


@runtime_checkable
class SentenceTransformer(Protocol):
    """An object with the `encode` of sentence-transformers."""

    def encode(self, inputs: list[Any], /) -> Any:
        """One vector for each text, or for each PIL image."""
        ...


class SentenceTransformerModel:
    """A model for `Library` made of objects that encode texts and pictures.

    It searches by one vector for each clip, the mean of its frames' unit vectors; there is no frame
    or word granularity.

    Args:
        texts: The object that encodes texts; it encodes pictures too unless `pictures` is given.
        name: What to call the model in a library.
        pictures: The object that encodes pictures, if that is another one.
        num_frames: The most frames of a clip.
        scale: What cosines are multiplied by; 100 as in CLIP.

    Raises:
        ModelError: If an object has no `encode`, or it gives no vectors.

    Example:
        >>> class Mean:  # stands for SentenceTransformer("clip-ViT-B-32")
        ...     def encode(self, inputs):
        ...         of = lambda one: [len(one), 1.0] if isinstance(one, str) else [1.0, 0.0]
        ...         return np.array([of(one) for one in inputs])
        >>> SentenceTransformerModel(Mean(), name="mean").dim
        2
    """

    num_patches = 0
    num_contextual = 0
    picture_size = DECODED_SIDE

    def __init__(
        self,
        texts: SentenceTransformer,
        name: str,
        pictures: SentenceTransformer | None = None,
        num_frames: int = 12,
        scale: float = 100.0,
    ) -> None:
        self.name = name
        self.num_frames = num_frames
        self.scale = scale
        self._texts, self._pictures = texts, pictures or texts
        given: tuple[Any, ...] = (self._texts, self._pictures)
        for encoder in given:
            if isinstance(encoder, str) or not isinstance(encoder, SentenceTransformer):
                raise ModelError(
                    "expected an object with encode(list of texts or pictures), got "
                    f"{type(encoder).__name__}; make it first, for instance with "
                    "SentenceTransformer(...)"
                )
        self.dim = _vectors(self._texts, [_PROBE], None).shape[1]
        self._fingerprint = ""

    @property
    def fingerprint(self) -> str:
        """16 hex characters that identify the name and, where the objects are torch modules, their
        weights.
        """
        if not self._fingerprint:
            modules = [
                part for part in (self._texts, self._pictures) if isinstance(part, nn.Module)
            ]
            weights = (
                tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
                for module in modules
                for _, tensor in sorted(module.state_dict().items())
            )
            self._fingerprint = fingerprint(self.name, str(self.num_frames), *weights)
        return self._fingerprint

    def encode_text(self, texts: Sequence[str]) -> TextFeatures:
        """Encode texts.

        Args:
            texts: T texts.

        Returns:
            Features of T texts, whose one word is the text itself.

        Raises:
            ModelError: If the object gives other than T finite vectors.
        """
        sentence = _vectors(self._texts, list(texts), self.dim)
        mask = torch.ones(len(sentence), 1, dtype=torch.bool)
        return require_finite_features(TextFeatures(sentence, sentence[:, None], mask), self.name)

    def encode_video(self, clips: Sequence[Frames]) -> VideoFeatures:
        """Encode clips.

        Args:
            clips: Decoded clips; more than `num_frames` frames are thinned evenly.

        Returns:
            Features of the clips.

        Raises:
            ModelError: If the object gives other than one finite vector for each frame.
        """
        from PIL import Image

        frames = torch.zeros(len(clips), self.num_frames, self.dim)
        mask = torch.zeros(len(clips), self.num_frames, dtype=torch.bool)
        for row, clip in enumerate(clips):
            pixels = clip.thinned(self.num_frames).pixels
            pictures = [Image.fromarray(picture) for picture in pixels]
            frames[row, : len(pictures)] = _vectors(self._pictures, pictures, self.dim)
            mask[row, : len(pictures)] = True
        video = pool_frames(frames, mask)
        none = frames[:, :0]
        return require_finite_features(
            VideoFeatures(video, frames, none, mask, mask[:, :0]), self.name
        )

    def score(self, text: TextFeatures, video: VideoFeatures, budget_mib: int = 256) -> Scores:
        """Score texts against clips.

        Args:
            text: Features of T texts.
            video: Features of V clips.
            budget_mib: Not used.

        Returns:
            The (T, V) products of `coarse_query` with the clips' vectors.
        """
        part = self.coarse_query(text) @ video.video.T
        return Scores({"video_sentence": part}, {"video_sentence": 1.0})

    def coarse_query(self, text: TextFeatures) -> Float[Tensor, "T D"]:
        """Unit sentence vectors times the scale."""
        return self.scale * normalize(text.sentence, dim=-1)


def open_named(name: str, device: str = "cpu") -> SentenceTransformerModel:
    """Open a model that sentence-transformers loads, for a library.

    Args:
        name: `st:` and a hub id or a folder. An id that is not in the hub's cache is downloaded.
        device: A torch device.

    Returns:
        The model, called `st:` and the id, or the folder's absolute path.

    Raises:
        ConfigError: If sentence-transformers is not installed.
        ModelError: If the model cannot be loaded, or encodes no pictures. Code from its directory is
            never run, and pickled weights are not loaded.
    """
    given = name.removeprefix(ENCODED)
    folder = Path(given).expanduser().absolute()
    given = str(folder) if folder.is_dir() else given
    try:
        import sentence_transformers as library
    except ImportError as error:
        raise missing_extra(f"the model {name}", "sentence-transformers") from error
    try:
        encoder = library.SentenceTransformer(
            given,
            device=device,
            local_files_only=folder.is_dir() or in_cache(given),
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError) as error:
        raise ModelError(
            f"sentence-transformers cannot load {given!r}: {first_line(error)}"
        ) from error
    if "image" not in encoder.modalities:
        raise ModelError(
            f"{given} encodes {', '.join(map(str, encoder.modalities))}: expected a model of texts "
            "and pictures, such as clip-ViT-B-32"
        )
    return SentenceTransformerModel(encoder, f"{ENCODED}{given}")


def _vectors(
    encoder: SentenceTransformer, inputs: list[Any], dim: int | None
) -> Float[Tensor, "n D"]:
    """One vector for each input, of the given width; ModelError for anything else."""
    if not inputs:
        return torch.zeros(0, dim or 0)
    given = encoder.encode(inputs)
    if isinstance(given, list):
        given = [one.detach().cpu() if isinstance(one, Tensor) else one for one in given]
    array = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    fits = (
        array.ndim == 2 and len(array) == len(inputs) and array.shape[1] == (dim or array.shape[1])
    )
    if not fits or not array.shape[1] or array.dtype.kind not in "fiu":
        wanted = f"{len(inputs)} vectors" + (f" of {dim} numbers" if dim else "")
        raise ModelError(
            f"{type(encoder).__name__}.encode gave an array of shape {array.shape}, expected "
            f"{wanted}: texts and pictures must be encoded into one space"
        )
    return torch.from_numpy(array.astype(np.float32))
