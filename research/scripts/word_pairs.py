"""Look at why a part of speech is told apart badly, on validation scenes of ReelWorld:

    python -m research.scripts.word_pairs --model reelworld-tiny --pos verb --scenes 100

Prints the swap AUROC by number of siblings, with the mean of the siblings in place of their maximum,
with each word's mean score removed and for each part of the score, and the accuracy of each word.
"""

import argparse
import random
from collections.abc import Callable, Sequence

import numpy as np

from finereel.index.evidence import MOST_SIBLINGS
from finereel.index.faithfulness import Swaps, slots_of
from finereel.index.map_faithfulness import frames_of
from finereel.models.saving import load
from finereel.reelworld import sample_scene

Best = Callable[[np.ndarray], float]


def auroc(rows: Sequence[np.ndarray], most: int = MOST_SIBLINGS, best: Best = np.max) -> float:
    """The swap AUROC of scores of a true word and false ones, the true one first in every row."""
    swaps = Swaps()
    for number, own in enumerate(rows):
        wrong = random.Random(number).randrange(1, len(own))
        others = [0, *(k for k in range(1, len(own)) if k != wrong)][:most]
        swaps.true.append(float(own[0] - best(own[1 : 1 + most])))
        swaps.false.append(float(own[wrong] - best(own[others])))
    return swaps.auroc


def unbiased(rows: Sequence[np.ndarray], words: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """The scores without what each word scores above its rivals on the average."""
    gains: dict[str, list[float]] = {}
    for own, names in zip(rows, words, strict=True):
        for name, gain in zip(names, own - own.mean(), strict=True):
            gains.setdefault(name, []).append(float(gain))
    return [
        own - np.array([np.mean(gains[name]) for name in names])
        for own, names in zip(rows, words, strict=True)
    ]


def main() -> None:
    """Measure and print lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="reelworld-tiny")
    parser.add_argument("--pos", default="verb")
    parser.add_argument("--scenes", type=int, default=100)
    given = parser.parse_args()
    model = load(given.model)
    words, fused, parts = [], [], dict[str, list[np.ndarray]]()
    for seed in range(given.scenes):
        scene = sample_scene(seed, "val")
        video = model.encode_video([frames_of(scene, model)])
        for slot in (slot for slot in slots_of(scene) if slot.pos == given.pos):
            scores = model.score(model.encode_text(list(slot.texts)), video)
            words.append(slot.words)
            fused.append(scores.fused[:, 0].numpy())
            for name, part in scores.parts.items():
                parts.setdefault(name, []).append(part[:, 0].numpy())
    for most in range(1, MOST_SIBLINGS + 1):
        print(f"AUROC, at most {most} siblings: {auroc(fused, most):.2f}")
    print(f"AUROC, mean of the siblings: {auroc(fused, best=np.mean):.2f}")
    print(f"AUROC, mean of each word removed: {auroc(unbiased(fused, words)):.2f}")
    for name, rows in parts.items():
        print(f"AUROC, {name}: {auroc(rows):.2f}")
    right: dict[str, list[bool]] = {}
    for names, own in zip(words, fused, strict=True):
        right.setdefault(names[0], []).extend((own[0] > own[1:]).tolist())
    for word, pairs in sorted(right.items()):
        print(f"{word}: {np.mean(pairs):.2f} of {len(pairs)} pairs")


if __name__ == "__main__":
    main()
