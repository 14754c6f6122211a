"""A plain CLIP directory, as `transformers` saves it: every command in a process of its own, and
one fingerprint.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from finereel import recipes
from finereel.config import FineConfig, ModelConfig
from finereel.errors import FinereelError
from finereel.finegrain.files import write_negatives
from finereel.finegrain.types import Negative
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import keep_patches, load, save
from finereel.recipes.base import PairRecipe
from finereel.recipes.overrides import Changes, changed, with_values
from finereel.recipes.run_dataset import model_on_towers
from finereel.types import Frames
from support.media import BLUE, GREEN, RED, Recipe, make_video
from support.processes import anew, finereel
from tiny_models import tiny_model, tiny_tokenizer


def make_clip(folder: Path, **text: Any) -> Path:
    """A CLIP of random weights, 48 pixels, as `save_pretrained` leaves it."""
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    size = tokenizer.vocab_size
    shared = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
    }
    ends = {"vocab_size": size, "bos_token_id": size - 2, "eos_token_id": size - 1}
    config = CLIPConfig(
        text_config={**shared, **ends, **text},
        vision_config={**shared, "image_size": 48, "patch_size": 16},
        projection_dim=24,
    )
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save(folder)
    return folder


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model `clip`, `videos/{red,blue}.mp4`, `later/green.mp4`, captions and
    negatives.
    """
    folder = tmp_path_factory.mktemp("plain")
    make_clip(folder / "clip")
    for place, colour in (("videos/red", RED), ("videos/blue", BLUE), ("later/green", GREEN)):
        (folder / place).parent.mkdir(exist_ok=True)
        make_video(folder / f"{place}.mp4", Recipe(colour=colour))
    (folder / "captions.txt").write_text("a red car\na small blue fish\na man is cooking\n")
    table = "video,caption,id,split\nred,a red car jumps,r,test\nblue,a small blue fish,b,test\n"
    (folder / "videos" / "captions.csv").write_text(table)
    other = Negative(
        "n",
        "red",
        "r",
        "a red car jumps",
        "a blue car jumps",
        "adjective",
        2,
        5,
        "red",
        "blue",
        "random",
    )
    write_negatives([other], folder / "negatives.jsonl")
    return folder


def test_every_command_on_a_library_in_a_process_of_its_own(here: Path) -> None:
    library = ("--library", "library")

    def search() -> list[tuple[str, float]]:
        return [
            (Path(hit["video"]).stem, hit["score"])
            for hit in finereel(here, "search", "a red car", *library)
        ]

    assert finereel(here, "index", "videos", "--model", "clip", *library)["indexed"] == 2
    two = search()
    assert {name for name, _ in two} == {"red", "blue"}
    report = finereel(here, "index", "videos", "later", *library)
    assert (report["indexed"], report["unchanged"]) == (1, 2)
    three = search()
    assert {name for name, _ in three} == {"red", "blue", "green"}
    assert dict(three).items() >= dict(two).items()
    described = finereel(here, "describe", "videos/red.mp4", "--captions", "captions.txt", *library)
    assert next(
        hit["score"] for hit in described if hit["caption"] == "a red car"
    ) == pytest.approx(dict(three)["red"])
    finereel(here, "rebuild", "--model", "clip", *library)
    assert search() == three
    finereel(here, "normalize", "--captions", "captions.txt", *library)
    assert {name for name, _ in search()} == {"red", "blue", "green"}
    finereel(here, "remove", "videos/blue.mp4", *library)
    assert {name for name, _ in search()} == {"red", "green"}
    assert finereel(here, "status", *library)["videos"] == 2


@pytest.mark.parametrize("model", ["clip", "reelworld-tiny"])
def test_explain_in_a_process_of_its_own(here: Path, model: str) -> None:
    library = ("--library", f"explained-{model}")
    finereel(here, "index", "videos", "--model", model, *library)
    found = anew(here, "explain", "a red car jumps", "1", "--picture", f"{model}.png", *library)
    assert sum(found["hit"]["parts"].values()) == pytest.approx(found["hit"]["score"], abs=1e-4)
    words = {word["word"]: word for word in found["words"]}
    assert words.keys() == {"red", "car", "jumps"}
    judged = {word["verdict"] for word in found["words"]} - {"undecided", "not checked"}
    assert model == "reelworld-tiny" or not judged  # a plain CLIP has no record of words
    assert (here / f"{model}.png").stat().st_size > 1000


