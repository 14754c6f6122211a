"""What the fine-grained experiment compares: no negatives, negatives of words, of phrases, a prompt, and all of it."""

from dataclasses import dataclass

from finereel.config import FineConfig
from finereel.experiments.beds import Bed
from finereel.experiments.variants import Variant, bed_config


@dataclass(frozen=True)
class FineVariant(Variant):
    """levels: of the training negatives, none for none."""

    levels: tuple[str, ...] = ()


REFERENCE = "baseline"
_PROMPT = FineConfig(visual_prompts=1)
ROWS: dict[str, tuple[tuple[str, ...], FineConfig]] = {
    REFERENCE: ((), FineConfig()),
    "+ word": (("word",), FineConfig()),
    "+ phrase": (("phrase",), FineConfig()),
    "+ prompt": (("phrase",), _PROMPT),
    "+ both": (("word", "phrase"), _PROMPT),
    "+ textual prompt": (("word", "phrase"), FineConfig(text_prompts=4)),
}
"""Levels of the negatives, and what the fine score has of its own. `+ prompt` is the published method: a prompt without
negatives has nothing to learn from."""
HEADS = ("ucofia", "xclip", "clip4clip", "ts2net")


def fine_variants(bed: Bed, head: str, rows: tuple[str, ...] = tuple(ROWS)) -> dict[str, FineVariant]:
    """The rows of one head's table."""
    return {
        row: FineVariant(
            f"fine-{head}-{row.replace('+ ', '').replace(' ', '-')}", bed_config(bed, head, fine=fine), levels
        )
        for row, (levels, fine) in ROWS.items()
        if row in rows
    }
