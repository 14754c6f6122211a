"""Measure a model twice on the same videos: by `finereel evaluate` and by MTEB's own evaluator.

    python research/benchmarks/mteb_agreement.py --model everyday --annotations DIR/captions.csv --videos DIR

DIR holds own videos as `finereel.data.folder` describes. No network is used. MTEB rounds its
numbers to five digits, so ours are rounded as well; the exit status is 1 where two differ by more
than 1e-6, or where ties were found, which MTEB orders by id.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from finereel.bridges.mteb import FinereelSearch, retrieval_task
from finereel.data import load as load_dataset
from finereel.data.frames import FrameSettings, FrameStore, default_cache
from finereel.evaluation.evaluate import BenchmarkSettings, evaluate
from finereel.models.saving import load

RECALLS = {"R@1": "recall_at_1", "R@5": "recall_at_5", "R@10": "recall_at_10"}
WAYS = ("text_to_video", "video_to_text")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", required=True)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--split", default="all")
    given = parser.parse_args()
    import mteb

    model = load(given.model)
    dataset = load_dataset("folder", given.annotations)
    settings = FrameSettings(
        model.num_frames, model.encoder.image_size, preprocessing=model.encoder.preprocessing
    )
    source = FrameStore(given.videos, default_cache(), settings)
    record = evaluate(model, dataset, source, BenchmarkSettings(split=given.split))
    split = dataset.split(given.split)
    print(f"{given.model}, {record.dataset.captions} captions of {record.dataset.videos} videos")
    print(f"{'direction':14} {'metric':6} {'finereel':>9} {'MTEB':>9}")
    worst, tied = 0.0, 0.0
    for way in WAYS:
        task = retrieval_task(split, source.files(split.videos), way)
        told = mteb.evaluate(
            FinereelSearch(model), task, cache=None, co2_tracker=False, show_progress_bar=False
        )
        (theirs,) = told.task_results[0].scores["test"]
        tied = max(tied, record.row(way)["tie_share"])
        for ours, name in RECALLS.items():
            own, other = round(record.row(way)[ours] / 100, 5), theirs[name]
            worst = max(worst, abs(own - other))
            print(f"{way:14} {ours:6} {own:9.5f} {other:9.5f}")
    print(f"largest difference {worst:.1e}; ties in {tied:.1%} of queries")
    return int(worst > 1e-6 or tied > 0)


if __name__ == "__main__":
    sys.exit(main())