def test_the_check_of_a_bundled_model_in_a_process_of_its_own(here: Path) -> None:
    found = anew(here, "explain", "--check", "--model", "reelworld-tiny", "--scenes", "2")
    assert found["scenes"] == 2
    assert set(found["places"]) == set(found["places_95"]) >= {"deletion", "pointing"}
    plain = anew(here, "explain", "--check", "--model", "clip", "--scenes", "2")
    assert "patches" in plain["no_places"]


def test_evaluations_in_processes_of_their_own_share_a_cache(here: Path) -> None:
    data = (
        "--data",
        "folder",
        "--annotations",
        "videos/captions.csv",
        "--videos",
        "videos",
        "--device",
        "cpu",
    )
    runs, kept = [], []
    for _ in range(2):
        runs.append(anew(here, "evaluate", "--model", "clip", *data, "--cache", "features"))
        kept.append({path: path.stat().st_mtime_ns for path in (here / "features").rglob("*.*")})
    assert runs[0]["model"]["fingerprint"] == runs[1]["model"]["fingerprint"]
    assert runs[0]["results"] == runs[1]["results"]
    assert kept[0] == kept[1] != {}
    fine = ("finegrain", "evaluate", "--model", "clip", "--negatives", "negatives.jsonl", *data)
    assert finereel(here, *fine, "--blind", "none")["results"]["adjective"]["captions"] == 1


def test_a_plain_clip_makes_and_stores_no_patches(here: Path) -> None:
    model = load(here / "clip")
    assert not any(name.startswith("patches") for name in model.state_dict())
    assert (model.patches, model.num_patches, model.num_contextual) == (None, 0, 0)


def test_the_fingerprint_is_the_same_wherever_the_directory_stands(
    here: Path, tmp_path: Path
) -> None:
    shutil.copytree(here / "clip", tmp_path / "copy")
    torch.manual_seed(1)
    found = {
        load(here / "clip").fingerprint,
        load(tmp_path / "copy").fingerprint,
        load(here / "clip").fingerprint,
    }
    assert len(found) == 1


def test_a_recipe_on_a_plain_clip_starts_the_same_whatever_was_drawn_before(here: Path) -> None:
    recipe = with_values(recipes.recipe("folder"), {"max_words": "6"})
    models = []
    for seed in (5, 6):
        torch.manual_seed(seed)
        models.append(model_on_towers(recipe, load(here / "clip")))
    assert models[0].patches is not None
    assert models[0].fingerprint == models[1].fingerprint
    other = changed(recipe, Changes(seed=1))
    assert isinstance(other, PairRecipe)
    assert model_on_towers(other, load(here / "clip")).fingerprint != models[0].fingerprint


@pytest.mark.parametrize("temporal", ["seqLSTM", "seqTransf", "tokenTransf"])
def test_untrained_parts_start_the_same_whatever_was_drawn_before(
    here: Path, temporal: str
) -> None:
    encoder, fine = load(here / "clip").encoder, FineConfig(visual_prompts=1, text_prompts=1)
    config = ModelConfig(
        max_words=6, shifted_blocks=(), temporal=temporal, temporal_layers=1, fine=fine
    )  # type: ignore[arg-type]
    states = [torch.random.get_rng_state()]
    first = RetrievalModel(encoder, config).fingerprint
    assert torch.equal(torch.random.get_rng_state(), states[0])
    torch.rand(3)
    assert RetrievalModel(encoder, config).fingerprint == first
    assert RetrievalModel(encoder, config, seed=1).fingerprint != first


@pytest.mark.slow
def test_a_hundred_loads_in_ten_processes_give_one_fingerprint(here: Path) -> None:
    program = (
        "from finereel.models.saving import load\nfor _ in range(10): "
        "print(load('clip').fingerprint)"
    )
    found = []
    for number in range(10):
        environment = {**os.environ, "PYTHONHASHSEED": str(number)}
        command = [sys.executable, "-c", program]
        done = subprocess.run(
            command, cwd=here, capture_output=True, text=True, check=True, env=environment
        )
        found += done.stdout.split()
    assert len(found) == 100
    assert len(set(found)) == 1


