"""`finereel import`."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from finereel.models import saving as models
from tiny_directories import write_open_clip
from tiny_models import FRAMES, WORDS, official_peer_state, official_state, tiny_tokenizer

SIZES = ("--max-words", WORDS, "--max-frames", FRAMES)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    source = tmp_path / "ts2net.safetensors"
    save_file(official_peer_state("ts2net"), source)
    return source


def test_import_writes_a_model_and_says_what_became_of_the_tensors(
    run: Any, tmp_path: Path, checkpoint: Path
) -> None:
    result = run("import", "ts2net", checkpoint, tmp_path / "model", *SIZES, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["kind"], report["scorer"], report["missing"]) == ("ts2net", "token", [])
    assert report["ignored"] == [
        "text_token_selector.in.weight",
        "visual_prompt_encoder.conv1.weight",
    ]
    assert report["mapped"]["clip.logit_scale"] == ["encoder.clip.logit_scale"]
    assert report["geometry"]["temporal"] == "tokenTransf"
    assert models.load(tmp_path / "model").fingerprint == report["fingerprint"]


def test_import_prints_geometry_scorer_and_what_was_left_out(run: Any, tmp_path: Path) -> None:
    source = tmp_path / "ucofia.safetensors"
    vocabulary = tiny_tokenizer()
    save_file(official_state(vocab_size=vocabulary.vocab_size, scorer="B"), source)
    vocabulary.save(tmp_path / "clip")
    result = run("import", "ucofia", source, tmp_path / "model", "--tokenizer", tmp_path / "clip")
    assert result.exit_code == 0, result.stderr
    lines = {line.split("  ")[0]: line.rstrip() for line in result.stdout.splitlines()}
    assert lines["patch scorer"].endswith("frame_video")
    assert lines["shifted blocks"].endswith("10, 11")
    assert "4 (left out" in lines["ignored"]
    assert "word_logit_weight" in lines["ignored"]
    assert lines["missing"].endswith("none")
    assert result.stderr == ""
    assert models.load(tmp_path / "model").tokenizer is not None


def test_a_wrong_tensor_is_an_error_until_it_is_allowed(run: Any, tmp_path: Path) -> None:
    source = tmp_path / "drl.safetensors"
    state = official_peer_state("drl") | {"extra.one": torch.zeros(1)}
    save_file(
        {name: tensor for name, tensor in state.items() if name != "text_weight_fc.2.bias"}, source
    )
    command = ("import", "drl", source, tmp_path / "model", *SIZES)
    result = run(*command)
    assert result.exit_code == 1
    assert "missing text_weight_fc.2.bias; unexpected extra.one" in result.stderr
    assert not (tmp_path / "model").exists()
    result = run(*command, "--allow", "extra.*", "--allow", "text_weight_fc.2.bias")
    assert result.exit_code == 0, result.stderr
    assert "1 (allowed; these parts are untrained): text_weight_fc.2.bias" in result.stdout
    assert "no tokenizer" in result.stderr
    assert models.load(tmp_path / "model").card["untrained"] == ["text_weight_fc.2.bias"]


def test_unknown_kinds_and_missing_files_are_named(
    run: Any, tmp_path: Path, checkpoint: Path
) -> None:
    result = run("import", "blip", checkpoint, tmp_path / "model")
    assert (
        result.exit_code,
        "clip4clip, drl, dual, open_clip, ts2net, ucofia, xclip" in result.stderr,
    ) == (1, True)
    result = run("import", "ucofia", tmp_path / "none.bin", tmp_path / "model")
    assert (result.exit_code, "no checkpoint at" in result.stderr) == (1, True)


def test_an_open_clip_folder_is_imported(run: Any, tmp_path: Path) -> None:
    write_open_clip(tmp_path / "given")
    tokenizer = ("--tokenizer", tmp_path / "given", "--max-words", 9, "--max-frames", 3)
    result = run(
        "import", "open_clip", tmp_path / "given", tmp_path / "model", *tokenizer, "--json"
    )
    report = json.loads(result.stdout)
    assert (report["kind"], report["missing"]) == ("open_clip", [])
    model = models.load(tmp_path / "model")
    assert model.fingerprint == report["fingerprint"]
    assert (model.config.max_words, model.num_frames) == (9, 3)


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        ("dual", "--temporal"),
        ("open_clip", "--text"),
        ("ucofia", "--text"),
        ("dual", "--tokenizer"),
        ("dual", "--variant"),
        ("open_clip", "--interaction"),
        ("ucofia", "--interaction"),
    ],
)
def test_an_option_of_another_kind_is_refused(
    run: Any, checkpoint: Path, tmp_path: Path, kind: str, option: str
) -> None:
    result = run("import", kind, checkpoint, tmp_path / "model", option, "meanP")
    assert result.exit_code == 1
    assert f"import {kind} does not read {option}" in result.stderr
