"""Measure confidence: how often it is wrong about a library that holds no answer, and how well it
tells such libraries from those that do.

    python -m research.scripts.confidence --model everyday --data msrvtt_frames --annotations DIR \
        --videos PICTURES --features TOKENS --categories MSRVTT_data.json --sizes 50 100 200 350 500 700
    python -m research.scripts.confidence --model reelworld-tiny --data reelworld --splits test \
        --sizes 50 100 --others CAPTIONS
    python -m research.scripts.confidence --matrix SCORES.npy --ids JSFUSION_test.csv \
        --categories MSRVTT_data.json --sizes 50 100 200 350 500 700

Libraries of V clips are drawn at random, and asked for the caption of a clip in four situations:

    present    the clip is there
    removed    it is taken out, and what looks like it stays
    category   everything of its category is taken out
    topic      the library holds the other half of the categories
    others, nonsense    captions of other videos, and words of random letters

Without categories every clip is a topic by itself. Intervals are 95 %, over queries.
"""

import argparse
import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64

from finereel import data as datasets
from finereel.data.sources import SourceOptions, open_source
from finereel.evaluation.gallery import encode_texts, encode_videos
from finereel.index.calibration import load_calibration, measure_calibration
from finereel.index.confidence import null_texts
from finereel.models.features import concatenate
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.ranking import fuse
from finereel.statistics.binary import auroc
from finereel.types import POSSIBLE, STRONG

REPEATS = 20
BOOTSTRAPS = 1000


@dataclass(frozen=True)
class Scored:
    """Scores of captions, one per clip and in their order, and of null texts; categories of clips;
    elsewhere: further texts that no clip answers, by what they are.
    """

    captions: Float32[np.ndarray, "V V"]
    null: Float32[np.ndarray, "T V"]
    categories: Int64[np.ndarray, " V"]
    elsewhere: dict[str, Float32[np.ndarray, "_ V"]] = field(default_factory=dict)

    def p_values(
        self, asked: Float32[np.ndarray, "n V"], library: Bool[np.ndarray, " V"]
    ) -> tuple[Float32[np.ndarray, " n"], np.ndarray]:
        """Best scores and p-values of texts in a library."""
        best = asked[:, library].max(axis=1)
        maxima = np.sort(self.null[:, library].max(axis=1))
        above = len(maxima) - np.searchsorted(maxima, best, side="left")
        return best, (1 + above) / (1 + len(maxima))


Found = dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]]
"""By situation, for every library: the queries, their best scores and their p-values."""


def measured(scored: Scored, size: int, repeats: int = REPEATS) -> Found:
    """Libraries of `size` clips, drawn `repeats` times."""
    random = np.random.default_rng(size)
    count = len(scored.captions)
    found: Found = {}

    def ask(name: str, queries: np.ndarray, library: np.ndarray) -> None:
        texts = scored.elsewhere.get(name, scored.captions)[queries]
        found.setdefault(name, []).append((queries, *scored.p_values(texts, library)))

    for _ in range(repeats):
        if size <= count:
            drawn = random.choice(count, size, replace=False)
            library = np.isin(np.arange(count), drawn)
            ask("present", drawn, library)
            for query in drawn:
                ask("removed", np.array([query]), library & (np.arange(count) != query))
            for category in np.unique(scored.categories[drawn]):
                same = scored.categories == category
                if (library & ~same).any():
                    ask("category", np.flatnonzero(library & same), library & ~same)
            for name, texts in scored.elsewhere.items():
                ask(name, np.arange(len(texts)), library)
        kinds = random.permutation(np.unique(scored.categories))
        half = np.isin(scored.categories, kinds[: len(kinds) // 2])
        if half.sum() >= size:
            drawn = random.choice(np.flatnonzero(half), size, replace=False)
            library = np.isin(np.arange(count), drawn)
            ask("topic", np.flatnonzero(~half), library)
            ask("present, topic", drawn, library)
    return found


def rate(
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]], largest: float
) -> tuple[float, float, float]:
    """Percent of answers with p <= largest, and its interval over queries."""
    queries = np.concatenate([part[0] for part in parts])
    said = np.concatenate([part[2] for part in parts]) <= largest
    names, places = np.unique(queries, return_inverse=True)
    yes, asked = np.bincount(places, said), np.bincount(places)
    random = np.random.default_rng(0)
    drawn = random.integers(0, len(names), (BOOTSTRAPS, len(names)))
    rates = yes[drawn].sum(axis=1) / asked[drawn].sum(axis=1)
    low, high = np.quantile(rates, (0.025, 0.975))
    return 100 * float(said.mean()), 100 * float(low), 100 * float(high)