def test_models_saved_with_patches_that_nothing_reads_stay_as_they_are(tmp_path: Path) -> None:
    """Version 0.1 saved the patch scorer of every ucofia model: its fingerprint and its libraries
    hold patches.
    """
    model = tiny_model(weights={"video_sentence": 1.0})
    assert (model.patches, model.num_patches) == (None, 0)
    keep_patches(model)
    save(model, tmp_path)
    again = load(tmp_path)
    assert again.num_patches == model.config.num_patches
    assert again.fingerprint == model.fingerprint


# What the directory says of itself.


def theirs(folder: Path) -> Any:
    return CLIPModel.from_pretrained(folder).eval()


@pytest.mark.parametrize("end", [2, 5, 529], ids=["legacy", "another", "own"])
@torch.no_grad()
def test_sentences_are_read_where_transformers_reads_them(tmp_path: Path, end: int) -> None:
    folder = make_clip(tmp_path / "clip", eos_token_id=end)
    model, texts = (
        load(folder),
        ["a red car jumps over the house", "fish", "a man, a man & a fish!"],
    )
    rows = CLIPTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    wanted = theirs(folder).get_text_features(**rows).pooler_output
    torch.testing.assert_close(model.encode_text(texts).sentence, wanted, rtol=1e-5, atol=1e-5)
    save(model, tmp_path / "own")
    again = load(tmp_path / "own")
    assert again.fingerprint == model.fingerprint
    assert torch.equal(again.encode_text(texts).sentence, model.encode_text(texts).sentence)


@pytest.mark.parametrize(
    "act", ["gelu", "quick_gelu", "gelu_new", "gelu_10", "relu", "silu", "laplace", "relu2"]
)
@torch.no_grad()
def test_activations_and_norms_are_those_of_the_directory(tmp_path: Path, act: str) -> None:
    folder = make_clip(
        tmp_path / "clip", hidden_act=act, layer_norm_eps=1e-3, attention_dropout=0.1
    )
    texts = ["a red car jumps over the house"]
    rows = CLIPTokenizer.from_pretrained(folder)(texts, return_tensors="pt")
    wanted = theirs(folder).get_text_features(**rows).pooler_output
    torch.testing.assert_close(
        load(folder).encode_text(texts).sentence, wanted, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    "values", [{"hidden_act": "prelu"}, {"hidden_act": "nothing"}, {"eos_token_id": [5, 6]}]
)
def test_what_is_not_supported_is_a_typed_error(
    here: Path, tmp_path: Path, values: dict[str, Any]
) -> None:
    shutil.copytree(here / "clip", tmp_path / "clip")
    described = json.loads((tmp_path / "clip" / "config.json").read_text())
    described["text_config"].update(values)
    (tmp_path / "clip" / "config.json").write_text(json.dumps(described))
    with pytest.raises(FinereelError, match=next(iter(values))):
        load(tmp_path / "clip")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"size": 64, "crop_size": 48, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.3]},
        {"size": {"height": 48, "width": 48}, "do_center_crop": False, "resample": 2},
    ],
)
@torch.no_grad()
def test_frames_are_those_of_the_directorys_processor(
    here: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(here / "clip", folder)
    processor = CLIPImageProcessorPil(**{"size": 48, "crop_size": 48, **settings})
    processor.save_pretrained(folder)
    pixels = (
        np.random.default_rng(0)
        .integers(0, 256, (3, 9, 13, 3), dtype=np.uint8)
        .repeat(13, 1)
        .repeat(11, 2)
    )
    inputs = processor(list(pixels), return_tensors="pt")["pixel_values"]
    wanted = theirs(folder).get_image_features(inputs).pooler_output
    model = load(folder)
    video = model.encode_video([Frames(pixels, np.arange(3.0))])
    torch.testing.assert_close(video.frames[0, :3], wanted, rtol=1e-5, atol=1e-5)
    save(model, tmp_path / "own")
    again = load(tmp_path / "own")
    assert again.fingerprint == model.fingerprint
    assert torch.equal(again.encode_video([Frames(pixels, np.arange(3.0))]).frames, video.frames)


def test_statistics_are_part_of_the_fingerprint(here: Path, tmp_path: Path) -> None:
    shutil.copytree(here / "clip", tmp_path / "clip")
    CLIPImageProcessorPil(size=48, crop_size=48, image_mean=[0.5, 0.5, 0.5]).save_pretrained(
        tmp_path / "clip"
    )
    assert load(tmp_path / "clip").fingerprint != load(here / "clip").fingerprint
