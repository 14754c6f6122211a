"""`RetrievalModel`: towers, temporal encoder, patch selection and head."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor, nn

from finereel.config import ModelConfig, fingerprint, to_dict
from finereel.errors import CheckpointError, ModelError
from finereel.io.atomic import writes
from finereel.models.encoders import Encoder
from finereel.models.encoders.patch_temporal import make_patch_temporal
from finereel.models.encoders.patches import Perturbation, RowNoise, make_selector
from finereel.models.encoders.prompts import make_prompts
from finereel.models.encoders.temporal import SequentialTransformer, make_temporal, pool_frames
from finereel.models.features import (
    Scores,
    StoredFeatures,
    TextFeatures,
    VideoFeatures,
    concatenate,
    widened,
)
from finereel.models.heads import make_head
from finereel.models.heads.base import DEFAULT_BUDGET_MIB, Head
from finereel.models.weights import (
    require_finite_features,
    require_finite_scores,
    stored_weights,
    write_model,
)
from finereel.text import BaseTokenizer
from finereel.types import Frames

_TEXTS_PER_BATCH = 64


class RetrievalModel(nn.Module):
    """Encodes texts and clips and scores them. `finereel.types` explains the axis names.

    Args:
        encoder: The towers.
        config: All other settings.
        tokenizer: The tokenizer, needed to encode strings.
        name: What the user called the model.
        card: What the model was trained on and what that means for each granularity.
        seed: Seed of the parts that start at random. Each part is initialised independently, so
            that equal models start equal in every process; None uses torch's current random state.
    """

    def __init__(
        self,
        encoder: Encoder,
        config: ModelConfig,
        tokenizer: BaseTokenizer | None = None,
        name: str = "unnamed",
        card: dict[str, Any] | None = None,
        seed: int | None = 0,
    ) -> None:
        super().__init__()
        self.config = config
        self.tokenizer = tokenizer
        self.name = name
        self.card = card or {}
        self.encoder = encoder
        with drawn("head", seed):
            head = make_head(config, encoder.dim)
        with drawn("temporal", seed):
            self.temporal = make_temporal(config, encoder.dim, encoder.max_words)
        chosen = self.temporal.over_patches or "patches" in head.reads
        with drawn("patches", seed):
            self.patches = make_selector(config, encoder.dim) if chosen else None
        with drawn("patch temporal", seed):
            self.patch_temporal = make_patch_temporal(config, encoder.dim) if chosen else None
        self.head: Head = head
        with drawn("prompts", seed):
            self.prompts = make_prompts(config.fine, encoder)
        with drawn("fine head", seed):
            self.fine_head: Head | None = (
                make_head(config, encoder.dim) if config.fine.enabled else None
            )
        self.reads = head.reads
        self._hashed: tuple[object, str] | None = None

    @property
    def dim(self) -> int:
        """D, the width of every feature vector."""
        return self.encoder.dim

    @property
    def num_frames(self) -> int:
        """F, the number of frames per clip."""
        return self.config.max_frames

    @property
    def picture_size(self) -> int:
        """Shorter side, in pixels, of the pictures to decode."""
        return self.encoder.picture_size

    @property
    def num_patches(self) -> int:
        """P, the number of patch vectors per clip; 0 if the head reads no patches."""
        return self.config.num_patches if "patches" in self.reads else 0

    @property
    def num_contextual(self) -> int:
        """C, the number of frames after the temporal encoder; 0 if the head does not read them."""
        return self.config.max_frames if "contextual" in self.reads else 0

    @property
    def raw_tokens(self) -> frozenset[str]:
        """Which tokens a library keeps at their own length, see `Head.raw`."""
        return self.head.raw & self.reads

    @property
    def tokens_per_frame(self) -> int:
        """How many patches a frame has, where its own token is the first of them; else 0."""
        return self.patches.per_frame if self.patches is not None and self.num_patches else 0

    @torch.no_grad()
    def stored(self, video: VideoFeatures) -> StoredFeatures:
        """Bring clips into the form in which a library keeps them; scores are the same.

        Args:
            video: Features of V clips.

        Returns:
            The same clips, without features of prompts.
        """
        return self.head.stored(video)

    @property
    def fingerprint(self) -> str:
        """16 hex characters that identify settings, geometry, vocabulary and weights.

        Features of two models are comparable only if the fingerprints agree. The hash is computed
        once per state of the weights (600 MB take half a second).
        """
        state = tuple((tensor.data_ptr(), tensor._version) for tensor in self.state_dict().values())
        if self._hashed is None or self._hashed[0] != state:
            self._hashed = (state, self._hash())
        return self._hashed[1]

    def _hash(self) -> str:
        tensors = (
            tensor.detach().cpu().contiguous() for _, tensor in sorted(self.state_dict().items())
        )
        weights = (tensor.reshape(-1).view(torch.uint8).numpy().data for tensor in tensors)
        vocabulary = "" if self.tokenizer is None else self.tokenizer.description
        return fingerprint(self.describe(), vocabulary, *weights)

    def text_features(
        self, input_ids: Int64[Tensor, "T W"], mask: Bool[Tensor, "T W"]
    ) -> TextFeatures:
        """Compute differentiable text features of token ids.

        Args:
            input_ids: (T, W) token ids.
            mask: (T, W), True on tokens of the text.

        Returns:
            Features of T texts.
        """
        sentence, words = self.encoder.encode_tokens(input_ids, mask)
        if self.prompts is None or self.prompts.text is None:
            return TextFeatures(sentence, words, mask)
        prompted = self.encoder.encode_tokens(input_ids, mask, self.prompts.text)
        fine = TextFeatures(*prompted, mask)
        return TextFeatures(sentence, words, mask, fine=fine)

    def video_features(
        self,
        frames: Float[Tensor, "V F ..."],
        frame_mask: Bool[Tensor, "V F"],
        noise: Float[Tensor, "B S M"] | RowNoise | None = None,
    ) -> VideoFeatures:
        """Compute differentiable clip features.

        Args:
            frames: (V, F, ...), what `encoder.to_input` returns: normalised pixels or precomputed
                tokens.
            frame_mask: (V, F), True on real frames.
            noise: Noise of the perturbed patch selection, to reproduce given samples; None draws
                it.

        Returns:
            Features of V clips.
        """
        if self.prompts is None or self.prompts.visual is None:
            tokens, prompted = self.encoder.encode_frames(frames, frame_mask), None
        else:
            tokens, prompted = self.encoder.encode_prompted(frames, frame_mask, self.prompts)
        cls = tokens[:, :, 0]
        patches = self._chosen(tokens, frame_mask, noise)
        coarse = self._clips(cls, patches, frame_mask)
        if prompted is None:
            return coarse
        chosen = patches.unflatten(1, (cls.shape[1], -1))  # type: ignore[no-untyped-call]
        chosen = (
            torch.cat([prompted[:, :, None], chosen[:, :, 1:]], 2) if patches.shape[1] else chosen
        )
        return replace(coarse, fine=self._clips(prompted, chosen.flatten(1, 2), frame_mask))

    @torch.no_grad()
    def features_of_tokens(
        self, tokens: Float[Tensor, "V F N D"], frame_mask: Bool[Tensor, "V F"]
    ) -> VideoFeatures:
        """Compute clip features of tokens that the encoder gave, without prompts.

        Args:
            tokens: (V, F, N, D), what `encoder.encode_frames` returns.
            frame_mask: (V, F), True on real frames.

        Returns:
            Features of V clips.
        """
        return self._clips(tokens[:, :, 0], self._chosen(tokens, frame_mask, None), frame_mask)

    def _chosen(
        self, tokens: Tensor, frame_mask: Tensor, noise: Tensor | RowNoise | None
    ) -> Tensor:
        """The selected tokens of every frame, its own first; none without a selection."""
        if self.patches is None:
            return tokens[:, :0, 0]
        if self.patch_temporal is not None:
            tokens = self.patch_temporal(tokens, frame_mask)
        chosen: Tensor = self.patches(tokens, frame_mask, noise)
        return chosen

    def _clips(self, own: Tensor, patches: Tensor, frame_mask: Tensor) -> VideoFeatures:
        """Clip features of each frame's own vector and its chosen tokens, that vector first."""
        contextual = self.temporal(patches if self.temporal.over_patches else own, frame_mask)
        patch_mask = frame_mask.repeat_interleave(self.config.patches_per_frame + 1, dim=1)
        return VideoFeatures(
            video=pool_frames(contextual, frame_mask),
            frames=own,
            patches=patches[:, : self.num_patches],
            frame_mask=frame_mask,
            patch_mask=patch_mask[:, : self.num_patches],
            contextual=contextual[:, : self.num_contextual],
        )

    def score(
        self, text: TextFeatures, video: VideoFeatures, budget_mib: int = DEFAULT_BUDGET_MIB
    ) -> Scores:
        """Score texts against clips; training, evaluation and search all use this function.

        Gradients flow in training mode only.

        Args:
            text: Features of T texts.
            video: Features of V clips.
            budget_mib: Working memory in MiB; larger problems are computed in blocks.

        Returns:
            One (T, V) matrix per granularity.

        Raises:
            ModelError: If a score is not finite, outside training.
        """
        with torch.set_grad_enabled(self.training and torch.is_grad_enabled()):
            return self._sound(
                self.head.score(
                    replace(text, fine=None),
                    replace(video, fine=None),
                    self.encoder.scale,
                    budget_mib,
                )
            )

    def score_fine(
        self, text: TextFeatures, video: VideoFeatures, budget_mib: int = DEFAULT_BUDGET_MIB
    ) -> Scores:
        """Score texts against clips with the prompts and their fine-grained head.

        Args:
            text: Features of T texts.
            video: Features of V clips.
            budget_mib: Working memory in MiB.

        Returns:
            One (T, V) matrix per granularity; those of `score` if the model has no prompts.

        Raises:
            ModelError: If the features lack prompts, or a score is not finite outside training.
        """
        head, text, video = self._fine(text, video)
        with torch.set_grad_enabled(self.training and torch.is_grad_enabled()):
            return self._sound(head.score(text, video, self.encoder.scale, budget_mib))

    def score_groups(self, text: TextFeatures, video: VideoFeatures) -> Scores:
        """Score n texts for each clip with the fine-grained head.

        Args:
            text: Features of V * n texts; text v * n + k belongs to clip v.
            video: Features of V clips.

        Returns:
            One (V, n) matrix per granularity.

        Raises:
            ModelError: If the features lack prompts, or a score is not finite outside training.
        """
        head, text, video = self._fine(text, video)
        with torch.set_grad_enabled(self.training and torch.is_grad_enabled()):
            return self._sound(head.score_groups(text, video, self.encoder.scale))

    def _sound(self, scores: Scores) -> Scores:
        """The scores; ModelError where they are not finite. Training looks at its loss instead."""
        return scores if self.training else require_finite_scores(scores, self.name)

    def _fine(
        self, text: TextFeatures, video: VideoFeatures
    ) -> tuple[Head, TextFeatures, VideoFeatures]:
        """The head of the fine-grained score and what it reads."""
        missing = self.config.fine.visual_prompts and video.fine is None
        if missing or (self.config.fine.text_prompts and text.fine is None):
            raise ModelError(
                f"model {self.name} scores by prompts, these features have none: encode them with "
                "it again"
            )
        return self.fine_head or self.head, text.fine or text, video.fine or video

    @torch.no_grad()
    def coarse_query(self, text: TextFeatures) -> Float[Tensor, "T D"]:
        """Compute query vectors for coarse search.

        Args:
            text: Features of T texts.

        Returns:
            (T, D); their products with `VideoFeatures.video` are the video_sentence scores.
        """
        return self.encoder.scale * self.head.coarse_query(text)

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> TextFeatures:
        """Encode texts, truncated to the model's `max_words` tokens.

        Args:
            texts: T texts; an empty list gives T = 0.

        Returns:
            Features of T texts.

        Raises:
            CheckpointError: If the model has no tokenizer.
            ModelError: If a feature is not finite.
        """
        if self.tokenizer is None:
            raise CheckpointError(
                f"model {self.name} has no tokenizer: encode token ids with text_features instead"
            )
        self.eval()
        tokens = self.tokenizer.encode(texts, self.config.max_words)
        device = self.encoder.scale.device
        ids, mask = (
            torch.from_numpy(tokens.ids).to(device),
            torch.from_numpy(tokens.mask).to(device),
        )
        starts = range(0, max(1, len(texts)), _TEXTS_PER_BATCH)
        batches = [
            self._cropped_text(ids[s : s + _TEXTS_PER_BATCH], mask[s : s + _TEXTS_PER_BATCH])
            for s in starts
        ]
        return require_finite_features(concatenate(batches), self.name)

    def _cropped_text(self, ids: Tensor, mask: Tensor) -> TextFeatures:
        """Encode texts without the columns that are padding in every row.

        Every encoder keeps padding out of real tokens, so the features do not change.

        Published mode scores padded words too, so there they are computed.
        """
        if not self.config.mask_padding:
            return self.text_features(ids, mask)
        longest = max(1, int(mask.sum(1).max())) if len(mask) else 1
        text = self.text_features(ids[:, :longest], mask[:, :longest])
        return widened(text, ids.shape[1])

    @torch.no_grad()
    def encode_video(self, clips: Sequence[Frames]) -> VideoFeatures:
        """Encode clips one at a time, so that the result does not depend on the other clips.

        Args:
            clips: Decoded clips. More than F frames are thinned evenly, fewer are padded and
                masked.

        Returns:
            Features of the clips.

        Raises:
            ValueError: If `clips` is empty.
            ModelError: If the model takes precomputed tokens, or a feature is not finite.
        """
        if not clips:
            raise ValueError("encode_video needs at least one clip, got an empty list")
        self.eval()
        return self._joined([self.video_features(*self.clip_input(clip)) for clip in clips])

    @torch.no_grad()
    def encode_clips(
        self, frames: Shaped[np.ndarray, "V F ..."], frame_mask: Bool[np.ndarray, "V F"]
    ) -> VideoFeatures:
        """Encode what a `finereel.data.base.ClipSource` reads, one clip at a time.

        Args:
            frames: (V, F, ...), pixels of the model's size or precomputed tokens. Fewer frames than
                the model takes are padded and masked.
            frame_mask: (V, F), True on real frames.

        Returns:
            Features of V clips.

        Raises:
            ModelError: If there are more frames than the model takes, or a feature is not finite.
        """
        self.eval()
        device, missing = self.encoder.scale.device, self.num_frames - frames.shape[1]
        if missing < 0:
            raise ModelError(
                f"model {self.name} takes {self.num_frames} frames, got {frames.shape[1]}: sample "
                "fewer"
            )
        padding = [(0, 0), (0, missing)] + [(0, 0)] * (frames.ndim - 2)
        given = torch.from_numpy(np.pad(frames, padding)).to(device)
        mask = torch.from_numpy(np.pad(frame_mask, padding[:2])).to(device)
        each = [slice(number, number + 1) for number in range(len(given))]
        return self._joined(
            [self.video_features(self.encoder.to_input(given[one]), mask[one]) for one in each]
        )

    def _joined(self, clips: list[VideoFeatures]) -> VideoFeatures:
        return require_finite_features(concatenate(clips), self.name)

    def clip_input(self, clip: Frames) -> tuple[Float[Tensor, "1 F 3 H H"], Bool[Tensor, "1 F"]]:
        """Bring a decoded clip into the form that `video_features` takes.

        Args:
            clip: Frames of any number and size.

        Returns:
            Normalised pixels of F frames and their mask.

        Raises:
            ModelError: If the model takes precomputed tokens.
        """
        if not self.encoder.takes_pixels:
            raise ModelError(
                f"model {self.name} takes precomputed tokens of "
                f"{self.encoder.describe()['backbone']!r}, not pixels: "
                "evaluate it on a features data set, or take a CLIP model to search videos"
            )
        kept = clip.thinned(self.num_frames).pixels
        count, size = len(kept), self.encoder.image_size
        pixels = self.encoder.to_pixels(kept)[None]
        if count < self.num_frames:
            missing = pixels.new_zeros(1, self.num_frames - count, 3, size, size)
            pixels = torch.cat([pixels, missing], 1)
        mask = (torch.arange(self.num_frames) < count)[None]
        device = self.encoder.scale.device
        return pixels.to(device), mask.to(device)

    def set_perturbation(self, perturbation: Perturbation) -> None:
        """Set the noise of the differentiable patch selection, which is used in training mode only.

        Args:
            perturbation: Number of samples and standard deviation.
        """
        if self.patches is not None:
            self.patches.perturbation = perturbation

    def start_from_towers(self) -> None:
        """Initialise the temporal encoder from CLIP's text tower, if there is one of the width."""
        tower = self.encoder.causal_text_tower
        if isinstance(self.temporal, SequentialTransformer) and tower is not None:
            self.temporal.copy_from_text_tower(tower)

    @writes("directory")
    def save(self, directory: str | Path, dtype: torch.dtype = torch.float32) -> None:
        """Write a model directory that `finereel.load_model` reads.

        Args:
            directory: The folder; it is created if needed.
            dtype: Precision of the stored weights; loading always gives float32. `torch.int8`
                stores matrices as int8 with a scale for each row, and the rest in float16.

        Raises:
            StorageError: If the folder cannot be written.
        """
        weights = stored_weights(self.state_dict(), dtype)
        described = {**self.describe(), "card": self.card}
        write_model(Path(directory), weights, self.tokenizer, described)

    def describe(self) -> dict[str, Any]:
        """Settings and the towers' geometry, as `config.json` holds them."""
        return {"model": to_dict(self.config), self.encoder.kind: self.encoder.describe()}


# Parts of a model that start at random: equal ones start equal in every process, whatever was
# drawn before.
@contextmanager
def drawn(part: str, seed: int | None) -> Iterator[None]:
    """Draw random numbers that depend on the part of a model and the seed alone.

    The state of torch's own generator is restored afterwards.

    Args:
        part: Name of the part.
        seed: The seed; None draws from torch's generator.
    """
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(int(fingerprint(part, str(seed)), 16) % 2**63)
        yield