def lines(scored: Scored, sizes: list[int]) -> Iterator[str]:
    """Two tables."""
    every = {size: measured(scored, size) for size in sizes}
    columns = ["present", "removed", "category", "topic", *scored.elsewhere]
    yield f"Percent of answers called strong (p <= {STRONG}); possible or strong (p <= {POSSIBLE})."
    yield ""
    yield f"| V | {' | '.join(columns)} |"
    yield "|---" * (1 + len(columns)) + "|"
    for size, found in every.items():
        cells = []
        for name in columns:
            if name not in found:
                cells.append("")
                continue
            strong, low, high = rate(found[name], STRONG)
            cells.append(
                f"{strong:.1f} ({low:.1f} to {high:.1f}); {rate(found[name], POSSIBLE)[0]:.0f}"
            )
        yield f"| {size} | {' | '.join(cells)} |"
    yield ""
    yield "AUROC of the best score against that of `present`."
    yield ""
    yield f"| V | {' | '.join(columns[1:])} |"
    yield "|---" * len(columns) + "|"
    for size, found in every.items():
        cells = []
        for name in columns[1:]:
            right = found.get("present, topic" if name == "topic" else "present")
            if right is None or name not in found:
                cells.append("")
                continue
            best = [np.concatenate([part[1] for part in parts]) for parts in (right, found[name])]
            cells.append(f"{auroc(*best):.3f}")
        yield f"| {size} | {' | '.join(cells)} |"


def calibration_lines(model: RetrievalModel, scored: Scored) -> Iterator[str]:
    """How good the model's own calibration is here; nothing where it has none."""
    known = load_calibration(model.card, model.fingerprint)
    if known is None:
        return
    count = len(scored.captions)
    here = measure_calibration(known, scored.captions, np.arange(count), "here")
    yield ""
    yield f"Calibration of {known.data}, there (queries left out) and on these clips."
    yield ""
    yield "| clips | AUROC of a right best hit | FPR95 | calibration error |"
    yield "|---|---|---|---|"
    for name, found in ((known.data, known), ("these", here)):
        numbers = f"{found.auroc:.3f} | {found.fpr95:.3f} | {found.ece:.3f}"
        yield f"| {name}, {found.videos} | {numbers} |"


def nonsense(count: int) -> list[str]:
    """Words of random letters."""
    random = np.random.default_rng(0)
    return [
        " ".join(
            "".join(random.choice(list("abcdefghijklmnopqrstuvwxyz"), random.integers(3, 9)))
            for _ in range(7)
        )
        for _ in range(count)
    ]


def categories_of(path: Path | None, videos: list[str]) -> Int64[np.ndarray, " V"]:
    """The category of each video; every one its own without a file."""
    if path is None:
        return np.arange(len(videos))
    told = json.loads(path.read_text(encoding="utf-8"))["videos"]
    known = {video["video_id"]: int(video["category"]) for video in told}
    return np.array([known[video] for video in videos])


def with_model(given: argparse.Namespace) -> Scored:
    """Clips of some splits, one caption each, scored by a model."""
    model = load(given.model)
    dataset = datasets.load(given.data, given.annotations)
    first: dict[str, str] = {}
    for name in given.splits:
        for caption in dataset.split(name).captions:
            first.setdefault(caption.video_id, caption.text)
    places = [place for place in ((given.features, None), (None, given.videos)) if any(place)]
    videos: list[str] = []
    parts = []
    for features, files in places or [(None, None)]:
        options = SourceOptions(
            features=features,
            videos=files,
            num_frames=model.num_frames,
            image_size=model.encoder.image_size,
            preprocessing=model.encoder.preprocessing,
        )
        source = open_source(given.data, options)
        left = [video for video in first if video not in videos]
        problems = source.problems(left)
        if here := [video for video in left if video not in problems]:
            videos += here
            parts.append(encode_videos(model, here, source))
    clips = concatenate(parts)
    others = _lines(given.others) if given.others else []
    texts = {
        "captions": [first[video] for video in videos],
        "null": null_texts(None) if given.null is None else _lines(given.null),
        "nonsense": nonsense(100),
        **({"others": others[:300]} if others else {}),
    }

    def score(kind: str) -> Float32[np.ndarray, "n V"]:
        scores = model.score(encode_texts(model, texts[kind]), clips)
        return fuse(scores.parts, scores.weights).float().numpy()

    elsewhere = {kind: score(kind) for kind in texts if kind in ("others", "nonsense")}
    categories = categories_of(given.categories, videos)
    return Scored(score("captions"), score("null"), categories, elsewhere)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def with_matrix(given: argparse.Namespace) -> Scored:
    """A matrix of scores, texts by clips: the last 300 texts are the null texts, without their
    clips.
    """
    scores = np.load(given.matrix).astype(np.float32)
    with given.ids.open(encoding="utf-8") as file:
        videos = [row["video_id"] for row in csv.DictReader(file)]
    kept = len(scores) - 300
    order = np.random.default_rng(0).permutation(len(scores))
    own, null = order[:kept], order[kept:]
    categories = categories_of(given.categories, [videos[index] for index in own])
    return Scored(scores[np.ix_(own, own)], scores[np.ix_(null, own)], categories)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model")
    parser.add_argument("--data")
    parser.add_argument("--splits", nargs="+", default=["test", "val"])
    parser.add_argument("--annotations", type=Path)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--categories", type=Path)
    parser.add_argument("--others", type=Path, help="captions of other videos, one per line")
    parser.add_argument("--null", type=Path, help="other null texts, one per line")
    parser.add_argument("--matrix", type=Path)
    parser.add_argument("--ids", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 200])
    given = parser.parse_args()
    scored = with_matrix(given) if given.matrix else with_model(given)
    print("\n".join(lines(scored, given.sizes)))
    if given.model:
        print("\n".join(calibration_lines(load(given.model), scored)))


if __name__ == "__main__":
    main()
