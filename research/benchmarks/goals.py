"""Measure every figure that the project set itself a goal for, in one run.

    make bench
    python -m research.benchmarks.goals --full --out docs/results/goals.md

Beside each figure stand its goal and what it is compared with in the same run: the matrix product
that no exact score can do without, the released evaluation loop rebuilt from its description, and,
where NumKong is installed (`pip install numkong`), its sum of maxima. Times of scoring and indexing
are CPU time of one thread, which other work on the machine disturbs less than the clock. `--full`
takes 1,000 x 1,000 pairs, a library of 100,000 clips and the first look at a million.
"""

import argparse
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from research.benchmarks import candidates, evaluation, index_speed, query_latency, scoring, waiting

from finereel.codecs import CODECS
from finereel.codecs.clips import clip_bytes
from finereel.models.saving import load

PLAIN_TOKENS, TOKENS, WIDTH = 12, 48, 512


@dataclass(frozen=True)
class Figure:
    """A measured figure.

    Attributes:
        name: What was measured.
        measured: The value, with its unit.
        goal: The goal, or empty where it stands for comparison only.
        reached: Whether the goal is reached; None where there is none.
        beside: What it is compared with, or its physical limit.
    """

    name: str
    measured: str
    goal: str = ""
    reached: bool | None = None
    beside: str = ""


def at_most(name: str, value: float, goal: float, unit: str, beside: str = "") -> Figure:
    """A figure that should not be larger than its goal.

    >>> at_most("search", 12.34, 20, "ms").reached
    True
    """
    return Figure(name, f"{value:.3g} {unit}", f"<= {goal:g} {unit}", value <= goal, beside)


def at_least(name: str, value: float, goal: float, unit: str, beside: str = "") -> Figure:
    """A figure that should not be smaller than its goal."""
    return Figure(name, f"{value:.3g} {unit}", f">= {goal:g} {unit}", value >= goal, beside)


SCORING_GOALS = {
    "kernel published exact": 25.0,
    "kernel masked": 9.0,
    "int16": 7.5,
    "cascade 10 %": 1.5,
    "cascade 5 %": 1.5,
}


@torch.no_grad()
def scoring_figures(full: bool) -> Iterator[Figure]:
    """Microseconds per text-video pair, one thread."""
    num = 1000 if full else 300
    text, video = evaluation.make_features(num)
    costs = dict(evaluation.costs(text, video, 1 if full else 2))
    micros = {name: 1e6 * cost / num**2 for name, cost in costs.items()}
    loop = _released_loop()
    yield Figure("the released loop, rebuilt", f"{loop:.3g} us a pair")
    yield Figure(
        "words x patches product alone",
        f"{micros['product alone']:.3g} us a pair",
        beside=f"{_flops(num) / costs['product alone'] / 1e9:.0f} GFLOP/s",
    )
    maxima = _sum_of_max(text.words, text.word_mask, video.patches)
    if maxima is not None:
        yield Figure("sum of maxima, NumKong", f"{maxima:.3g} us a pair")
    for name, cost in micros.items():
        if name == "product alone":
            continue
        beside = f"{cost / micros['product alone']:.2f} products, {loop / cost:.0f} times cheaper"
        goal = SCORING_GOALS.get(name)
        if goal is None:
            yield Figure(f"scoring, {name}", f"{cost:.3g} us a pair", beside=beside)
        else:
            yield at_most(f"scoring, {name}", cost, goal, "us a pair", beside)


def _released_loop() -> float:
    """Microseconds per pair of the released loop, for 128 x 128 pairs."""
    num, config = 128, evaluation.MODES["published exact"]
    text, video = scoring.make_features(num, num, config)
    head = evaluation.make_head(config)
    temporal = scoring.SequentialTransformer(evaluation.DIM, 4, 77).eval()
    os.environ[evaluation.compiled.SWITCH], before = (
        "off",
        os.environ.get(evaluation.compiled.SWITCH, ""),
    )
    cost = evaluation.cpu_seconds(lambda: scoring.published_loop(head, temporal, text, video), 1)
    os.environ[evaluation.compiled.SWITCH] = before
    return 1e6 * cost / num**2


def _flops(num: int) -> float:
    config = evaluation.MODES["masked"]
    return 2.0 * num**2 * config.max_words * config.num_patches * evaluation.DIM


