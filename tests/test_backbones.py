"""Other backbones end to end: directories that `transformers` made, and an object with the `encode`
of sentence-transformers, indexed and searched in processes of their own.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from finereel import recipes
from finereel.config import ModelConfig
from finereel.models.retrieval import RetrievalModel
from finereel.recipes.overrides import with_values
from finereel.recipes.run_dataset import model_on_towers
from support.media import BLUE, RED, Recipe, make_video
from support.processes import finereel
from tiny_directories import chinese_clip, siglip, siglip2
from tiny_encoders import tiny_dual, tiny_word_pieces

MAKERS = {"siglip": siglip, "siglip2": siglip2, "chinese_clip": chinese_clip}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name, colour in (("red", RED), ("blue", BLUE)):
        make_video(folder / f"{name}.mp4", Recipe(colour=colour))
    return folder


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("siglip", marks=pytest.mark.slow),
        "siglip2",
        pytest.param("chinese_clip", marks=pytest.mark.slow),
    ],
)
def test_a_directory_of_transformers_is_indexed_and_searched(
    tmp_path: Path, videos: Path, kind: str
) -> None:
    make: Callable[[Path], Any] = MAKERS[kind]
    make(tmp_path / "model")
    library = ("--library", "library")
    indexed = finereel(tmp_path, "index", str(videos), "--model", "model", *library)
    assert indexed["indexed"] == 2
    hits = finereel(tmp_path, "search", "a red car", *library)
    assert {Path(hit["video"]).stem for hit in hits} == {"red", "blue"}
    assert set(hits[0]["parts"]) == {"video_sentence", "frame_sentence"}
    assert finereel(tmp_path, "search", "a red car", *library) == hits


SEARCHED_BY_COLOUR = """
import sys
from pathlib import Path
import numpy as np
from finereel import Library
from finereel.models.encoders.sentence_transformers import SentenceTransformerModel

class Colours:
    def encode(self, inputs):
        names = ("red", "green", "blue")
        return [
            np.array([float(name in one) for name in names] if isinstance(one, str)
                     else np.asarray(one).reshape(-1, 3).mean(0) / 255, np.float32)
            for one in inputs
        ]

library = Library.open("library", model=SentenceTransformerModel(Colours(), name="colours"))
if sys.argv[1] == "add":
    print(library.add([sys.argv[2]]).indexed)
else:
    print(*(Path(hit.video).stem for hit in library.search(sys.argv[2])))
library.close()
"""


def test_an_object_with_encode_is_indexed_and_searched(tmp_path: Path, videos: Path) -> None:
    def run(*arguments: str) -> list[str]:
        command = [sys.executable, "-c", SEARCHED_BY_COLOUR, *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.split()

    assert run("add", str(videos)) == ["2"]
    assert run("search", "a red car") == ["red", "blue"]
    assert run("search", "something blue") == ["blue", "red"]


def test_two_backbones_are_evaluated_on_saved_tokens_and_search(
    tmp_path: Path, videos: Path
) -> None:
    model = RetrievalModel(
        tiny_dual(), ModelConfig(16, 4, (), "meanP", 1), tiny_word_pieces(), "dual"
    )
    model.save(tmp_path / "dual", dtype=torch.int8)
    table = "video,caption,id,split\nred,a red car jumps,r,test\nblue,a blue fish,b,test\n"
    (tmp_path / "captions.csv").write_text(table)
    where = ("--annotations", "captions.csv", "--videos", str(videos))
    tokens = [sys.executable, "-m", "finereel", "data", "tokens", "folder", "tokens"]
    subprocess.run([*tokens, "--model", "dual", *where], cwd=tmp_path, check=True, timeout=300)
    data = ("--data", "folder", "--device", "cpu", "--model", "dual")
    direct = finereel(tmp_path, "evaluate", *data, *where)
    saved = finereel(tmp_path, "evaluate", *data, *where[:2], "--features", "tokens")
    assert direct["model"]["fingerprint"] == saved["model"]["fingerprint"]
    assert set(direct["results"]["text_to_video"]) == set(saved["results"]["text_to_video"])
    library = ("--library", "library")
    assert finereel(tmp_path, "index", str(videos), "--model", "dual", *library)["indexed"] == 2
    hits = finereel(tmp_path, "search", "a red car", *library)
    assert set(hits[0]["parts"]) == {"video_sentence", "frame_sentence", "patch_word"}


def test_a_recipe_builds_its_head_on_two_backbones() -> None:
    recipe = with_values(recipes.recipe("folder"), {"max_words": "16"})
    towers = RetrievalModel(tiny_dual(), ModelConfig(16, 4, ()), tiny_word_pieces(), "dual")
    model = model_on_towers(recipe, towers)
    assert model.encoder is towers.encoder
    assert model.config.shifted_blocks == ()
    assert model.patches is not None
