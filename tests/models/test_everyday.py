"""The bundled model of everyday things: what ships, and that it knows a cat from a cup."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finereel.index.evidence import records_of
from finereel.index.search import reading_of
from finereel.io import ASSETS
from finereel.models.choice import BUNDLED, EVERYDAY
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.types import Frames

FOLDER = BUNDLED[EVERYDAY]
MIB = 1 << 20
PHOTOS = {
    "a cat": "cat",
    "a cup of coffee": "coffee",
    "a man looking through a camera": "photographer",
    "a rocket at night": "rocket",
    "a temple by a lake": "temple",
}


@pytest.fixture(scope="module")
def everyday() -> RetrievalModel:
    return load(EVERYDAY)


def photo(name: str) -> Frames:
    pixels = np.asarray(Image.open(ASSETS / "demo" / f"{name}.jpg").convert("RGB"))
    return Frames(pixels[None], np.zeros(1))


def test_the_card_names_the_weights_that_ship() -> None:
    card = json.loads((FOLDER / "config.json").read_text())["card"]
    weights = (FOLDER / "model.safetensors").read_bytes()
    assert card["sha256"] == hashlib.sha256(weights).hexdigest()
    assert card["languages"] == ["English"]
    assert "for research" in card["rights"]


def test_its_record_of_words_is_no_part_of_its_fingerprint(
    everyday: RetrievalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, before = records_of(everyday.card), everyday.fingerprint
    assert records["noun"].judges
    assert not records["preposition"].judges  # it orders fewer than 60 % of pairs rightly
    monkeypatch.setattr(everyday, "card", {})
    monkeypatch.setattr(everyday, "_hashed", None)
    assert everyday.fingerprint == before


def test_it_is_small_and_holds_no_pickle() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 32 * MIB
    assert {path.name for path in files} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "NOTICE.md",
    }


def test_the_notices_of_both_networks_ship() -> None:
    notice = (FOLDER / "NOTICE.md").read_text()
    for part in ("EfficientNet-Lite0", "MiniLM", "Apache License 2.0", "Flickr8k", "MSR-VTT"):
        assert part in notice


def test_it_scores_all_three_granularities(everyday: RetrievalModel) -> None:
    assert set(everyday.config.weights) == {"video_sentence", "frame_sentence", "patch_word"}
    assert all(weight > 0 for weight in everyday.config.weights.values())


def test_every_photo_comes_first_for_its_words(everyday: RetrievalModel) -> None:
    video = everyday.encode_video([photo(name) for name in PHOTOS.values()])
    scores = everyday.score(everyday.encode_text(list(PHOTOS)), video).fused
    assert scores.argmax(1).tolist() == list(range(len(PHOTOS)))


def test_a_clip_does_not_depend_on_its_neighbours(everyday: RetrievalModel) -> None:
    together = everyday.encode_video([photo("cat"), photo("coffee")])
    alone = everyday.encode_video([photo("coffee")])
    assert (together.frames[1] == alone.frames[0]).all()


def test_loading_is_the_same_in_a_folder_of_its_own(
    everyday: RetrievalModel, tmp_path: Path
) -> None:
    everyday.save(tmp_path)
    assert load(tmp_path).fingerprint == everyday.fingerprint


def test_a_query_in_another_language_is_noticed(everyday: RetrievalModel) -> None:
    """The model that answers by default reads English only, so whoever asks otherwise is told."""
    assert reading_of(everyday, "ein Hund läuft über die Wiese und bellt").language
    assert not reading_of(everyday, "a dog runs over the grass and barks").language