def _sum_of_max(words: torch.Tensor, mask: torch.Tensor, patches: torch.Tensor) -> float | None:
    """Microseconds per pair of a peer's late interaction over the real words, None without it."""
    try:
        import numkong
    except ImportError:
        return None
    texts = [
        numkong.maxsim_pack(np.ascontiguousarray(row[real].numpy()))
        for row, real in zip(words[:64], mask[:64], strict=True)
    ]
    clips = [numkong.maxsim_pack(np.ascontiguousarray(clip.numpy())) for clip in patches[:200]]

    def work() -> None:
        for own in texts:
            for clip in clips:
                numkong.maxsim_packed(own, clip)

    return 1e6 * evaluation.cpu_seconds(work, 2) / (len(texts) * len(clips))


def search_figures(full: bool) -> Iterator[Figure]:
    """A whole search in a library of synthetic clips, by the clock, and its first look."""
    yield from candidate_figures(full)
    for clips, goal in SEARCH_GOALS.items():
        if clips > 10_000 and not full:
            continue
        folder = Path(tempfile.mkdtemp(prefix="goals-"))
        torch.set_num_threads(os.cpu_count() or 1)
        try:
            large = clips > 100_000
            store, seconds = query_latency.build(folder, clips, "int8" if large else "fp16", large)
            line = query_latency.report(store, clips, seconds, 30)
        finally:
            torch.set_num_threads(1)
            shutil.rmtree(folder)
        median: float = line["search"]["p50_ms"]  # type: ignore[index]
        steps = ", ".join(
            f"{step} {line[step]['p50_ms']:.3g}"  # type: ignore[index]
            for step in ("coarse", "read", "score")
        )
        yield at_most(f"search, {clips:,} clips, median", median, goal, "ms", f"{steps} ms")
        opening: float = line["first_open_ms"]  # type: ignore[assignment]
        yield at_most(f"opening, {clips:,} clips", opening / 1000, 0.5, "s")
        yield at_most(
            f"scoring 200 candidates, {clips:,} clips",
            line["score"]["p50_ms"],  # type: ignore[index]
            10,
            "ms",
        )


SEARCH_GOALS = {10_000: 20.0, 100_000: 40.0, 1_000_000: 100.0}
CANDIDATE_GOALS = {10_000: None, 100_000: 5.0, 1_000_000: 30.0}


def candidate_figures(full: bool) -> Iterator[Figure]:
    """The first look of a search, by CPU time of one thread, beside one product in half precision."""
    for clips, goal in CANDIDATE_GOALS.items():
        if clips > 100_000 and not full:
            continue
        with tempfile.TemporaryDirectory(prefix="goals-") as folder:
            product, look = candidates.measured(Path(folder) / "index-0", clips, 20, False)
        beside = (
            f"product {product['cpu_ms']} ms, recall {look['recall']} and {product['recall']}, "
            f"memory {look['own_memory_mb']} and {product['own_memory_mb']} MB"
        )
        name = f"candidates, {clips:,} clips"
        if goal is None:
            yield Figure(name, f"{look['cpu_ms']} ms", beside=beside)
        else:
            yield at_most(name, float(str(look["cpu_ms"])), goal, "ms", beside)
            opened = float(str(look["open_s"]))
            yield at_most(
                f"opening all vectors, {clips:,} clips",
                opened,
                0.5,
                "s",
                f"{look['open_cpu_s']} s of CPU, {product['open_s']} s from the table",
            )


def size_figures(full: bool) -> Iterator[Figure]:
    """Bytes of a clip's tokens and vector."""
    goals = {"fp16": 50.3e3 / 1024, "int8": 26.0, "2bit": 8.0}
    for name, goal in goals.items():
        size = clip_bytes(CODECS[name], TOKENS, WIDTH) / 1024
        yield at_most(f"{TOKENS} tokens of {WIDTH} numbers, {name}", size, round(goal, 1), "KiB")
    plain = clip_bytes(CODECS["fp16"], PLAIN_TOKENS, WIDTH) / 1000
    yield at_most("plain CLIP, 12 frames, fp16", plain, 13.4, "kB")


INDEXING_GOALS = {
    ("everyday", "fast", 75): 25.0,
    ("everyday", "exact", 75): 5.0,
    ("CLIP B/32", "fast", 30): 9.0,
    ("CLIP B/32", "fast", 75): 9.0,
}
TWO_CORES = 15.0


