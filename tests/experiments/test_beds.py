"""Test beds: who may be in which split, and the debug twins."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from finereel.errors import ConfigError, DataError
from finereel.experiments.beds import BedOptions, bed
from finereel.experiments.fine_variants import fine_variants
from finereel.experiments.training import train_variant
from finereel.experiments.variants import EXPERIMENTS, REFERENCE, reference
from finereel.model import load

SHARED = Path(__file__).resolve().parents[2] / "../shared/data"


def test_unknown_beds_and_missing_folders_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown test bed"):
        bed("imagenet", BedOptions(tmp_path))
    with pytest.raises(DataError, match="--features"):
        bed("msrvtt-features", BedOptions(tmp_path))


def test_the_drawn_bed_is_cached_and_its_experiments_hold_the_reference(tmp_path: Path) -> None:
    options = BedOptions(tmp_path, debug=True)
    made = bed("reelworld-tokens", options)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert files
    assert bed("reelworld-tokens", options).source.description == made.source.description
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == files
    for make in EXPERIMENTS.values():
        plan = make(made)
        names = [variant.name for variant in plan.variants]
        assert plan.reference in names
        assert len(set(names)) == len(names)
        assert REFERENCE in names
        assert reference(made) in plan.variants


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the MSR-VTT features, which are not in the repository")
def test_the_real_bed_keeps_test_videos_and_their_captions_out_of_training(tmp_path: Path) -> None:
    options = BedOptions(tmp_path, SHARED / "msrvtt_features", SHARED / "annotations/MSRVTT")
    data = bed("msrvtt-features", options).data
    videos = {name: set(split.videos) for name, split in data.splits.items()}
    assert {name: len(found) for name, found in videos.items()} == {"train": 4051, "val": 300, "test": 476}
    assert not videos["train"] & videos["val"] | videos["train"] & videos["test"] | videos["val"] & videos["test"]
    assert len(data.split("test").captions) == 476
    assert data.selection == "val"


def test_pixels_go_on_from_the_whole_bundled_model(tmp_path: Path) -> None:
    made = bed("reelworld-pixels", BedOptions(tmp_path, debug=True))
    start = load("reelworld-tiny")
    unmoved = replace(made, heads=replace(made.heads, lr=0.0, steps=1))
    model = train_variant(unmoved, fine_variants(made, "ucofia")["+ both"], 1, tmp_path)
    held = start.state_dict()
    new = {name for name, weight in model.state_dict().items() if not torch.equal(weight, held.get(name, weight * 0))}
    assert {name.partition(".")[0] for name in new} == {"prompts", "fine_head"}
    heads = {name: weight for name, weight in model.state_dict().items() if name.startswith("fine_head.")}
    assert heads
    assert all(torch.equal(weight, held[name.removeprefix("fine_")]) for name, weight in heads.items())
