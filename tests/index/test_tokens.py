"""Tokens are stored as the head reads them, each once, and score as those that were never stored;
a table of a former version is brought to the same numbers.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from finereel.errors import ConfigError
from finereel.index.manifest import Manifest, read_manifest
from finereel.index.protocols import IndexedModel, StoredTokens
from finereel.index.schema import ClipRecord, FileRecord, in_stored_form, to_rows
from finereel.index.store import ClipStore
from finereel.index.token_migration import migrate_tokens
from finereel.index.tokens import format_of, kept_counts, token_fields
from finereel.io.signals import StopFlag
from finereel.models.features import StoredFeatures, VideoFeatures
from finereel.models.heads import HEADS
from finereel.models.retrieval import RetrievalModel
from finereel.types import Frames, Window
from finereel.video.files import FileState
from tiny_models import FRAMES, IMAGE, random_text, tiny_peer

CLIPS = 12
FILE = FileRecord("f0" * 8, "0a" * 16, "/videos/a.mp4", FileState(1, 2))
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    **{head: (head, {}) for head in HEADS},
    "published": ("ucofia", {"patch_units": "inner_product", "mask_padding": False}),
    "no patches": ("ucofia", {"weights": {"video_sentence": 0.5, "frame_sentence": 0.5}}),
}


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest) -> RetrievalModel:
    head, settings = KINDS[request.param]
    return tiny_peer(head, **settings).eval()


@pytest.fixture(scope="module")
def clips(model: RetrievalModel) -> VideoFeatures:
    """Of four, three and fewer frames."""
    draw = np.random.default_rng(0)
    pixels = [draw.integers(0, 256, (4 - n % 4, IMAGE, IMAGE, 3), np.uint8) for n in range(CLIPS)]
    return model.encode_video([Frames(each, np.arange(len(each), dtype=float)) for each in pixels])


def stored(folder: Path, model: RetrievalModel, clips: VideoFeatures, version: int) -> ClipStore:
    store = ClipStore.create(folder / "index-1", Manifest(IndexedModel.of(model), version))
    records = [
        ClipRecord(Window(float(n), n + 1.0), np.array([n, n + 0.25]), b"jpeg")
        for n in range(CLIPS)
    ]
    features = in_stored_form(clips, model, store.manifest.model)
    store.commit([to_rows(FILE, records, features, None, store.schema)])
    return store


def taken(store: ClipStore) -> VideoFeatures:
    snapshot = store.snapshot()
    return snapshot.take(snapshot.row_ids()).features


def test_stored_clips_score_as_those_that_were_never_stored(
    tmp_path: Path, model: RetrievalModel, clips: VideoFeatures
) -> None:
    found, text = taken(stored(tmp_path, model, clips, 3)), random_text(5)
    assert isinstance(found, StoredFeatures)
    wanted, scores = model.score(text, clips).fused, model.score(text, found).fused
    spread = float(wanted.max() - wanted.min())
    torch.testing.assert_close(scores, wanted, rtol=0, atol=2e-3 * max(1.0, spread))
    frames = clips.frames / clips.frames.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(
        found.frames[found.frame_mask], frames[clips.frame_mask], rtol=0, atol=1e-3
    )


def test_each_frame_is_stored_once(
    tmp_path: Path, model: RetrievalModel, clips: VideoFeatures
) -> None:
    store = stored(tmp_path, model, clips, 3)
    counts = kept_counts(store.manifest.model)
    others = model.num_patches - FRAMES if model.num_patches else 0
    assert counts.get("patches", 0) == others
    assert ("patches" in store.schema.names) == bool(others)
    assert "patch_mask" not in store.schema.names
    found = taken(store)
    assert torch.equal(found.patch_mask, clips.patch_mask)
    if others and "patches" not in model.raw_tokens:
        per_frame = model.tokens_per_frame
        assert torch.equal(found.patches[:, ::per_frame], found.frames)


def test_a_former_table_is_read_as_before_and_becomes_one_that_is_made_now(
    tmp_path: Path, model: RetrievalModel, clips: VideoFeatures
) -> None:
    (tmp_path / "old").mkdir()
    old, new = stored(tmp_path / "old", model, clips, 2), stored(tmp_path, model, clips, 3)
    former = taken(old)
    assert not isinstance(former, StoredFeatures)
    assert torch.equal(former.frames, clips.frames.half().float())
    assert torch.equal(former.patches, clips.patches.half().float())
    told: list[tuple[str, int, int]] = []
    count = migrate_tokens(
        tmp_path / "old", old, (model, "fp16"), lambda *step: told.append(step), StopFlag()
    )
    assert (count, told[-1]) == (CLIPS, ("storing tokens", CLIPS, CLIPS))
    again = ClipStore.open(old.folder)
    manifest = read_manifest(tmp_path / "old")
    assert manifest is not None
    assert manifest == again.manifest == old.manifest == new.manifest
    assert again.schema == new.schema
    columns = [field.name for field in token_fields(new.manifest.model)]
    snapshots = [store.snapshot() for store in (again, new)]
    moved, made = [each.rows(["vector", "seconds", "thumbnail", *columns]) for each in snapshots]
    for name in moved.schema.names:
        assert moved[name].equals(made[name]) or name == "_rowid", name
    assert (
        migrate_tokens(tmp_path / "old", again, (model, "fp16"), lambda *step: None, StopFlag())
        == 0
    )


def test_a_migration_that_is_stopped_leaves_the_former_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_peer("clip4clip").eval()
    draw = np.random.default_rng(0)
    frames = [Frames(draw.integers(0, 256, (4, IMAGE, IMAGE, 3), np.uint8), np.arange(4.0))]
    store = stored(tmp_path, model, model.encode_video(frames * CLIPS), 2)
    monkeypatch.setattr("finereel.index.token_migration.AT_ONCE", 5)
    stop, before = StopFlag(), store.version()
    assert migrate_tokens(tmp_path, store, (model, "fp16"), lambda *step: stop.set(), stop) == 0
    again = ClipStore.open(store.folder)
    assert (again.version(), again.manifest.format) == (before, 2)
    assert migrate_tokens(tmp_path, again, (model, "fp16"), lambda *step: None, StopFlag()) == CLIPS


def test_kept_rows_and_vectors_change_no_reading(tmp_path: Path) -> None:
    model = tiny_peer("ucofia").eval()
    draw = np.random.default_rng(0)
    frames = [
        Frames(draw.integers(0, 256, (4, IMAGE, IMAGE, 3), np.uint8), np.arange(4.0))
        for _ in range(CLIPS)
    ]
    snapshot = stored(tmp_path, model, model.encode_video(frames), 3).snapshot()
    row_ids = snapshot.row_ids()[[7, 2, 9, 4]]
    plain = snapshot.take(row_ids)
    snapshot.vectors()
    snapshot.keep_rows()
    kept = snapshot.take(row_ids)
    assert kept.rows.to_pylist() == plain.rows.to_pylist()
    assert kept.paths == plain.paths
    for name in ("video", "frames", "patches", "frame_mask", "patch_mask"):
        assert torch.equal(getattr(kept.features, name), getattr(plain.features, name)), name


def test_a_format_of_a_version_to_come_is_refused() -> None:
    sizes = IndexedModel("m", "f", 4, 0, 8, stored=StoredTokens(format="ternary"))
    with pytest.raises(ConfigError, match="ternary"):
        format_of(sizes)
    assert replace(sizes, stored=StoredTokens()) == IndexedModel("m", "f", 4, 0, 8)
