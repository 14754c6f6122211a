r"""Draw the validation curves of an experiment: one line per variant, the mean of its seeds.

    python -m research.scripts.curves runs/out/experiments/reelworld-tokens \
        --out docs/results/curves-reelworld-tokens.png
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "benchmark", type=Path, help="the benchmark's folder in the experiments' work folder"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--only", nargs="*", default=(), help="draw these variants alone, beside the towers"
    )
    given = parser.parse_args()
    figure, (towers, heads) = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True)
    heads.set_prop_cycle(color=plt.get_cmap("tab20").colors)
    for variant in sorted(path for path in given.benchmark.iterdir() if path.is_dir()):
        if given.only and variant.name not in ("towers", *given.only):
            continue
        steps, mean = curve(variant)
        (towers if variant.name == "towers" else heads).plot(
            steps, mean, marker="o", markersize=3, label=variant.name
        )
    towers.set_title("towers, with the simplest head")
    heads.set_title("every head, from those towers")
    towers.set_ylabel("validation: mean of R@1, R@5, R@10 (%)")
    for axes in (towers, heads):
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    heads.legend(fontsize=7, ncols=2)
    figure.tight_layout()
    figure.savefig(given.out, dpi=110)
    print(given.out)


def curve(variant: Path) -> tuple[list[int], list[float]]:
    """Steps, and the validation score at each, mean over the seeds."""
    scores: defaultdict[int, list[float]] = defaultdict(list)
    for log in variant.glob("seed-*/log.jsonl"):
        for line in map(json.loads, log.read_text(encoding="utf-8").splitlines()):
            if line["kind"] == "validation":
                scores[line["step"]].append(line["score"])
    steps = sorted(scores)
    return steps, [float(np.mean(scores[step])) for step in steps]


if __name__ == "__main__":
    main()
