"""Train a head on precomputed tokens of your videos, and see how it retrieves.

The folder FEATURES holds .npz files with `ids` (N,) and `tokens` (N, F, P, E), patch tokens of any
backbone; CAPTIONS is a CSV with the columns `video,caption`, where `video` is an id.

    python examples/train_on_features.py FEATURES CAPTIONS.csv runs/mine
"""

import argparse
from pathlib import Path

from finereel.recipes import recipe
from finereel.recipes.events import RunOptions
from finereel.recipes.overrides import Changes, changed
from finereel.recipes.run import run


def main() -> None:
    """Take the recipe `features`, change a few of its numbers, carry it out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", type=Path)
    parser.add_argument("captions", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--head", default="ucofia")
    parser.add_argument("--steps", type=int)
    given = parser.parse_args()
    plan = changed(recipe("features"), Changes(head=given.head, steps=given.steps))
    finished = run(plan, given.out, RunOptions(annotations=given.captions, features=given.features))
    assert finished is not None  # of several processes, only the first one has the result
    recall = finished.record.results["text_to_video"]["fused"]["R@1"]
    print(
        f"{given.head}: text-to-video R@1 {recall:.1f} on {finished.record.dataset.captions} test "
        "captions"
    )
    print(f"the model is in {finished.folder}")


if __name__ == "__main__":
    main()
