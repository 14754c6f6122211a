"""Batches of rendered scenes: reproducible and labelled truly."""

import numpy as np

from finereel.reelworld import captions, frame_times, render, sample_scene
from finereel.reelworld.batches import (
    FACTORS,
    STILL_FACTORS,
    SceneBatches,
    factor_labels,
    make_batch,
    render_small,
)

SMALL = SceneBatches(groups=3, twins=2, num_frames=2, image_size=48)


def test_a_batch_depends_on_its_step_alone() -> None:
    first, again, other = make_batch(SMALL, 5), make_batch(SMALL, 5), make_batch(SMALL, 6)
    assert np.array_equal(first.pixels, again.pixels)
    assert first.captions == again.captions
    assert first.captions != other.captions


def test_twins_stand_beside_their_scene_and_differ_in_one_word() -> None:
    batch = make_batch(SMALL, 0)
    assert len(batch.captions) == len(batch.pixels) == 9
    for start in range(0, 9, 3):
        own, *others = (
            caption.replace(",", "").split() for caption in batch.captions[start : start + 3]
        )
        assert all(sum(a != b for a, b in zip(own, other, strict=True)) == 1 for other in others)
    assert len(set(batch.captions)) == 9


def test_short_captions_come_alone_and_say_no_factor() -> None:
    batch = make_batch(
        SceneBatches(groups=4, twins=2, num_frames=1, image_size=48, short_share=1.0), 0
    )
    assert len(batch.captions) == 4
    assert (batch.text_factors == -1).all()
    assert (batch.video_factors[:, list(FACTORS).index("noun")] >= 0).all()


def test_labels_name_what_the_scene_holds() -> None:
    scene = sample_scene(4, "train")
    labels = dict(zip(FACTORS, factor_labels(scene, tuple(FACTORS)), strict=True))
    assert FACTORS["noun"][labels["noun"]] == scene.noun
    assert FACTORS["verb"][labels["verb"]] == scene.verb
    assert FACTORS["reference_colour"][labels["reference_colour"]] == scene.reference.colour
    still = dict(zip(FACTORS, factor_labels(scene, STILL_FACTORS), strict=True))
    assert still["verb"] == -1
    assert still["colour"] == labels["colour"]


def test_a_single_frame_shows_no_motion_label() -> None:
    batch = make_batch(SceneBatches(groups=2, twins=0, num_frames=1, image_size=48), 0)
    assert (batch.video_factors[:, list(FACTORS).index("verb")] == -1).all()
    assert batch.pixels.shape == (2, 1, 48, 48, 3)


def test_small_rendering_is_the_mean_of_two_by_two() -> None:
    scene, times = sample_scene(1, "train"), frame_times(2)
    small, large = render_small(scene, times, 48), render(scene, times, 96)
    expected = large[0, 10:12, 20:22].astype(float).mean((0, 1))
    assert np.abs(small[0, 5, 10] - expected).max() <= 0.5
    assert small.shape == (2, 48, 48, 3)


def test_training_batches_hold_training_scenes() -> None:
    batch = make_batch(SceneBatches(groups=2, twins=0, num_frames=1, image_size=48), 3)
    seeds = [(0 + 3) * 2 + group for group in range(2)]
    said = [captions(sample_scene(seed, "train")) for seed in seeds]
    assert all(caption in known for caption, known in zip(batch.captions, said, strict=True))
