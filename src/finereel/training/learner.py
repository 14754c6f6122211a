"""What learns: the model, the prototypes that only training knows, and the loss of a batch."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from finereel.features import Scores, TextFeatures, VideoFeatures
from finereel.model import RetrievalModel
from finereel.training.batch import Batch, without_repeated_texts
from finereel.training.factors import FactorSupervision
from finereel.training.loss import symmetric_infonce
from finereel.training.settings import TrainingSettings

_WHOLE_BATCH_MIB = 1 << 14  # gradients need every block anyway


class Learner(nn.Module):
    """The model and its factor prototypes under one roof, so that one optimizer and one checkpoint hold both."""

    def __init__(self, model: RetrievalModel, settings: TrainingSettings) -> None:
        super().__init__()
        self.model = model
        self.factors = FactorSupervision(model.dim, settings.factor_sizes)
        self.settings = settings

    def forward(self, batch: Batch) -> Float[Tensor, ""]:
        """The loss of a batch on the model's device."""
        if not self.settings.contrastive_weight:
            batch = without_repeated_texts(batch)
        return self.loss(self.text(batch), self.video(batch), batch)

    def text(self, batch: Batch) -> TextFeatures:
        """Features of the batch's texts, in float32."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.bfloat16):
            return self.model.text_features(batch.input_ids, batch.text_mask).to(torch.float32)

    def video(self, batch: Batch) -> VideoFeatures:
        """Features of the batch's clips, in float32."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.bfloat16):
            frames = self.model.encoder.to_input(batch.frames)
            return self.model.video_features(frames, batch.frame_mask).to(torch.float32)

    def loss(self, text: TextFeatures, video: VideoFeatures, batch: Batch) -> Float[Tensor, ""]:
        """Contrastive loss of the features, plus factor supervision, each by its weight."""
        settings, loss = self.settings, video.video.new_zeros(())
        if settings.contrastive_weight:
            scores = self.model.score(text, video, _WHOLE_BATCH_MIB)
            loss = settings.contrastive_weight * contrastive_loss(scores, settings.part_weight)
        if settings.factor_weight and batch.video_factors is not None and batch.text_factors is not None:
            seen = self.factors(video.video, batch.video_factors)
            said = self.factors(text.sentence, batch.text_factors)
            loss = loss + settings.factor_weight * (seen + said)
        return loss


def contrastive_loss(scores: Scores, part_weight: float = 0.0) -> Float[Tensor, ""]:
    """Symmetric InfoNCE on the fused scores, and on every granularity by `part_weight`."""
    loss = symmetric_infonce(scores.fused)
    if part_weight:
        parts = [symmetric_infonce(part) for part in scores.parts.values()]
        loss = loss + part_weight * torch.stack(parts).mean()
    return loss
