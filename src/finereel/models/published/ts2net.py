"""TS2-Net (LiuRicky/ts2_net) as a configuration of this project: token shift, token selection, a
transformer over all tokens.
"""

from collections.abc import Mapping

from torch import Tensor

from finereel.errors import CheckpointError, ConfigError
from finereel.models.heads import head_config
from finereel.models.published import geometry, names
from finereel.models.published.geometry import Options
from finereel.models.published.plan import ImportPlan

# A selector of words and a second encoder of images, created and saved by the official code,
# without part in a score.
NEVER_USED = ("text_token_selector.*", "visual_prompt_encoder.*")
NOTE = (
    "Published arithmetic: the mask of the frames is tiled over the chosen tokens, so that clips "
    "shorter than the "
    "model's frames mask the wrong ones."
)


def plan(state: Mapping[str, Tensor], options: Options) -> ImportPlan:
    """TS2-Net as published, 3 chosen patches a frame. Needs a position for every token: 4 *
    max_frames of them.
    """
    temporal = geometry.temporal_settings(state, options)
    if temporal["temporal"] != "seqTransf":
        raise ConfigError(f"ts2net has temporal='seqTransf', got {temporal['temporal']!r}")
    config = head_config(
        "ts2net",
        **geometry.free_sizes(state, options),
        temporal_layers=temporal["temporal_layers"],
        shifted_blocks=geometry.shifted_blocks(state),
        patch_scorer=geometry.scorer_kind(state, geometry.clip_values(state)["projection_dim"]),
        mask_padding=False,
    )
    positions = len(names.require(state, next(iter(geometry.FRAME_POSITIONS)), 2))
    if config.num_patches > positions:
        raise CheckpointError(
            f"max_frames={config.max_frames} makes {config.num_patches} tokens, the checkpoint has "
            f"{positions} "
            f"positions: take at most {positions // (config.patches_per_frame + 1)} frames"
        )
    table = names.plain_table(geometry.SELECTOR)
    table |= geometry.temporal_table("seqTransf", config.temporal_layers)
    return ImportPlan("ts2net", config, table, NOTE, NEVER_USED)
