"""A model on the hub: what its card says, and that nothing is sent but what was asked for."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import ModelCard
from huggingface_hub.errors import LocalTokenNotFoundError
from huggingface_hub.utils import filter_repo_objects

from finereel.bridges.hub import CARD, CardSettings, publish
from finereel.bridges.sentence_transformers import export
from finereel.data import VIRTUAL
from finereel.data import reelworld as worlds
from finereel.errors import ConfigError, ModelError, StorageError
from finereel.evaluation.record import RunRecord
from finereel.evaluation.record_files import load_record
from finereel.models.saving import load
from tiny_models import tiny_model


@dataclass
class FakeHub:
    """Keeps what it was asked to do."""

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refuses: Exception | None = None

    def create_repo(self, repo_id: str, **options: Any) -> None:
        if self.refuses:
            raise self.refuses
        self.calls.append(("create", {"repo_id": repo_id, **options}))

    def upload_folder(self, **options: Any) -> Any:
        self.calls.append(("upload", options))
        return type("Commit", (), {"commit_url": "https://hub/commit/1"})()


class NoHub:
    """Any use of it fails."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        raise AssertionError("the hub was used")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model directory with other things in it."""
    model = tiny_model()
    model.card = {
        "note": "knows <b>drawn</b> scenes | only",
        "words": {
            "noun": {"pair_accuracy": 93.4, "margin": 1.5},
            "preposition": {"pair_accuracy": 57.4, "margin": 1.5},
        },
    }
    model.save(tmp_path / "model")
    (tmp_path / "model" / ".env").write_text("HF_TOKEN=secret")
    (tmp_path / "model" / "holiday.mp4").write_bytes(b"private")
    (tmp_path / "model" / "deep").mkdir()
    (tmp_path / "model" / "deep" / "config.json").write_text("{}")
    (tmp_path / "model" / "vocab.txt").symlink_to(tmp_path / "model" / ".env")
    return tmp_path / "model"


@pytest.fixture
def record(run: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    sizes = {"train": 8, "val": 4, "test": 5}
    monkeypatch.setitem(VIRTUAL, "reelworld", lambda: worlds.virtual(sizes))
    asked = ("evaluate", "--model", folder, "--data", "reelworld", "--device", "cpu")
    assert run(*asked, "--out", tmp_path / "run").exit_code == 0
    return load_record(tmp_path / "run")


def test_a_dry_run_writes_the_card_and_sends_nothing(
    folder: Path, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub, "HfApi", NoHub)
    done = publish(folder, "me/drawn", CardSettings((record,), "apache-2.0"))
    assert done.url == ""
    assert [name for name, _ in done.files] == [
        *(CARD, "config.json", "model.safetensors", "tokenizer.json")
    ]
    assert set(done.kept) == {".env", "holiday.mp4", "deep", "vocab.txt"}
    card = ModelCard.load(folder / CARD)
    assert card.data.license == "apache-2.0"
    row = record.row("text_to_video")
    low, high = row["intervals"]["R@1"]
    assert f"| {row['R@1']:.1f} | {low:.1f} to {high:.1f} |" in card.text
    assert f"({record.dataset.split_hash})" in card.text
    assert "| 5/5 | none |" in card.text
    assert len(card.data.eval_results) == 6
    first = card.data.eval_results[0]
    assert (first.dataset_split, first.dataset_revision) == ("test", record.dataset.split_hash)
    assert first.metric_value == round(row["R@1"], 2)
    assert "nouns: it prefers the true word to a false one in 93.4 % of pairs\n" in card.text
    assert "57.4 % of pairs, **too few to judge such a word** (chance: 50 %)" in card.text
    assert "<b>" not in card.text
    assert record.model.fingerprint in card.text
    assert load(folder).fingerprint == record.model.fingerprint


def test_the_command_sends_the_models_files_alone(
    folder: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = FakeHub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    dry = run("publish", folder, "me/drawn", "--dry-run")
    assert dry.exit_code == 0, dry.stderr
    assert hub.calls == []
    assert "nothing was sent" in dry.stderr
    assert "not sent: .env, deep, holiday.mp4, vocab.txt" in dry.stderr
    done = run("publish", folder, "me/drawn", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["url"] == "https://hub/commit/1"
    (made, options), (sent, upload) = hub.calls
    assert (made, sent) == ("create", "upload")
    assert options == {
        "repo_id": "me/drawn",
        "repo_type": "model",
        "private": True,
        "exist_ok": True,
    }
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert sorted(filter_repo_objects(files, allow_patterns=upload["allow_patterns"])) == [
        *(CARD, "config.json", "model.safetensors", "tokenizer.json")
    ]
    assert upload["folder_path"] == str(folder)
    assert not any("token" in name for _, given in hub.calls for name in given)
    assert "No record of an evaluation" in (folder / CARD).read_text("utf-8")


def test_an_exported_model_says_how_sentence_transformers_loads_it(tmp_path: Path) -> None:
    export(tiny_model(), tmp_path / "st")
    hub = FakeHub()
    done = publish(tmp_path / "st", "me/st", CardSettings(public=True), dry_run=False, api=hub)
    assert {"modules.json", "config_sentence_transformers.json"} <= {name for name, _ in done.files}
    assert hub.calls[0][1]["private"] is False
    card = (tmp_path / "st" / CARD).read_text("utf-8")
    assert 'SentenceTransformer("me/st", trust_remote_code=True)' in card
    assert "Not measured" in card
    assert "frame_sentence" in card


def test_what_is_refused(folder: Path, record: RunRecord, run: Any) -> None:
    for name in ("drawn", "a/b/c", "me/ü", "../x", "me/--x"):
        with pytest.raises(ConfigError, match="hub"):
            publish(folder, name)
    assert not (folder / CARD).exists()
    other = replace(record, model=replace(record.model, fingerprint="0" * 16))
    with pytest.raises(ConfigError, match="evaluate this one"):
        publish(folder, "me/drawn", CardSettings((other,)))
    hub = FakeHub(refuses=LocalTokenNotFoundError("no token"))
    with pytest.raises(StorageError, match="hf auth login"):
        publish(folder, "me/drawn", dry_run=False, api=hub)
    hub = FakeHub(refuses=OSError("unreachable"))
    with pytest.raises(StorageError, match="was not published"):
        publish(folder, "me/drawn", dry_run=False, api=hub)
    (folder / CARD).write_text("# mine")
    with pytest.raises(ModelError, match="written by somebody"):
        publish(folder, "me/drawn")
    assert (folder / CARD).read_text() == "# mine"
    bundled = run("publish", "everyday", "me/everyday", "--dry-run")
    assert bundled.exit_code == 1
    assert "models export NAME DIR" in bundled.stderr
