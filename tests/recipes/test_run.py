"""Recipes carried out: from data to a model directory and its record; stopped, resumed, and with
bad videos.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from finereel.config import ModelConfig
from finereel.data.base import Caption, CaptionProtocol, ClipArrays, Dataset, Split
from finereel.errors import ConfigError, DataError, ModelError, TrainingError
from finereel.evaluation.record_files import load_record
from finereel.models.choice import EVERYDAY
from finereel.models.encoders.dual import DualEncoder
from finereel.models.encoders.patches import Perturbation
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load, save
from finereel.recipes import PairRecipe, WorldRecipe, recipe
from finereel.recipes.base import HoldOut, WarmUp
from finereel.recipes.events import FinishedRun
from finereel.recipes.overrides import Changes, changed
from finereel.recipes.run import (
    Event,
    Note,
    RunOptions,
    StageProgress,
    Working,
    build,
    run,
    with_frames,
    with_weights,
)
from finereel.recipes.run_dataset import device_of, workers_for
from finereel.recipes.splits import held_out, three_splits
from finereel.training.distributed import Shard
from finereel.types import Frames
from support.media import Recipe as Video
from support.media import make_video
from tiny_annotations import write_annotations
from tiny_encoders import tiny_dual_geometry, tiny_word_pieces
from tiny_models import FRAMES, WORDS, tiny_model

COLOURS = {
    "red": (230, 20, 20),
    "green": (20, 200, 20),
    "blue": (20, 20, 230),
    "white": (240, 240, 240),
}


def world(name: str = "debug") -> WorldRecipe:
    made = recipe(name)
    assert isinstance(made, WorldRecipe)
    return made


def finished(outcome: FinishedRun | None) -> FinishedRun:
    assert outcome is not None
    return outcome


def test_debug_trains_both_stages_and_reloads_to_the_same_scores(tmp_path: Path) -> None:
    events: list[Event] = []
    outcome = finished(run(recipe("debug"), tmp_path, on_event=events.append))
    steps = [event for event in events if isinstance(event, StageProgress)]
    assert [event.stage for event in steps] == [1, 1, 1, 2, 2, 2]
    assert [event.result is not None for event in steps] == [False, False, True] * 2
    loaded = load(tmp_path / "model")
    assert loaded.fingerprint == outcome.model.fingerprint == outcome.record.model.fingerprint
    texts = ["a red car jumps once above a blue house", "a fish"]
    assert torch.equal(
        loaded.encode_text(texts).sentence, outcome.model.encode_text(texts).sentence
    )
    assert outcome.record.reload_verified
    assert (outcome.record.dataset.name, outcome.record.dataset.split) == ("reelworld", "test")
    assert set(outcome.record.results) == {"text_to_video", "video_to_text"}


def test_scoring_other_granularities_keeps_what_both_have() -> None:
    model = build(world())
    with torch.no_grad():
        model.head.sentence_projection.mul_(2.0)
    coarse = with_weights(model, {"video_sentence": 1.0})
    assert not any("over_words" in name for name in coarse.state_dict())
    again = with_weights(coarse, model.config.weights)
    assert torch.equal(again.head.sentence_projection, model.head.sentence_projection)
    assert again.config.weights == model.config.weights


def test_fewer_frames_score_clips_that_have_no_more_as_before() -> None:
    whole = tiny_model()
    fewer = with_frames(whole, FRAMES - 1)
    assert fewer.num_frames == FRAMES - 1
    assert fewer.fingerprint != whole.fingerprint
    pictures = np.random.default_rng(0).integers(0, 255, (2, FRAMES - 1, 24, 32, 3), dtype=np.uint8)
    clips = [Frames(picture, np.arange(FRAMES - 1.0)) for picture in pictures]
    text = whole.encode_text(["a red car jumps", "a man is cooking"])
    before = whole.score(text, whole.encode_video(clips))
    after = fewer.score(text, fewer.encode_video(clips))
    for name, scores in before.parts.items():
        torch.testing.assert_close(after.parts[name], scores)
    with pytest.raises(ConfigError, match=f"expected 1 to {FRAMES} frames per clip"):
        with_frames(whole, FRAMES + 1)


@pytest.mark.parametrize("name", ["debug", "reelworld-tiny"])
def test_every_world_recipe_builds_and_fits_its_stages(name: str) -> None:
    chosen = replace(world(name), vocabulary_scenes=50)
    model = build(chosen)
    for stage in chosen.stages:
        assert stage.batches.image_size == model.encoder.image_size
        assert stage.batches.num_frames in (1, model.num_frames)
    assert sum(parameter.numel() for parameter in model.parameters()) < 6_000_000


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve coloured videos with a caption each, and a table of them with the splits train (8),
    val and test.
    """
    folder = tmp_path_factory.mktemp("videos")
    lines = ["video,caption,split"]
    for number in range(12):
        colour = list(COLOURS)[number % 4]
        split = "train" if number < 8 else "val" if number < 10 else "test"
        make_video(
            folder / f"clip{number}.mp4",
            Video(frames=10 + 5 * (number // 4), fps=10, colour=COLOURS[colour]),
        )
        lines.append(f"clip{number}.mp4,a {colour} car swims {number} times,{split}")
    (folder / "captions.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start")
    save(tiny_model(), folder)
    return folder


def own_videos(**changes: Any) -> PairRecipe:
    made = recipe("folder")
    assert isinstance(made, PairRecipe)
    training = replace(
        made.training, steps=4, perturbation=Perturbation(samples=4), checkpoint_every=1
    )
    model = replace(made.model, max_words=WORDS, max_frames=FRAMES, temporal_layers=1)
    pairs = replace(made.pairs, batch_size=4)
    return replace(
        made, model=model, training=training, pairs=pairs, passes=None, validations=2, **changes
    )


def options(folder: Path, start: Path, **changes: Any) -> RunOptions:
    return replace(
        RunOptions(
            annotations=folder, start=str(start), cache=folder.parent / "cache", device="cpu"
        ),
        **changes,
    )


def test_own_videos_from_files_to_a_result(videos: Path, start: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    outcome = finished(run(own_videos(), tmp_path, options(videos, start), events.append))
    assert [event.progress.step for event in events if isinstance(event, StageProgress)] == [
        1,
        2,
        3,
        4,
    ]
    assert {event.what for event in events if isinstance(event, Working)} >= {
        "clips",
        "captions",
        "scores",
    }
    record = load_record(tmp_path / "record")
    assert (
        record.model.fingerprint
        == load(tmp_path / "model").fingerprint
        == outcome.model.fingerprint
    )
    assert record.dataset.coverage == "2/2"
    assert record.source["source"] == "videos"
    assert record.seeds["training"] == 0
    assert record.reload_verified
    card = load(tmp_path / "model").card
    assert "8 captions of 8 videos" in card["data"]
    assert card["recipe"] == "folder"


def test_what_the_towers_have_learned_is_what_training_starts_from(
    videos: Path, start: Path, tmp_path: Path
) -> None:
    recipe = own_videos()
    still = replace(
        recipe.training, optim=replace(recipe.training.optim, lr=0.0, tower_lr=0.0), steps=1
    )
    outcome = finished(run(replace(recipe, training=still), tmp_path, options(videos, start)))
    before, after = load(start).state_dict(), outcome.model.state_dict()
    same = [name for name in before if name in after and torch.equal(before[name], after[name])]
    assert len(same) == len(before)


def stop_after(step: int) -> Any:
    def stop(event: Event) -> None:
        if isinstance(event, StageProgress) and event.progress.step == step:
            raise KeyboardInterrupt

    return stop


def test_a_stopped_run_goes_on_to_the_same_weights(
    videos: Path, start: Path, tmp_path: Path
) -> None:
    whole = finished(run(own_videos(), tmp_path / "whole", options(videos, start)))
    with pytest.raises(KeyboardInterrupt):  # batches made ahead are the same batches
        run(own_videos(), tmp_path / "again", options(videos, start, workers=1), stop_after(3))
    steps: list[int] = []

    def note(event: Event) -> None:
        if isinstance(event, StageProgress):
            steps.append(event.progress.step)

    again = finished(run(own_videos(), tmp_path / "again", options(videos, start), note))
    assert steps == [4]
    assert again.model.fingerprint == whole.model.fingerprint
    assert again.record.results == whole.record.results


def test_a_finished_run_is_read_and_not_measured_again(
    videos: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = finished(run(own_videos(), tmp_path, options(videos, start)))
    monkeypatch.setattr("finereel.recipes.finish.evaluate", None)
    events: list[Event] = []
    again = finished(run(own_videos(), tmp_path, options(videos, start), events.append))
    assert again.record.results == first.record.results
    assert any("finished" in event.text for event in events if isinstance(event, Note))
    assert not any(isinstance(event, StageProgress) for event in events)


def test_other_data_do_not_go_on_with_a_run(videos: Path, start: Path, tmp_path: Path) -> None:
    run(own_videos(), tmp_path / "out", options(videos, start))
    table = (videos / "captions.csv").read_text().replace("a red car", "a scarlet car")
    (tmp_path / "captions.csv").write_text(table)
    other = options(videos, start, annotations=tmp_path / "captions.csv", videos=videos)
    with pytest.raises(ConfigError, match="other settings"):
        run(own_videos(), tmp_path / "out", other)


@pytest.mark.parametrize("steps", [3, 6])
def test_a_run_of_another_length_is_refused_and_says_how_to_go_on(
    videos: Path, start: Path, tmp_path: Path, steps: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(own_videos(), tmp_path, options(videos, start), stop_after(2))
    other = own_videos()
    other = replace(other, training=replace(other.training, steps=steps))
    with pytest.raises(
        ConfigError, match=f"steps was 4 and is {steps}.*Give the same settings to go on"
    ):
        run(other, tmp_path, options(videos, start))


def test_a_training_video_copied_into_the_test_split_is_said(
    videos: Path, start: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "videos"
    shutil.copytree(videos, folder)
    shutil.copyfile(folder / "clip3.mp4", folder / "clip11.mp4")
    events: list[Event] = []

    def note(event: Event) -> None:
        events.append(event)
        stop_after(1)(event)

    with pytest.raises(KeyboardInterrupt):
        run(own_videos(), tmp_path / "out", options(folder, start), note)
    said = [event.text for event in events if isinstance(event, Note)]
    assert any(
        "train 'clip3.mp4' and test 'clip11.mp4' have the same bytes" in text for text in said
    )


def test_a_model_whose_files_changed_after_it_was_chosen_is_noticed(
    videos: Path, start: Path, tmp_path: Path
) -> None:
    run(own_videos(), tmp_path, options(videos, start))
    chosen = tmp_path / "best" / "validation.json"
    chosen.write_text(json.dumps({**json.loads(chosen.read_text()), "score": 12.34}))
    (tmp_path / "record" / "record.json").unlink()
    with pytest.raises(TrainingError, match=r"12\.34"):
        run(own_videos(), tmp_path, options(videos, start))


@pytest.fixture
def with_bad_video(videos: Path, tmp_path: Path) -> Path:
    """The same twelve videos, one of the training ones broken and one of the test ones missing."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for path in videos.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "clip1.mp4").write_bytes(b"no video" * 99)
    (folder / "clip11.mp4").unlink()
    return folder


def test_too_many_bad_videos_stop_the_run_before_it_starts(
    with_bad_video: Path, start: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"1 of 10 videos .* 5%.*clip1.mp4.*allow"):
        run(own_videos(), tmp_path / "out", options(with_bad_video, start))
    assert not (tmp_path / "out" / "checkpoint.pt").exists()


@pytest.mark.parametrize("way", ["allowed", "within the limit"])
def test_a_few_bad_videos_are_left_out_and_counted(
    with_bad_video: Path, start: Path, tmp_path: Path, way: str
) -> None:
    chosen = own_videos(most_missing=0.05 if way == "allowed" else 0.1)
    given = options(with_bad_video, start, allow_missing=way == "allowed")
    events: list[Event] = []
    outcome = finished(run(chosen, tmp_path / "out", given, events.append))
    said = " ".join(event.text for event in events if isinstance(event, Note))
    assert "1 video left out of training" in said
    assert "1 video of test cannot be read" in said
    assert "clip1.mp4" in said
    assert "7 captions of 7 videos" in outcome.model.card["data"]
    assert outcome.record.dataset.coverage == "1/2"
    assert list(outcome.record.dataset.missing) == ["clip11.mp4"]


def test_tokens_train_a_model_from_scratch(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ids = [f"v{number}" for number in range(30)]
    features = tmp_path / "features"
    features.mkdir()
    tokens = rng.standard_normal((30, 2, 3, 8)).astype(np.float16)
    np.savez(features / "a.npz", tokens=tokens, ids=np.array(ids))
    rows = [f"{name},a caption about {name}" for name in ids]
    (tmp_path / "captions.csv").write_text("video,caption\n" + "\n".join(rows) + "\n")
    made = recipe("features")
    assert isinstance(made, PairRecipe)
    small = replace(
        made,
        passes=None,
        training=replace(made.training, steps=2),
        pairs=replace(made.pairs, batch_size=4),
        tokens=replace(made.tokens, dim=32, text_width=32, text_blocks=1, vocab_size=600),
        warm_up=WarmUp(steps=3, batch_size=512, lr=1e-3),
    )
    assert small.closed_form is not None
    given = RunOptions(tmp_path, features=features, device="cpu")
    stages: list[tuple[int, int]] = []

    def note(event: Event) -> None:
        if isinstance(event, StageProgress):
            stages.append((event.stage, event.progress.step))

    with pytest.raises(KeyboardInterrupt):
        run(small, tmp_path / "out", given, stop_after(3))
    outcome = finished(run(small, tmp_path / "out", given, note))
    assert stages == [(2, 1), (2, 2)], "the towers are warm already"
    fitted = load(tmp_path / "out" / "closed-form").encoder.bag_of_words
    assert fitted.weights.any()
    assert fitted.vectors.weight.any()
    assert set(load(tmp_path / "out" / "warm-up" / "best").config.weights) == {"video_sentence"}
    assert outcome.model.num_frames == 2
    assert load(outcome.folder).fingerprint == outcome.record.model.fingerprint
    assert outcome.record.source["source"] == "features"
    with pytest.raises(ConfigError, match="precomputed tokens"):
        run(small, tmp_path / "other", RunOptions(tmp_path, device="cpu"))
    with pytest.raises(ModelError, match="takes precomputed tokens"):
        run(
            own_videos(),
            tmp_path / "third",
            RunOptions(tmp_path, features=features, start=str(outcome.folder)),
        )


def test_captions_without_common_words_start_from_random_towers_and_say_so(tmp_path: Path) -> None:
    tokens = np.random.default_rng(0).standard_normal((8, 2, 3, 8)).astype(np.float16)
    ids = [f"v{number}" for number in range(8)]
    np.savez(tmp_path / "a.npz", tokens=tokens, ids=np.array(ids))
    (tmp_path / "captions.csv").write_text(
        "video,caption\n" + "\n".join(f"{i},{c}" for i, c in zip(ids, "ABCDEFGH", strict=True))
    )
    made = recipe("features")
    assert isinstance(made, PairRecipe)
    small = replace(
        made,
        training=replace(made.training, steps=1),
        tokens=replace(made.tokens, dim=32, text_width=32, text_blocks=1, vocab_size=600),
        warm_up=None,
    )
    events: list[Event] = []
    run(
        small,
        tmp_path / "out",
        RunOptions(tmp_path, features=tmp_path, device="cpu"),
        events.append,
    )
    notes = " ".join(event.text for event in events if isinstance(event, Note))
    assert "this run starts from random towers" in notes
    assert "instead of 384" in notes
    assert not (tmp_path / "out" / "closed-form").exists()


def test_a_text_tower_that_is_too_short_says_how_many_words_it_reads(
    videos: Path, start: Path, tmp_path: Path
) -> None:
    long = own_videos()
    with pytest.raises(ConfigError, match="set max_words=32"):
        run(
            replace(long, model=replace(long.model, max_words=64)), tmp_path, options(videos, start)
        )


def test_a_world_refuses_what_it_does_not_use(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="leave out videos, start"):
        run(recipe("debug"), tmp_path, RunOptions(videos=tmp_path, start="a"))
    with pytest.raises(ConfigError, match="leave out the device"):
        run(recipe("debug"), tmp_path, RunOptions(device="cuda"))


def test_a_device_that_is_not_there_is_refused() -> None:
    assert device_of("cpu") == "cpu"
    with pytest.raises(ConfigError, match="expected auto"):
        device_of("abacus")


class Listed:
    """A source that can read everything but `bad`, and keeps what it was asked for."""

    description: Mapping[str, str] = {}

    def __init__(self, *bad: str) -> None:
        self.bad = bad
        self.asked: list[Sequence[str]] = []

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        self.asked.append(list(videos))
        return {video: "broken" for video in videos if video in self.bad}

    def read(self, videos: Sequence[str]) -> ClipArrays:
        raise AssertionError


def split(name: str, count: int, captions: int = 2) -> Split:
    names = tuple(f"{name}{number}" for number in range(count))
    texts = [
        Caption(f"{video}-{index}", video, f"{video} {index}")
        for video in names
        for index in range(captions)
    ]
    return Split(name, names, tuple(texts))


def test_missing_splits_are_held_out_of_train() -> None:
    data = Dataset("d", {"train_9k": split("train_9k", 100)}, CaptionProtocol(), selection=None)
    three = three_splits(data, HoldOut(share=0.1))
    parts = {name: set(part.videos) for name, part in three.splits.items()}
    assert list(parts) == ["train", "val", "test"]
    assert {name: len(found) for name, found in parts.items()} == {
        "train": 81,
        "val": 9,
        "test": 10,
    }
    assert len(parts["train"] | parts["val"] | parts["test"]) == 100
    assert three.selection == "val"
    assert [three.split(name).name for name in parts] == ["train_9k", "val", "test"]
    assert len(three.split("val").captions) == 9, (
        "one caption each, as tests have in a data set of single captions"
    )
    assert len(three.split("train").captions) == 162


def test_given_splits_stay_as_they_are_and_test_is_never_held_out_of() -> None:
    given = {name: split(name, 10) for name in ("train", "val", "test", "test_20")}
    three = three_splits(Dataset("d", given, CaptionProtocol(texts="multiple")), HoldOut())
    assert {name: part.hash for name, part in three.splits.items()} == {
        name: given[name].hash for name in ("train", "val", "test")
    }


def test_holding_out_is_drawn_by_the_seed() -> None:
    first, again, other = (
        held_out(split("s", 50), HoldOut(0.2, seed=seed))[1].videos for seed in (0, 0, 1)
    )
    assert first == again != other
    assert len(held_out(split("s", 50), HoldOut(0.5, most=3))[1].videos) == 3
    with pytest.raises(DataError, match="too few"):
        held_out(split("s", 1), HoldOut())
    with pytest.raises(DataError, match="nothing to train on"):
        three_splits(Dataset("d", {"test": split("test", 3)}, selection=None), HoldOut())


def test_each_process_decodes_its_share_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from finereel.recipes.splits import prepare

    given = {name: split(name, 4) for name in ("train", "val", "test")}
    monkeypatch.setattr("finereel.data.load", lambda name, annotations: Dataset("d", given))
    source = Listed("test1")
    data = prepare(own_videos(), source, RunOptions(), Shard(1, 2), lambda event: None)
    assert len(source.asked[0]) == 6
    assert len(source.asked[1]) == 12
    assert len(data.dataset.split("test").videos) == 4, (
        "the test split stays whole: its coverage is part of the result"
    )


def test_the_recipe_everyday_runs_from_pictures_to_a_model_that_searches(tmp_path: Path) -> None:
    """Two backbones, photos and key frames, the closed form, two steps, and the test split."""
    annotations = write_annotations("everyday", tmp_path / "annotations")
    rng = np.random.default_rng(0)

    def picture(name: str, width: int) -> None:
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (48, width, 3), np.uint8)).save(path)

    for photo in ("1_a.jpg", "2_b.jpg", "3_c.jpg"):
        picture(photo, 48)
    for video in ("video7", "video8", "video9"):
        picture(f"MSR-VTT-videoTestVideo_{video}-shot1_0/concat_img1_img9.jpg", 96)
    geometry = tiny_dual_geometry()
    roomy = replace(geometry.text_config, max_position_embeddings=32)
    encoder = DualEncoder(replace(geometry, text_config=roomy))
    for layer in encoder.vision_model.modules():  # as drawn by default, all pictures look alike
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
    save(RetrievalModel(encoder, ModelConfig(max_words=24), tiny_word_pieces()), tmp_path / "start")
    made = changed(recipe("everyday"), Changes(steps=2, batch_size=2))
    run_options = RunOptions(
        annotations, videos=tmp_path / "pictures", start=str(tmp_path / "start"), device="cpu"
    )
    finished = run(made, tmp_path / "out", run_options)
    assert finished is not None
    trained, started = load(tmp_path / "out" / "model"), load(tmp_path / "start")
    frozen, learned = "encoder.vision_model.stem.weight", "encoder.visual_projection.weight"
    assert torch.equal(trained.state_dict()[frozen], started.state_dict()[frozen])
    assert not torch.equal(trained.state_dict()[learned], started.state_dict()[learned])
    assert (tmp_path / "out" / "closed-form").is_dir()


def test_the_recipe_everyday_starts_from_the_bundled_model() -> None:
    made = recipe("everyday")
    assert isinstance(made, PairRecipe)
    assert made.towers == EVERYDAY
    assert made.model.max_frames == load(EVERYDAY).num_frames


class _From:
    """A source of this kind, without clips."""

    def __init__(self, source: str) -> None:
        self.description: Mapping[str, str] = {"source": source}

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        return {}

    def read(self, videos: Sequence[str]) -> ClipArrays:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("asked", "source", "device", "expected"),
    [
        (None, "videos", "cpu", {0}),
        (None, "features", "cuda", {0}),
        (None, "videos", "cuda", {1, 2, 3, 4}),
        (2, "features", "cpu", {2}),
        (0, "videos", "cuda", {0}),
    ],
)
def test_workers_are_for_a_gpu_that_would_wait(
    asked: int | None, source: str, device: str, expected: set[int]
) -> None:
    assert workers_for(asked, _From(source), device) in expected
