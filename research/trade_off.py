"""What fine-grained training gives and what it costs, as a picture: one point per weight of its
loss.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from finereel.evaluation.retrieval import FUSED
from finereel.statistics.intervals import PERCENT, SHARE, Scale, mean_interval
from research.fine_page import reciprocal_ranks
from research.fine_run import FineResult

Point = tuple[float, float, float]
"""A mean and the two ends of its 95 % interval."""


def recall(seeds: Sequence[FineResult]) -> Point:
    """R@1, text to video, in percent; mean over seeds, interval by video."""
    found = [seed.coarse.queries["text_to_video"] for seed in seeds]
    hits = np.mean([100.0 * queries.ranks[FUSED].within(1) for queries in found], axis=0)
    _, videos = np.unique(found[0].videos, return_inverse=True)
    return _point(hits, videos, PERCENT)


def reciprocal(seeds: Sequence[FineResult], name: str) -> Point:
    """MRR on the test set called `name`."""
    values, videos = reciprocal_ranks([seed.fine[name] for seed in seeds])
    return _point(values, videos, SHARE)


def draw_trade_off(rows: Mapping[str, Sequence[FineResult]], path: Path) -> None:
    """MRR of every test set against R@1, a cross with its intervals for every row, joined in the
    order of the rows.
    """
    from matplotlib.figure import Figure

    sets = list(next(iter(rows.values()))[0].fine)
    figure = Figure(figsize=(5.2 * len(sets), 4.4))
    for axes, name in zip(
        figure.subplots(1, len(sets), sharex=True, squeeze=False)[0], sets, strict=True
    ):
        across = [recall(seeds) for seeds in rows.values()]
        up = [reciprocal(seeds, name) for seeds in rows.values()]
        axes.errorbar(
            [x for x, _, _ in across],
            [y for y, _, _ in up],
            xerr=_arms(across),
            yerr=_arms(up),
            marker="o",
            capsize=2,
            elinewidth=0.6,
        )
        for number, (row, (x, _, _), (y, _, _)) in enumerate(zip(rows, across, up, strict=True)):
            place = (5, 5 if number % 2 else -11)  # neighbours on the curve may lie close together
            axes.annotate(
                row.removeprefix("+ word, "),
                (x, y),
                textcoords="offset points",
                xytext=place,
                fontsize=8,
            )
        axes.set_title(name)
        axes.set_xlabel("R@1, text to video (%)")
        axes.set_ylabel("MRR of the caption among its negatives")
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def _point(values: np.ndarray, videos: np.ndarray, scale: Scale) -> Point:
    interval = mean_interval(values, videos, scale)
    return float(values.mean()), interval.low, interval.high


def _arms(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [mean - low for mean, low, _ in points], [high - mean for mean, _, high in points]
