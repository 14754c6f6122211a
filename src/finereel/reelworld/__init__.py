"""ReelWorld: rendered short clips in which every word of the caption can be checked.

>>> scene = sample_scene(3, "train")
>>> frames = render(scene, frame_times(12), 84)
>>> frames.shape
(12, 84, 84, 3)
>>> len(captions(scene)) >= 4
True
"""

from finereel.reelworld.captions import captions, short_captions
from finereel.reelworld.factors import SECONDS, Scene, Thing
from finereel.reelworld.renderer import render
from finereel.reelworld.scenes import sample_scene
from finereel.reelworld.twins import PARTS_OF_SPEECH, Twin, twins
from finereel.reelworld.vocabulary import SPLITS, VERSION


def frame_times(count: int) -> list[float]:
    """Times of `count` frames evenly spread over a clip, each in the middle of its share, in
    seconds.

    >>> frame_times(3)
    [0.5, 1.5, 2.5]
    """
    return [(index + 0.5) / count * SECONDS for index in range(count)]


__all__ = [
    "PARTS_OF_SPEECH",
    "SECONDS",
    "SPLITS",
    "VERSION",
    "Scene",
    "Thing",
    "Twin",
    "captions",
    "frame_times",
    "render",
    "sample_scene",
    "short_captions",
    "twins",
]
