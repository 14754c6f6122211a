"""Rank a list of captions for one video by the same score as search."""

from collections.abc import Sequence

from finereel.errors import ConfigError
from finereel.index.protocols import SearchModel
from finereel.models.features import VideoFeatures
from finereel.ranking import top_k
from finereel.types import CaptionHit


def rank_captions(
    model: SearchModel, video: VideoFeatures, captions: Sequence[str]
) -> list[CaptionHit]:
    """Captions, best first; equal scores keep their order in the list.

    A video of several clips fits a caption as well as its best clip does. No bank is applied: it
    corrects videos, and within one clip that changes no order of texts.
    """
    if not captions:
        raise ConfigError("describe needs at least one caption, got an empty list")
    scores = model.score(model.encode_text(list(captions)), video)
    best, clips = scores.fused.max(dim=1)
    hits = []
    for index in top_k(best, len(captions)).tolist():
        clip = int(clips[index])
        parts = {
            name: float(part[index, clip]) * scores.weights[name]
            for name, part in scores.parts.items()
        }
        hits.append(CaptionHit(captions[index], index, float(best[index]), parts))
    return hits
