"""UCoFiA's score in two stages, for evaluation: video_sentence and frame_sentence of all pairs,
which cost little, and patch_word of chosen pairs, or of all of them from int16.

The arithmetic is that of the head; only which pairs are computed, and in int16 how finely, differs.
"""

import copy
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from finereel.models.features import Scores, TextFeatures, VideoFeatures
from finereel.models.heads import compiled
from finereel.models.heads.ucofia import UcofiaHead

FINE = "patch_word"
_CLIPS_AT_A_TIME = 256


def with_parts(head: UcofiaHead, *names: str) -> UcofiaHead:
    """The same head with these granularities only; parameters are shared."""
    part = copy.copy(head)
    part.weights = {name: head.weights[name] for name in names}
    return part


def first_stage(
    head: UcofiaHead, text: TextFeatures, video: VideoFeatures, scale: Float[Tensor, ""]
) -> Scores:
    """T x V scores of all granularities but patch_word."""
    names = [name for name in head.weights if name != FINE]
    words = replace(text, words=text.words[:, :0], word_mask=text.word_mask[:, :0])
    clips = replace(video, patches=video.patches[:, :0], patch_mask=video.patch_mask[:, :0])
    return with_parts(head, *names).score(words, clips, scale)


def fine_scores(
    head: UcofiaHead,
    text: TextFeatures,
    video: VideoFeatures,
    scale: Float[Tensor, ""],
    wanted: Bool[Tensor, "T V"],
) -> Float[Tensor, "T V"]:
    """patch_word of the wanted pairs, 0 elsewhere."""
    part = with_parts(head, FINE)
    texts, bands = part.prepare_text(text), []
    for left in range(0, len(video), _CLIPS_AT_A_TIME):
        columns = slice(left, left + _CLIPS_AT_A_TIME)
        clips = part.prepare_video(video.rows(columns))
        sides = compiled.sides_of(texts, clips, part.over(), part.mask_padding)
        if sides is not None:
            bands.append(compiled.chosen_pairs(sides, part.over(), wanted[:, columns]))
            continue
        band = torch.zeros_like(wanted[:, columns], dtype=scale.dtype)
        for clip in range(len(clips)):
            rows = wanted[:, left + clip].nonzero()[:, 0]
            if len(rows):
                found = part.compare(texts.rows(rows), clips.rows(slice(clip, clip + 1)))
                band[rows, clip] = found[FINE][:, 0]
        bands.append(band)
    return torch.cat(bands, 1) * part.scales(scale)[FINE]


def int16_scores(
    head: UcofiaHead, text: TextFeatures, video: VideoFeatures, scale: Float[Tensor, ""]
) -> Float[Tensor, "T V"] | None:
    """patch_word of all pairs from int16 words and patches; None where the compiled kernels cannot
    serve.
    """
    part = with_parts(head, FINE)
    texts, bands = part.prepare_text(text), []
    for left in range(0, len(video), _CLIPS_AT_A_TIME):
        clips = part.prepare_video(video.rows(slice(left, left + _CLIPS_AT_A_TIME)))
        sides = compiled.sides_of(texts, clips, part.over(), part.mask_padding)
        if sides is None:
            return None
        bands.append(compiled.int16_pairs(sides, part.over()))
    return torch.cat(bands, 1) * part.scales(scale)[FINE]
