"""Rows of negatives made by hand."""

from finereel.data.base import Caption
from finereel.finegrain.types import Change, Negative


def swap(
    caption: str,
    source: str,
    replacement: str,
    *,
    video: str = "v",
    pos: Change = "noun",
    number: int = 0,
) -> Negative:
    """The caption with the first `source` replaced; the caption's id is its video's."""
    start = caption.index(source)
    end = start + len(source)
    negative = caption[:start] + replacement + caption[end:]
    return Negative(
        f"{video}/{pos}/{number}",
        video,
        f"{video}#0",
        caption,
        negative,
        pos,
        start,
        end,
        source,
        replacement,
        "hand",
    )


def told(*texts: str) -> list[Caption]:
    """A caption each for the videos t0, t1, ..."""
    return [Caption(f"t{number}#0", f"t{number}", text) for number, text in enumerate(texts)]
