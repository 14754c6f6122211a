"""What a CLIP directory says of its tokenizer."""

import json
from pathlib import Path
from typing import Any

import pytest

from finereel.errors import CheckpointError
from finereel.text.settings import most_tokens
from tiny_models import tiny_tokenizer


def stated(folder: Path, settings: Any) -> Path:
    tiny_tokenizer().save(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize(
    ("settings", "longest"),
    [({}, 1 << 30), ({"model_max_length": 77}, 77), ({"model_max_length": 1e30}, 1 << 30)],
)
def test_the_longest_text(tmp_path: Path, settings: dict[str, Any], longest: int) -> None:
    assert most_tokens(stated(tmp_path, settings)) == longest
    (tmp_path / "tokenizer_config.json").unlink()
    assert most_tokens(tmp_path) == 1 << 30


def test_usual_settings_pass(tmp_path: Path) -> None:
    end = {"__type": "AddedToken", "content": "<|endoftext|>"}
    usual = {
        "tokenizer_class": "CLIPTokenizer",
        "bos_token": "<|startoftext|>",
        "eos_token": end,
        "pad_token": "!",
    }
    assert (
        most_tokens(stated(tmp_path, {**usual, "do_lower_case": True, "model_max_length": 77}))
        == 77
    )
    assert (
        most_tokens(
            stated(tmp_path, {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 9})
        )
        == 9
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"bos_token": "<s>"}, "bos_token"),
        ({"eos_token": {"content": "</s>"}}, "eos_token"),
        ({"model_max_length": 1}, "model_max_length"),
        ({"model_max_length": "long"}, "model_max_length"),
        ([], "object"),
    ],
)
def test_what_is_not_supported_says_so(tmp_path: Path, settings: Any, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        most_tokens(stated(tmp_path, settings))


def test_a_tokenizer_that_keeps_upper_case_is_refused(tmp_path: Path) -> None:
    folder = stated(tmp_path, {"tokenizer_class": "PreTrainedTokenizerFast"})
    values = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**values, "normalizer": {"type": "NFC"}}))
    with pytest.raises(CheckpointError, match="upper case"):
        most_tokens(folder)
