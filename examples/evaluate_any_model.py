"""Does a model of yours see the one word that changed? Any object that turns texts and pictures
into vectors will do.

Without a model of yours, this one looks at mean colours: it should know adjectives of colour and
little else.

    python examples/evaluate_any_model.py --scenes 20
"""

import argparse
from typing import Any

import numpy as np
from PIL import Image

from finereel.data.reelworld import WorldSource, virtual
from finereel.finegrain.evaluate.embeddings import CosineScorer, EncodedVectors
from finereel.finegrain.evaluate.measure import FineSettings, measure, twin_groups, twin_pairs
from finereel.finegrain.evaluate.tables import fine_markdown

COLOURS = {
    "red": (1, -1, -1),
    "green": (-1, 1, -1),
    "blue": (-1, -1, 1),
    "yellow": (1, 1, -1),
    "white": (1, 1, 1),
}


class MeanColour:
    """A vector of three numbers: the mean colour of a picture, or the sum of the colours that a
    text names.
    """

    def encode(self, inputs: list[Any]) -> np.ndarray:
        """One vector per text or picture, (N, 3)."""
        return np.array(
            [self._picture(it) if isinstance(it, Image.Image) else self._text(it) for it in inputs]
        )

    def _picture(self, picture: Image.Image) -> np.ndarray:
        pixels = np.asarray(picture, dtype=np.float32).reshape(-1, 3)
        return pixels.mean(0) - pixels.mean() + 1e-3

    def _text(self, text: str) -> np.ndarray:
        named = [COLOURS[word] for word in text.lower().split() if word in COLOURS]
        return np.sum(named, axis=0) + 1e-3 if named else np.full(3, 1e-3)


def main() -> None:
    """Score the twins of drawn scenes: two clips and two captions that differ in one word."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=20)
    given = parser.parse_args()
    data = virtual({"test": given.scenes}, with_twins=True).split("test")
    pairs = twin_pairs(data)
    scorer = CosineScorer(EncodedVectors(MeanColour(), WorldSource(image_size=64), "mean colour"))
    print(
        fine_markdown(
            measure(
                scorer, twin_groups(pairs), FineSettings("mean colour", "drawn twins", twins=pairs)
            )
        )
    )


if __name__ == "__main__":
    main()
