"""Models of sentence-transformers search a library, and a model of ours loads there: the same
scores, in processes of their own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from finereel.bridges.sentence_transformers import export, lost
from finereel.data.frames import FrameSettings, FrameStore
from finereel.errors import ConfigError, ModelError, ModelNotFoundError
from finereel.models.choice import require_here
from finereel.models.encoders.sentence_transformers import open_named
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from support.media import BLUE, RED, Recipe, make_video
from support.processes import finereel
from test_plain_clip import make_clip
from tiny_models import tiny_model

TEXTS = ["a red car jumps over the house", "a small blue fish"]
ENCODE = """
import json, pickle, sys
import numpy as np
from PIL import Image
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], trust_remote_code=True, device="cpu", local_files_only=True)
files = sys.argv[2:]
texts, videos = model.encode(json.loads(sys.stdin.read())), model.encode(files)
named = model.encode([{"video": file} for file in files])
pictures = model.encode([[Image.new("RGB", (40, 30), (200, 30, 30))] * 3])
model.save(sys.argv[1] + "-again")
assert pickle.loads(pickle.dumps(type(model[0]))) is type(model[0])
array = model.encode([np.full((3, 30, 40, 3), (200, 30, 30), np.uint8)])
found = {"scores": model.similarity(texts, videos), "named": named - videos, "array": array - pictures}
print(json.dumps({name: np.asarray(value).tolist() for name, value in found.items()}))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("videos")
    moving = make_video(folder / "grey.mp4", Recipe(frames=100))
    return [
        make_video(folder / "red.mp4", Recipe(colour=RED)),
        make_video(folder / "blue.mp4", Recipe(colour=BLUE)),
        moving,
    ]


def scored(model: RetrievalModel, files: list[Path], cache: Path) -> Any:
    """video_sentence as `finereel evaluate` has it, without the scale."""
    settings = FrameSettings(
        model.num_frames, model.encoder.image_size, preprocessing=model.encoder.preprocessing
    )
    clips = FrameStore(files[0].parent, cache, settings).read([file.stem for file in files])
    text = model.encode_text(TEXTS)
    parts = model.score(text, model.encode_clips(clips.frames, clips.frame_mask)).parts
    return (parts["video_sentence"] / model.encoder.scale).detach().numpy()


def test_another_process_gives_the_same_scores(files: list[Path], tmp_path: Path) -> None:
    model = load("reelworld-tiny")
    missing = export(model, tmp_path / "out")
    assert "frame_sentence" in missing
    assert "fused score" in missing
    done = subprocess.run(
        [sys.executable, "-c", ENCODE, tmp_path / "out", *files],
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = {name: np.array(value) for name, value in json.loads(done.stdout).items()}
    expected = scored(load(tmp_path / "out"), files, tmp_path / "cache")
    np.testing.assert_allclose(found["scores"], expected, atol=1e-5)
    np.testing.assert_allclose(scored(model, files, tmp_path / "cache"), expected, atol=1e-6)
    assert np.abs(expected - expected[0, 0]).max() > 1e-2
    assert np.abs(found["named"]).max() == 0
    assert np.abs(found["array"]).max() < 1e-6
    assert missing in (tmp_path / "out" / "README.md").read_text("utf-8")
    saved = json.loads((tmp_path / "out-again" / "modules.json").read_text("utf-8"))
    assert saved == json.loads((tmp_path / "out" / "modules.json").read_text("utf-8"))
    assert load(tmp_path / "out-again").fingerprint == model.fingerprint


def test_what_no_vector_can_stand_for_is_refused(tmp_path: Path) -> None:
    alone = tiny_model(weights={"video_sentence": 1.0})
    assert lost(alone).startswith("nothing")
    patches = tiny_model(weights={"patch_word": 1.0})
    with pytest.raises(ModelError, match=r"no video_sentence score \(patch_word\)"):
        export(patches, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_is_lost(run: Any, tmp_path: Path) -> None:
    done = run("models", "export", "reelworld-tiny", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert "trust_remote_code=True" in done.stdout
    assert "lost there: frame_sentence, patch_word" in done.stderr
    assert torch.equal(
        load(tmp_path / "out").encode_text(TEXTS).sentence,
        load("reelworld-tiny").encode_text(TEXTS).sentence,
    )
    assert run("models", "export", "reelworld-tiny").exit_code == 2


def test_notices_of_rights_go_along(tmp_path: Path) -> None:
    (tmp_path / "NOTICE.md").write_text("of somebody", "utf-8")
    export(tiny_model(), tmp_path / "out", tmp_path)
    assert (tmp_path / "out" / "NOTICE.md").read_text("utf-8") == "of somebody"
    (tmp_path / "out" / "README.md").write_text("mine", "utf-8")
    with pytest.raises(ModelError, match="written by somebody"):
        export(tiny_model(), tmp_path / "out")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random CLIP with all that sentence-transformers needs."""
    folder = make_clip(tmp_path_factory.mktemp("st") / "clip")
    size, crop = {"shortest_edge": 48}, {"height": 48, "width": 48}
    CLIPImageProcessorPil(size=size, crop_size=crop).save_pretrained(folder)
    CLIPTokenizer.from_pretrained(folder).save_pretrained(folder)
    return folder


def test_a_library_with_a_model_of_sentence_transformers(
    clip: Path, files: list[Path], tmp_path: Path
) -> None:
    videos = str(files[0].parent)
    named = ("--library", "lib")
    report = finereel(tmp_path, "index", videos, *named, "--model", f"st:{clip}")
    assert report["indexed"] == len(files)
    assert finereel(tmp_path, "status", *named)["model"] == f"st:{clip}"
    hits = finereel(tmp_path, "search", TEXTS[0], *named)
    model = open_named(f"st:{clip}")
    from PIL import Image

    red = model._pictures.encode([Image.new("RGB", (64, 48), RED)])[0]
    blue = model._pictures.encode([Image.new("RGB", (64, 48), BLUE)])[0]
    text = model._texts.encode([TEXTS[0]])[0]
    cosines = {
        name: 100 * vector @ text / np.linalg.norm(vector) / np.linalg.norm(text)
        for name, vector in (("red.mp4", red), ("blue.mp4", blue))
    }
    found = {Path(hit["video"]).name: hit["score"] for hit in hits}
    for name, value in cosines.items():
        assert found[name] == pytest.approx(value, abs=0.6)  # colours went through a codec
    assert abs(cosines["red.mp4"] - cosines["blue.mp4"]) > 2


def test_models_that_are_not_there(
    clip: Path, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = run("index", tmp_path, "--library", tmp_path / "lib", "--model", f"st:{tmp_path}/none")
    assert f"the model directory {tmp_path}/none does not exist" in asked.stderr
    assert require_here(f"st:{clip}") == f"st:{clip}"
    with pytest.raises(ModelNotFoundError, match="nobody/nothing"):
        require_here("st:nobody/nothing")
    with pytest.raises(ModelNotFoundError, match="--scorer sentence-transformers"):
        load(f"st:{clip}")
    export(tiny_model(), tmp_path / "own")
    with pytest.raises(ModelError, match="references the module class"):
        open_named(f"st:{tmp_path / 'own'}")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ConfigError, match=r"pip install 'finereel\[sentence-transformers\]'"):
        open_named(f"st:{clip}")
