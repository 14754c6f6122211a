"""Banks of other domains on tiny targets: which queries they hold, and that nothing of the test is in
them.
"""

from pathlib import Path

import numpy as np
import pytest
from research.scripts.other_banks import (
    Domain,
    Target,
    banks_of,
    drawn,
    page,
    rows_of,
)

from finereel.data.base import Caption, CaptionProtocol, Dataset, Split
from finereel.data.reelworld import WorldSource, virtual
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.types import no_progress


@pytest.fixture(scope="module")
def model() -> RetrievalModel:
    return load("reelworld-tiny")


@pytest.fixture(scope="module")
def world(model: RetrievalModel) -> Domain:
    data = virtual({"train": 4, "val": 3, "test": 3})
    texts = tuple(caption.text for caption in data.split("train").captions)
    source = WorldSource(model.encoder.image_size, model.num_frames)
    return Domain("drawn", texts, data, source)


@pytest.fixture(scope="module")
def target(model: RetrievalModel, world: Domain) -> Target:
    return Target.of(model, world, no_progress)


def test_banks_hold_no_caption_of_the_test(
    model: RetrievalModel, world: Domain, target: Target
) -> None:
    asked = target.test.split.captions[0].text
    other = Domain("narrated", (asked, "a man walks", "a dog runs"))
    banks = banks_of(model, [world, other], target, no_progress)
    assert len(banks["text_to_video"]["narrated"].queries) == 2
    assert list(banks["text_to_video"]) == ["drawn", "narrated"]
    assert list(banks["video_to_text"]) == ["drawn"]  # captions alone are no bank for captions


def test_rows_of_both_directions(model: RetrievalModel, world: Domain, target: Target) -> None:
    banks = banks_of(model, [world], target, no_progress)
    for direction in ("text_to_video", "video_to_text"):
        rows, chosen = rows_of(model, target, direction, banks[direction])
        assert list(rows) == ["none", "drawn, published", "drawn, fitted"]
        assert all(len(ranks) == 3 for ranks in rows.values())
        assert "validation R@1" in chosen["drawn"]
        if chosen["drawn"].startswith("off"):
            assert np.array_equal(rows["drawn, fitted"].expected, rows["none"].expected)


def test_validation_has_as_many_captions_of_a_clip_as_the_test(
    model: RetrievalModel, world: Domain
) -> None:
    def split(name: str, count: int) -> Split:
        videos = (f"{name}/0", f"{name}/1")
        rows = [Caption(f"{v}#{n}", v, f"{v} {n}") for v in videos for n in range(count)]
        return Split(name, videos, tuple(rows))

    splits = {"train": split("train", 1), "val": split("val", 5), "test": split("test", 1)}
    data = Dataset("many", splits, CaptionProtocol(32, 12, "single"), "val")
    made = Target.of(model, Domain("many", (), data, world.source), no_progress)
    assert len(made.validation.split.captions) == 2


def test_a_draw_is_repeatable_and_without_doubles() -> None:
    items = [str(number) for number in range(50)] * 2
    assert drawn(items, 10) == drawn(list(reversed(items)), 10)
    assert len(set(drawn(items, 10))) == 10


def test_the_page(model: RetrievalModel, world: Domain, tmp_path: Path) -> None:
    domains = [world, Domain("narrated", ("a man walks", "a dog runs"))]
    text = page(model, domains, ["drawn"], "cmd", no_progress)
    assert "## drawn" not in page(model, domains, ["another"], "cmd", no_progress)
    assert "## drawn" in text
    assert "## narrated" not in text
    assert text.count("| narrated, published |") == 1
    assert text.count("| drawn, fitted |") == 2
