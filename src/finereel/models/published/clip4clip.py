"""CLIP4Clip (ArrowLuo/CLIP4Clip) as a configuration of this project: `meanP`, `seqLSTM` and
`seqTransf`.
"""

from collections.abc import Mapping

from torch import Tensor

from finereel.models.heads import head_config
from finereel.models.published import geometry
from finereel.models.published.geometry import Options
from finereel.models.published.plan import ImportPlan

NOTE = "Published arithmetic: the sentence against the mean of the frames."


def plan(state: Mapping[str, Tensor], options: Options) -> ImportPlan:
    """CLIP4Clip as published. The tight transformer (`tightTransf`) is not among ours: its tensors
    are unexpected.
    """
    temporal = geometry.temporal_settings(state, options, usual="meanP")
    sizes = geometry.free_sizes(state, options)
    config = head_config("clip4clip", **sizes, **temporal, mask_padding=False)
    table = geometry.temporal_table(config.temporal, config.temporal_layers)
    never_used = tuple(geometry.FRAME_POSITIONS) if config.temporal == "seqLSTM" else ()
    return ImportPlan("clip4clip", config, table, NOTE, never_used)
