"""X-CLIP (xuguohai/X-CLIP) as a configuration of this project, and the names of its matrices."""

from collections.abc import Mapping

from torch import Tensor

from finereel.models.heads import head_config
from finereel.models.published import geometry, names
from finereel.models.published.geometry import Options
from finereel.models.published.plan import ImportPlan

MATRICES = {
    "global_mat_weight": "head.sentence_projection",
    "word_logit_weight": "head.over_video_words.mixing",
    "frame_logit_weight": "head.over_sentence_frames.mixing",
    "local_mat_weight": "head.word_projection",
    "word_mat_weight": "head.over_words.mixing",
    "frame_mat_weight": "head.over_frames.mixing",
    "frame_mat_weight2": "head.over_word_frames.mixing",
    "word_mat_weight2": "head.over_frame_words.mixing",
}
NOTE = (
    "Published arithmetic: padded words and frames take part in three of the four scores, and "
    "each counts one quarter."
)


def plan(state: Mapping[str, Tensor], options: Options) -> ImportPlan:
    """X-CLIP as published; its matrices are tied to max_words and max_frames."""
    words, frames = (
        len(names.require(state, f"{side}_logit_weight", 2)) for side in ("word", "frame")
    )
    config = head_config(
        "xclip",
        max_words=geometry.tied_size("max_words", options.max_words, words),
        max_frames=geometry.tied_size("max_frames", options.max_frames, frames),
        **geometry.temporal_settings(state, options),
        mask_padding=False,
    )
    table = names.plain_table(MATRICES) | geometry.temporal_table(
        config.temporal, config.temporal_layers
    )
    never_used = tuple(geometry.FRAME_POSITIONS) if config.temporal == "seqLSTM" else ()
    return ImportPlan("xclip", config, table, NOTE, never_used)
