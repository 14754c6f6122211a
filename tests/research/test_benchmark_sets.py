"""Benchmarks: who may be in which split, and the debug twins."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from research.benchmark_sets import BenchmarkOptions, open_benchmark
from research.fine_variants import fine_variants
from research.training import train_variant
from research.variants import EXPERIMENTS, REFERENCE, reference

from finereel.errors import ConfigError, DataError
from finereel.models.saving import load
from places import DATA


def test_unknown_benchmarks_and_missing_folders_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown benchmark"):
        open_benchmark("imagenet", BenchmarkOptions(tmp_path))
    with pytest.raises(DataError, match="--features"):
        open_benchmark("msrvtt-features", BenchmarkOptions(tmp_path))


def test_the_drawn_benchmark_is_cached_and_its_experiments_hold_the_reference(
    tmp_path: Path,
) -> None:
    options = BenchmarkOptions(tmp_path, debug=True)
    made = open_benchmark("reelworld-tokens", options)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert files
    assert (
        open_benchmark("reelworld-tokens", options).data.source.description
        == made.data.source.description
    )
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == files
    for make in EXPERIMENTS.values():
        plan = make(made)
        names = [variant.name for variant in plan.variants]
        assert plan.reference in names
        assert len(set(names)) == len(names)
        assert REFERENCE in names
        assert reference(made) in plan.variants


@pytest.mark.skipif(
    not DATA.is_dir(), reason="needs the MSR-VTT features, which are not in the repository"
)
def test_the_real_benchmark_keeps_test_videos_and_their_captions_out_of_training(
    tmp_path: Path,
) -> None:
    options = BenchmarkOptions(tmp_path, DATA / "msrvtt_features", DATA / "annotations/MSRVTT")
    data = open_benchmark("msrvtt-features", options).dataset
    videos = {name: set(split.videos) for name, split in data.splits.items()}
    assert {name: len(found) for name, found in videos.items()} == {
        "train": 4051,
        "val": 300,
        "test": 476,
    }
    assert (
        not videos["train"] & videos["val"]
        | videos["train"] & videos["test"]
        | videos["val"] & videos["test"]
    )
    assert len(data.split("test").captions) == 476
    assert data.selection == "val"


def test_pixels_go_on_from_the_whole_bundled_model(tmp_path: Path) -> None:
    made = open_benchmark("reelworld-pixels", BenchmarkOptions(tmp_path, debug=True))
    start = load("reelworld-tiny")
    still = replace(made.recipe.training.optim, lr=0.0, tower_lr=0.0)
    unmoved = replace(
        made,
        recipe=replace(made.recipe, training=replace(made.recipe.training, optim=still, steps=1)),
    )
    model = train_variant(unmoved, fine_variants(made, "ucofia")["+ both"], 1, tmp_path)
    held = start.state_dict()
    new = {
        name
        for name, weight in model.state_dict().items()
        if not torch.equal(weight, held.get(name, weight * 0))
    }
    assert {name.partition(".")[0] for name in new} == {"prompts", "fine_head"}
    heads = {
        name: weight for name, weight in model.state_dict().items() if name.startswith("fine_head.")
    }
    assert heads
    assert all(
        torch.equal(weight, held[name.removeprefix("fine_")]) for name, weight in heads.items()
    )
