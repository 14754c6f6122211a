"""Which model a new library takes, and what is said about it."""

import json
from pathlib import Path

import pytest

from finereel.errors import ModelNotFoundError
from finereel.models import choice, saving
from finereel.models.choice import (
    BUNDLED,
    CLIP,
    DRAWN,
    EVERYDAY,
    LARGER_CLIP,
    default_model,
    full_name,
    models_here,
    require_here,
    which_model,
)
from finereel.models.encoders.plain import PLAIN
from finereel.models.hub import WEIGHTS
from finereel.models.speed import EncodingSpeed, record_speed


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, no `everyday`, and a hub that must not be asked."""
    from huggingface_hub import constants

    def forbidden(name: str) -> Path:
        raise AssertionError(f"a download of {name}")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setitem(BUNDLED, EVERYDAY, tmp_path / "absent")
    monkeypatch.setattr("finereel.models.hub.download", forbidden)
    return tmp_path / "hub"


def cached(cache: Path, name: str, kind: str = "clip") -> None:
    folder = cache / f"models--{name.replace('/', '--')}" / "snapshots" / "1"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": kind}), encoding="utf-8")
    (folder / WEIGHTS).write_bytes(b"0123")


def bundle_everyday(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUNDLED, EVERYDAY, BUNDLED[DRAWN])


def test_the_default_is_clip_that_is_here_else_everyday(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_model() == CLIP
    bundle_everyday(monkeypatch)
    assert default_model() == EVERYDAY
    cached(cache, "owner/bert", "bert")
    assert default_model() == EVERYDAY
    cached(cache, "a/clip")
    assert default_model() == "a/clip"
    cached(cache, CLIP)
    assert default_model() == CLIP


def test_the_default_is_never_downloaded() -> None:
    with pytest.raises(ModelNotFoundError, match=f"models get {CLIP}"):
        saving.load()


def test_the_default_everyday_loads_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle_everyday(monkeypatch)
    assert saving.load().name == EVERYDAY


def test_require_here_knows_folders_bundled_and_cached_models(cache: Path, tmp_path: Path) -> None:
    cached(cache, CLIP)
    assert require_here("clip") == CLIP
    assert require_here(DRAWN) == DRAWN
    assert require_here(str(tmp_path)) == str(tmp_path)
    with pytest.raises(ModelNotFoundError, match="not in the hub cache"):
        require_here("a/b")


def test_lists_what_is_here_and_clip(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_speed(DRAWN, EncodingSpeed(1.234))
    drawn, clip = models_here()
    assert (drawn.name, drawn.kind, drawn.bundled, drawn.here) == (DRAWN, "clip", True, True)
    assert (drawn.default, drawn.milliseconds_per_frame) == (False, 1.23)
    assert drawn.bytes > 1_000_000
    assert (clip.name, clip.here, clip.bytes, clip.default) == (CLIP, False, 0, True)
    cached(cache, CLIP)
    cached(cache, "owner/bert", "bert")
    bundle_everyday(monkeypatch)
    names = {entry.name: entry for entry in models_here()}
    assert list(names) == [EVERYDAY, DRAWN, CLIP]
    assert [name for name, entry in names.items() if entry.default] == [CLIP]
    assert names[CLIP].bytes == len('{"model_type": "clip"}') + 4


def test_every_plain_kind_is_listed(cache: Path) -> None:
    for kind in PLAIN:
        cached(cache, f"owner/{kind}", kind)
    assert {f"owner/{kind}" for kind in PLAIN} <= {entry.name for entry in models_here()}


def test_the_card_says_languages_and_quality(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = {"languages": ["English", "German"], "quality": {"R@1": 13.0}}
    folder = tmp_path / "model"
    folder.mkdir()
    described = {"format": "finereel-model", "dual": {}, "card": card}
    (folder / "config.json").write_text(json.dumps(described), encoding="utf-8")
    monkeypatch.setitem(BUNDLED, EVERYDAY, folder)
    entry = models_here()[0]
    assert (entry.kind, entry.languages, entry.quality) == (
        "dual",
        ("English", "German"),
        {"R@1": 13.0},
    )


def test_one_line_says_which_model_and_how_to_get_a_better_one(cache: Path) -> None:
    assert which_model(EVERYDAY) == (
        "everyday (bundled, knows everyday things, English); better: "
        "`finereel models get clip`, then `finereel rebuild --model clip`"
    )
    cached(cache, CLIP)
    assert which_model(DRAWN, " --library x").endswith(
        "better: `finereel rebuild --model clip --library x`"
    )
    assert f"models get {LARGER_CLIP}" in which_model(CLIP)
    assert which_model("/models/mine") == "/models/mine"
    assert set(choice._KNOWS) == {EVERYDAY, DRAWN, CLIP}


def test_a_folder_called_like_a_short_name_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert full_name("clip") == CLIP
    (tmp_path / "clip").mkdir()
    assert full_name("clip") == "clip"
