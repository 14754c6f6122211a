"""The trained modules: the model, the prototypes used only in training, and the loss of a batch."""

import zlib
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, pad

from finereel.models.encoders.patches import RowNoise
from finereel.models.features import Scores, TextFeatures, VideoFeatures
from finereel.models.retrieval import RetrievalModel
from finereel.training.batch import Batch, without_repeated_texts
from finereel.training.caching import Rows, cached_backward
from finereel.training.distributed import Shard, average_gradients, gather
from finereel.training.fine import fine_loss
from finereel.training.settings import Precision, TrainingSettings

_WHOLE_BATCH_MIB = 1 << 14  # gradients need every block anyway


class Learner(nn.Module):
    """The model and its factor prototypes under one roof, so that one optimizer and one checkpoint
    hold both.

    Args: model; settings; precision: the towers compute in; shard: which of how many processes this
    is.
    """

    def __init__(
        self,
        model: RetrievalModel,
        settings: TrainingSettings,
        precision: Precision,
        shard: Shard | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.factors = FactorSupervision(model.dim, settings.factor_sizes)
        self.settings = settings
        self.precision = precision
        self.shard = shard or Shard()

    def forward(self, batch: Batch, step: int = 0) -> Float[Tensor, ""]:
        """The loss of a batch, all of it encoded at once."""
        batch, texts, videos = self._sides(batch, step)
        return self._loss(
            texts.encode(slice(0, texts.count)), videos.encode(slice(0, videos.count)), batch
        )

    def backward(
        self, batch: Batch, step: int = 0, averaging: nn.Module | None = None
    ) -> Float[Tensor, ""]:
        """Add the gradients of the batch's loss, averaged over the processes; returns the loss,
        detached.

        In float16 the gradients are those of the scaled loss. The noise of the patch choice follows
        from seed, step and the clip's place in the whole batch, so that neither chunks nor
        processes change it. averaging: this learner within `distributed.averaging`, which averages
        gradients while others are still computed; where chunks give the gradients in several
        passes, they are averaged after the last one.
        """
        if averaging is not None and not self.settings.chunk:
            loss: Tensor = averaging(batch, step)
            self.precision.scale(loss).backward()  # type: ignore[no-untyped-call]
            return loss.detach()
        batch, texts, videos = self._sides(batch, step)
        loss = cached_backward(
            texts,
            videos,
            self.settings.chunk,
            lambda text, video: self._loss(text, video, batch),
            self.precision.scale,
        )
        average_gradients(self.parameters(), self.shard)
        return loss

    def _sides(
        self, batch: Batch, step: int
    ) -> tuple[Batch, Rows[TextFeatures], Rows[VideoFeatures]]:
        """What counts of a batch, and how to encode its texts and its clips."""
        if not self.settings.contrastive_weight:
            batch = without_repeated_texts(batch)
        if (
            not self.settings.fine.weight
        ):  # gradients of 0 times a loss are no Nones, and not quite nothing
            batch = replace(batch, candidates=None)
        ids, mask = _all_texts(batch)
        texts = Rows(lambda rows: self._text(ids[rows], mask[rows]), len(ids))
        first = self.shard.rank * len(batch)
        seeds = [
            zlib.crc32(f"{self.settings.seed}/{step}/patches/{first + row}".encode())
            for row in range(len(batch))
        ]
        videos = Rows(lambda rows: self._video(batch, rows, RowNoise(seeds[rows])), len(batch))
        return batch, texts, videos

    def _text(self, ids: Int64[Tensor, "T W"], mask: Bool[Tensor, "T W"]) -> TextFeatures:
        """Features of texts, in float32."""
        with self.precision.autocast():
            return self.model.text_features(ids, mask).to(torch.float32)

    def _video(self, batch: Batch, rows: slice, noise: RowNoise) -> VideoFeatures:
        """Features of some of the clips, in float32."""
        with self.precision.autocast():
            frames = self.model.encoder.to_input(batch.frames[rows])
            return self.model.video_features(frames, batch.frame_mask[rows], noise).to(
                torch.float32
            )

    def _loss(self, text: TextFeatures, video: VideoFeatures, batch: Batch) -> Float[Tensor, ""]:
        """Contrastive loss over all processes, plus factor supervision and fine-grained loss of
        one's own rows, each by its weight. `text` holds the captions, then every clip's candidates.
        """
        settings, loss, rows = self.settings, video.video.new_zeros(()), len(batch.input_ids)
        every, text = text, text.rows(slice(0, rows))
        if batch.candidates is not None:
            texts = every.rows(slice(rows, len(every)))
            own = self.model.score_groups(texts, video).fused
            other = self._against_next(texts, video) if settings.fine.reads_other_clip else None
            loss = loss + settings.fine.weight * fine_loss(
                own, batch.candidates.real, settings.fine, other
            )
        if settings.contrastive_weight:
            scores = self.model.score(
                gather(text, self.shard), gather(video, self.shard), _WHOLE_BATCH_MIB
            )
            loss = loss + settings.contrastive_weight * contrastive_loss(
                scores, settings.part_weight
            )
        if (
            settings.factor_weight
            and batch.video_factors is not None
            and batch.text_factors is not None
        ):
            seen = self.factors(video.video, batch.video_factors)
            said = self.factors(text.sentence, batch.text_factors)
            loss = loss + settings.factor_weight * (seen + said)
        return loss

    def _against_next(self, texts: TextFeatures, video: VideoFeatures) -> Float[Tensor, "B N"]:
        """The scores of every clip's candidates against the next clip of the whole batch."""
        every, first = gather(video, self.shard), self.shard.rank * len(video)
        following = (first + 1 + torch.arange(len(video), device=video.video.device)) % len(every)
        return self.model.score_groups(texts, every.rows(following)).fused


def _all_texts(batch: Batch) -> tuple[Int64[Tensor, "T W"], Bool[Tensor, "T W"]]:
    """The captions and, behind them, every clip's candidates, as wide as the widest of them."""
    if batch.candidates is None:
        return batch.input_ids, batch.text_mask
    parts = (batch.input_ids, batch.candidates.input_ids.flatten(0, 1))
    masks = (batch.text_mask, batch.candidates.text_mask.flatten(0, 1))
    width = max(part.shape[1] for part in parts)
    ids, mask = (
        torch.cat([pad(part, (0, width - part.shape[1])) for part in side])
        for side in (parts, masks)
    )
    return ids, mask


def contrastive_loss(scores: Scores, part_weight: float = 0.0) -> Float[Tensor, ""]:
    """Symmetric InfoNCE on the fused scores, and on every granularity by `part_weight`."""
    loss = symmetric_infonce(scores.fused)
    if part_weight:
        parts = [symmetric_infonce(part) for part in scores.parts.values()]
        loss = loss + part_weight * torch.stack(parts).mean()
    return loss


# Factor supervision: where a world tells what is in a clip, say so while the towers are young.
UNKNOWN = -1
_SHARPNESS = 10.0


class FactorSupervision(nn.Module):
    """Args: dim = D; sizes: number of values of every factor, in the order of the labels."""

    def __init__(self, dim: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.prototypes = nn.ModuleList(nn.Linear(dim, size) for size in sizes)

    def forward(
        self, features: Float[Tensor, "B D"], labels: Int64[Tensor, "B K"]
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy over the factors; a label of -1 (not said, not visible) does not
        count.
        """
        unit = _SHARPNESS * normalize(features, dim=-1)
        known = [
            number
            for number in range(len(self.prototypes))
            if bool((labels[:, number] != UNKNOWN).any())
        ]
        losses = [
            cross_entropy(self.prototypes[number](unit), labels[:, number], ignore_index=UNKNOWN)
            for number in known
        ]
        return torch.stack(losses).mean() if losses else unit.sum() * 0.0


# The contrastive loss both papers train with.
def symmetric_infonce(logits: Float[Tensor, "B B"]) -> Float[Tensor, ""]:
    """(CE over rows + CE over columns) / 2 with the diagonal as truth. Source: UCoFiA
    `until_module.py:182-191`.

    >>> round(float(symmetric_infonce(torch.zeros(4, 4))), 4)  # ln 4
    1.3863
    """
    truth = torch.arange(len(logits), device=logits.device)
    return (cross_entropy(logits, truth) + cross_entropy(logits.T, truth)) / 2
