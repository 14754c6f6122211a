"""Model directories that are hostile or broken: a typed error before anything is allocated, or a
model that works.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from finereel.data.base import ClipArrays
from finereel.data.token_cache import cache_tokens
from finereel.errors import CheckpointError, ModelError
from finereel.models import saving as models
from finereel.models.encoders.features import FeatureEncoder, FeatureGeometry
from finereel.models.retrieval import RetrievalModel
from finereel.types import Frames
from tiny_models import (
    FRAMES,
    tiny_config,
    tiny_model,
    tiny_tokenizer,
    tiny_towers,
    transformers_clip,
)

Change = Callable[[Path], object]


def own(folder: Path) -> Path:
    models.save(tiny_model(), folder / "own")
    return folder / "own"


def plain_clip(folder: Path) -> Path:
    transformers_clip(tiny_towers(vocab_size=tiny_tokenizer().vocab_size)).save_pretrained(
        folder / "clip"
    )
    tiny_tokenizer().save(folder / "clip")
    return folder / "clip"


def of_features(folder: Path) -> Path:
    geometry = FeatureGeometry(32, 8, 6, 530, text_width=64, text_positions=16)
    made = RetrievalModel(
        FeatureEncoder(geometry), tiny_config(shifted_blocks=()), tiny_tokenizer()
    )
    models.save(made, folder / "features")
    return folder / "features"


def setting(place: str, value: Any, file: str = "config.json") -> Change:
    """A change of one setting in a file of JSON; the place `a.b` is the key b of the object a."""

    def change(folder: Path) -> None:
        described = json.loads((folder / file).read_text(encoding="utf-8"))
        *outer, last = place.split(".")
        reduce(lambda inner, key: inner[key], outer, described)[last] = value
        (folder / file).write_text(json.dumps(described), encoding="utf-8")

    return change


def tensors(edit: Callable[[dict[str, torch.Tensor]], object]) -> Change:
    def change(folder: Path) -> None:
        weights = {
            name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()
        }
        edit(weights)
        save_file(weights, folder / "model.safetensors")

    return change


@pytest.mark.parametrize(
    ("make", "place", "value"),
    [
        (own, "model", []), (own, "model", None), (own, "card", [1]), (own, "clip", 7), (own, "version", [[]]),
        (own, "model.temporal_layers", 10_000), (own, "model.temporal_layers", -1), (own, "model.temporal_layers", 100),
        (own, "model.max_frames", 10**9), (own, "model.max_frames", True), (own, "model.max_words", 1.5),
        (own, "model.max_words", 1), (own, "model.max_words", 1000), (own, "model.patches_per_frame", 10),
        (own, "model.shifted_blocks", "x"), (own, "model.shifted_blocks", [[1]]), (own, "model.shifted_blocks", [1.0]),
        (own, "model.shifted_blocks", [1] * 1000), (own, "model.weights", [1]), (own, "model.weights", {"x": 1.0}),
        (own, "model.weights", {"video_sentence": None}), (own, "model.weights", {"video_sentence": float("nan")}),
        (own, "model.weights", {"video_sentence": 0.0}), (own, "model.temporal", ["meanP"]),
        (own, "model.head", "evil"),
        (own, "model.head", {}), (own, "model.aggregation", 3), (own, "model.fine", 7), (own, "model.fine", [1]),
        (own, "model.fine", {"visual_prompts": 10**9}), (own, "model.fine", {"text_prompts": "x"}),
        (own, "clip.text_config.num_hidden_layers", 1_000_000), (own, "clip.projection_dim", 16_384),
        (plain_clip, "text_config", 7), (plain_clip, "text_config.vocab_size", 1_000_000),
        (plain_clip, "vision_config.num_hidden_layers", 10**6), (plain_clip, "vision_config.hidden_size", 10**6),
        (plain_clip, "vision_config.intermediate_size", 65_536), (plain_clip, "vision_config.image_size", 1_000_000),
        (plain_clip, "vision_config.hidden_act", "x"), (plain_clip, "text_config.num_attention_heads", 0),
        (plain_clip, "model_type", ["clip"]), (plain_clip, "text_config.max_position_embeddings", 1_000_000),
        (of_features, "features", {}), (of_features, "features.dim", 0), (of_features, "features.hidden", 10**12),
        (of_features, "features.token_dim", "8"), (of_features, "features.text_blocks", 1_000_000),
        (of_features, "features.text_width", 200), (of_features, "features.dropout", float("nan")),
        (of_features, "features.backbone", 7), (of_features, "features.tokens_per_frame", 2),
        (of_features, "model.max_frames", 10**6), (of_features, "features.vocab_size", 1),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit(
    tmp_path: Path, make: Callable[[Path], Path], place: str, value: Any
) -> None:
    folder = make(tmp_path)
    setting(place, value)(folder)
    began = time.process_time()
    with pytest.raises(ModelError) as caught:
        models.load(folder)
    assert time.process_time() - began < 2
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (setting("model.vocab", [], "tokenizer.json"), "expected a vocabulary"),
        (setting("model.vocab.a", -1, "tokenizer.json"), "token 'a' has the id -1"),
        (setting("model.vocab.a", 2**40, "tokenizer.json"), "expected 0 to"),
        (setting("model.vocab.a", True, "tokenizer.json"), "has the id True"),
        (
            setting("model.vocab.a", 5000, "tokenizer.json"),
            "ids up to 5000, the text tower knows 530",
        ),
        (setting("model.merges", 7, "tokenizer.json"), "merges, got 7"),
        (setting("model.merges", [["a", "b", "c"]], "tokenizer.json"), "merges of two tokens"),
        (setting("model.merges", ["q zz"], "tokenizer.json"), "makes no byte-level BPE"),
        (setting("model", None, "tokenizer.json"), "describes no BPE"),
        (
            setting("model.type", "Unigram", "tokenizer.json"),
            "of type .Unigram.: expected one of BPE",
        ),
        (setting("added_tokens", [{"id": -5, "content": "x"}], "tokenizer.json"), "has the id -5"),
        (setting("added_tokens", [7], "tokenizer.json"), "has the id None"),
        (lambda folder: (folder / "tokenizer.json").write_bytes(b"[" * 10**6), "levels of JSON"),
        (
            lambda folder: os.truncate(folder / "tokenizer.json", 1 << 30),
            "at most 16 MiB, got 1024",
        ),
        (lambda folder: os.truncate(folder / "config.json", 1 << 30), "at most 1 MiB, got 1024"),
        (lambda folder: (folder / "config.json").unlink(), "config.json is not there"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is not there"),
        (
            tensors(lambda weights: weights["head.word_projection"].fill_(float("nan"))),
            "not finite",
        ),
        (
            tensors(lambda weights: weights["encoder.clip.logit_scale"].fill_(1000.0)),
            "logit_scale is 1e",
        ),
        (tensors(lambda weights: weights.update({"x\n\x1b[2J": torch.zeros(1)})), "unexpected 'x"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, change: Change, message: str) -> None:
    folder = own(tmp_path)
    change(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        models.load(folder)
    assert "\n" not in str(caught.value)


def test_a_regular_expression_without_end_is_never_asked(tmp_path: Path) -> None:
    folder = own(tmp_path)
    for place in ("normalizer", "pre_tokenizer"):
        pattern = {"type": "Split", "pattern": {"Regex": "(a|aa)+$"}, "behavior": "Isolated"}
        setting(place, pattern, "tokenizer.json")(folder)
    began = time.process_time()
    models.load(folder).encode_text(["a" * 5000 + "!"])
    assert time.process_time() - began < 2


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", ""])
def test_names_that_no_folder_has(name: str) -> None:
    with pytest.raises(ModelError):
        models.load(name)


def frames() -> Frames:
    return Frames(np.full((2, 21, 21, 3), 200, np.uint8), np.arange(2.0))


def poisoned(name: str, value: float) -> RetrievalModel:
    model = tiny_model()
    with torch.no_grad():
        dict(model.named_parameters())[name].fill_(value)
    return model


def test_features_that_are_not_finite_are_no_features(tmp_path: Path) -> None:
    """Weights may be finite and too large all the same."""
    model = poisoned("encoder.clip.visual_projection.weight", 3e38)
    with pytest.raises(ModelError, match="features that are not finite"):
        model.encode_video([frames()])
    pixels = np.full((1, FRAMES, 21, 21, 3), 200, np.uint8)
    with pytest.raises(ModelError, match="features that are not finite"):
        model.encode_clips(pixels, np.ones((1, FRAMES), bool))
    with pytest.raises(ModelError, match="not finite"):
        cache_tokens(model, ["a"], OneClip(pixels), tmp_path)
    with pytest.raises(ModelError, match="sentence features that are not finite"):
        poisoned("encoder.clip.text_projection.weight", 3e38).encode_text(["a red car"])


class OneClip:
    """A source of the same clip, whatever it is asked for."""

    description: ClassVar[Mapping[str, str]] = {}

    def __init__(self, pixels: np.ndarray) -> None:
        self.clips = ClipArrays(pixels, np.ones(pixels.shape[:2], bool))

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        return {}

    def read(self, videos: Sequence[str]) -> ClipArrays:
        return self.clips


def test_scores_that_are_not_finite_are_no_scores() -> None:
    model = tiny_model()
    text, video = model.encode_text(["a red car"]), model.encode_video([frames()])
    large = poisoned("head.sentence_projection", 3e38)
    with pytest.raises(ModelError, match="video_sentence scores that are not finite"):
        large.score(text, video)
    assert large.train().score(text, video).fused.shape == (1, 1)  # training looks at its loss


SURFACES = {
    "index": ["index", "VIDEOS", "--library", "LIBRARY", "--model", "MODEL"],
    "import": ["import", "ucofia", "CHECKPOINT", "OUT"],
}


def test_every_surface_says_one_line(tmp_path: Path) -> None:
    """In processes of their own: a message on stderr, status 1, no traceback."""
    folder = plain_clip(tmp_path)
    setting("vision_config.num_hidden_layers", 1_000_000)(folder)
    (tmp_path / "evil.bin").write_bytes(
        f"cposix\nsystem\n(S'touch {tmp_path}/canary'\ntR.".encode()
    )
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"0" * 100)
    places = {"MODEL": folder, "VIDEOS": tmp_path / "videos", "CHECKPOINT": tmp_path / "evil.bin"}
    places |= {"LIBRARY": tmp_path / "library", "OUT": tmp_path / "out"}
    said = {}
    for name, words in SURFACES.items():
        command = [
            sys.executable,
            "-m",
            "finereel",
            *(str(places.get(word, word)) for word in words),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said[name] = (
            done.returncode,
            done.stdout,
            len(done.stderr.strip().splitlines()),
            done.stderr[:7],
        )
    assert said == dict.fromkeys(SURFACES, (1, "", 1, "error: "))
    assert not (tmp_path / "canary").exists()
