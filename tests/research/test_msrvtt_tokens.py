"""The recipe of the tokens of key frames: the same again, and a change is seen."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from research.scripts.msrvtt_tokens import EXPECTED, compared, main
from safetensors.numpy import load_file, save_file
from tests.tiny_annotations import write_annotations
from tests.tiny_models import tiny_model

from finereel.data.features import FeatureStore
from finereel.models.saving import save
from places import ROOT


@pytest.fixture
def asked(tmp_path: Path) -> list[str]:
    """The arguments: a tiny model and three videos of two drawn key frames."""
    save(tiny_model(), tmp_path / "model")
    annotations = write_annotations("msrvtt_frames", tmp_path / "annotations")
    rng = np.random.default_rng(0)
    for video in ("video7", "video8", "video9"):
        folder = tmp_path / "pictures" / f"MSR-VTT-videoTestVideo_{video}-shot1_0"
        folder.mkdir(parents=True)
        pixels = rng.integers(0, 256, (24, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "concat_img1_img9.jpg")
    places = ("--annotations", annotations, "--videos", tmp_path / "pictures")
    return [str(part) for part in (tmp_path / "tokens", *places, "--model", tmp_path / "model")]


def test_the_same_pictures_give_the_same_tokens_and_a_change_is_told(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(asked)
    assert f"not as in docs/results ({EXPECTED})" in capsys.readouterr().out
    main([*asked, "--check", "3"])
    assert "3 of 3 clips are equal to the last bit; largest difference 0" in capsys.readouterr().out
    kept = FeatureStore(tmp_path / "tokens")
    assert compared(kept, kept) == (3, 0.0)
    [file] = (tmp_path / "tokens").glob("*.safetensors")
    arrays = load_file(file)
    arrays["tokens"][1, 0, 0, 0] += 1
    save_file(arrays, file, metadata={"ids": json.dumps(kept.ids)})
    main([*asked, "--check", "3"])
    assert "2 of 3 clips are equal" in capsys.readouterr().out


def test_the_hash_of_the_recipe_is_the_one_of_the_tables() -> None:
    tables = ROOT / "docs" / "results"
    page = (tables / "fine-grained-ucofia-everyday-tokens.md").read_text("utf-8")
    assert f"hash {EXPECTED}" in page
    assert EXPECTED in (tables / "experiments.md").read_text("utf-8")
