"""Measure a model on ReelWorld's test split: retrieval and twins, for several rendering seeds.

    python -m research.scripts.evaluate_reelworld --model reelworld-tiny --out docs/results

Clips are rendered at the model's size. `--files N` measures N more clips both directly and through
mp4 files that are decoded and sampled like any user's video. The program writes
OUT/<model>-<split>.json (everything) and .md (the tables).
"""

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path

import torch
from rich.progress import track

from finereel import __version__
from finereel.evaluation.reelworld import WorldResult, evaluate_world, make_world, read_world
from finereel.io.atomic import write_file
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.reelworld.export import write

GRANULARITIES = ("video_sentence", "frame_sentence", "patch_word", "fused")


def through_files(model: RetrievalModel, split: str, clips: int) -> dict[str, WorldResult]:
    """One small world twice: as rendered, and from its files."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), clips, 0, split)
        from_files = evaluate_world(model, read_world(Path(folder), model.num_frames))
    rendered = make_world(split, clips, 0, model.num_frames, model.encoder.image_size)
    return {"rendered": evaluate_world(model, rendered), "mp4 files": from_files}


def cell(percent: float, interval: list[float]) -> str:
    """A percentage and its 95 % interval."""
    return f"{percent:.1f} [{interval[0]:.1f}, {interval[1]:.1f}]"


def retrieval_table(results: dict[str, WorldResult], direction: str) -> list[str]:
    """R@1 of every granularity and of their sum; a column per seed."""
    lines = ["| " + " | ".join(["R@1, " + direction.replace("_", " "), *results]) + " |"]
    lines.append("|---" * (1 + len(results)) + "|")
    rows = {seed: result.retrieval.as_dict()[direction] for seed, result in results.items()}
    for name in GRANULARITIES:
        present = [row[name] for row in rows.values() if name in row]
        cells = [cell(row["R@1"], row["intervals"]["R@1"]) for row in present]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return lines


def twin_table(results: dict[str, WorldResult], way: str) -> list[str]:
    """Twin accuracy per part of speech; a column per seed."""
    lines = ["| " + " | ".join([f"twins, {way}", *results]) + " |"]
    lines.append("|---" * (1 + len(results)) + "|")
    rows = [result.as_dict()["twins"] for result in results.values()]
    for pos in rows[0]:
        cells = [
            cell(row[pos][way]["percent"], row[pos][way]["interval"]) for row in rows if pos in row
        ]
        lines.append("| " + " | ".join([pos, *cells]) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="reelworld-tiny")
    parser.add_argument("--split", default="test")
    parser.add_argument("--clips", type=int, default=500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--files", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    model = load(arguments.model)
    started = time.perf_counter()
    size = model.encoder.image_size
    results = {
        f"seed {seed}": evaluate_world(
            model, make_world(arguments.split, arguments.clips, seed, model.num_frames, size)
        )
        for seed in track(arguments.seeds, description="worlds")
    }
    files = through_files(model, arguments.split, arguments.files) if arguments.files else {}
    command = (
        f"python -m research.scripts.evaluate_reelworld --model {arguments.model} --split "
        f"{arguments.split}"
    )
    card = {
        "command": command
        + f" --clips {arguments.clips} --seeds {' '.join(map(str, arguments.seeds))} --files "
        f"{arguments.files}",
        "model": Path(arguments.model).name,
        "fingerprint": model.fingerprint,
        "split": arguments.split,
        "clips": arguments.clips,
        "protocol": "none",
        "frames": model.num_frames,
        "seconds": round(time.perf_counter() - started),
        "versions": {
            "finereel": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    name = f"{Path(arguments.model).name}-{arguments.split}"
    arguments.out.mkdir(parents=True, exist_ok=True)
    record = {
        "card": card,
        "results": {name: result.as_dict() for name, result in {**results, **files}.items()},
    }
    write_file(arguments.out / f"{name}.json", json.dumps(record, indent=1) + "\n")
    ways = ("text_to_video", "video_to_text")
    tables = [retrieval_table(results, way) for way in ways]
    tables += [twin_table(results, way) for way in ("text", "video", "group")]
    chance = f"R@1 {100 / arguments.clips:.1f}, text and video 50, group 16.7"
    text = [
        f"# {model.name} on ReelWorld, split `{arguments.split}`",
        "",
        f"    {card['command']}",
        "",
    ]
    text += [
        f"Gallery of {arguments.clips} clips; percent with 95 % intervals; no normalisation; model "
        f"`{model.fingerprint}`. Chance: {chance}.",
        "",
    ]
    for table in tables:
        text += [*table, ""]
    if files:
        text += [
            f"The same model on {arguments.files} other clips, rendered and through mp4 files:",
            "",
        ]
        text += [*retrieval_table(files, "text_to_video"), "", *twin_table(files, "text"), ""]
    write_file(arguments.out / f"{name}.md", "\n".join(text))


if __name__ == "__main__":
    main()