def indexing_figures(full: bool) -> Iterator[Figure]:
    """Times real time of 1080p video with a keyframe every second or every 2.5 s, by CPU seconds of
    both processes. Int8 towers are made and checked before, as that happens once for a model.
    """
    seconds = 60 if full else 20
    with tempfile.TemporaryDirectory(prefix="goals-") as folder:
        videos = {every: Path(folder) / f"{every}.mp4" for every in (30, 75)}
        for every, video in videos.items():
            index_speed.make_video(video, index_speed.SIZES["1080p"], seconds, every)
        clip = index_speed.random_clip(Path(folder) / "clip")
        models = {"everyday": load("everyday").eval(), "CLIP B/32": load(clip).eval()}
        index_speed.index(videos[30], models["CLIP B/32"], "fast")
        for (model, preset, every), goal in INDEXING_GOALS.items():
            made = index_speed.index(videos[every], models[model], preset)
            rate = made["times_real_time_per_processor_second"]
            spent = made["processor_seconds_per_10s"]
            beside = (
                f"decoding {spent['decoding']:.2f} of {sum(spent.values()):.2f} s per 10 s, "  # type: ignore[index, attr-defined]
                f"{made['quantized']:.0%} of frames by int8"
            )
            name = f"index 1080p, keyframes every {every / 30:g} s, {model}, {preset}"
            yield at_least(name, rate, goal, "x real time", beside)
        clip_model, copies = models["CLIP B/32"], 4
        torch.set_num_threads(os.cpu_count() or 1)
        together = index_speed.index(videos[30], clip_model, "fast", copies)
        torch.set_num_threads(1)
        name = f"index {copies} videos of 1080p, keyframes every 1 s, CLIP B/32, fast, two cores"
        yield at_least(name, together["times_real_time"], TWO_CORES, "x real time", "by the clock")


def training_figures(full: bool) -> Iterator[Figure]:
    """The share of a training step that the model waits for its batch."""
    with tempfile.TemporaryDirectory(prefix="goals-") as folder:
        path = Path(folder) / "clips.npy"
        waiting.make_clips(path)
        for workers in (0, 1):
            run = waiting.steps(path, workers, 8, 16)[waiting.WARMING : -1]
            share = 100 * sum(event.waited for event in run) / sum(event.seconds for event in run)
            yield at_most(f"training waits, {workers} workers", share, 5, "% of a step")


SECTIONS: dict[str, Callable[[bool], Iterator[Figure]]] = {
    "scoring": scoring_figures,
    "search": search_figures,
    "sizes": size_figures,
    "indexing": indexing_figures,
    "training": training_figures,
}


def machine() -> str:
    """The processor, its cores, and how busy they are."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.split(": ")[1] for line in lines if line.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def page(title: str, figures: dict[str, list[Figure]]) -> str:
    """All figures as a Markdown page."""
    lines = [
        "# Goals and what was measured",
        "",
        "    python -m research.benchmarks.goals --full --out docs/results/goals.md",
        "",
        title,
    ]
    for section, found in figures.items():
        lines += ["", f"## {section.capitalize()}", ""]
        lines += ["| figure | measured | goal | reached | beside it |", "|---|---|---|---|---|"]
        lines += [
            f"| {one.name} | {one.measured} | {one.goal} | {_reached(one)} | {one.beside} |"
            for one in found
        ]
    return "\n".join(lines) + "\n"


def _reached(figure: Figure) -> str:
    return {True: "yes", False: "**no**", None: ""}[figure.reached]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--out", type=Path, help="write a Markdown page")
    given = parser.parse_args()
    torch.set_num_threads(1)
    title, figures = f"{time.strftime('%Y-%m-%d')}, {machine()}.", dict[str, list[Figure]]()
    print(title)
    for section in given.only:
        figures[section] = []
        for figure in SECTIONS[section](given.full):
            figures[section].append(figure)
            told = (figure.name, figure.measured, figure.goal, _reached(figure), figure.beside)
            print("  ".join(filter(None, told)), flush=True)
    if given.out is not None:
        given.out.write_text(page(title, figures), encoding="utf-8")


if __name__ == "__main__":
    main()
