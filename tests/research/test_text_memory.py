"""Texts of a frozen backbone: the states of the backbone itself, computed once, and a benchmark on
them.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from research.benchmark_sets import BenchmarkOptions
from research.fine_run import FineRequest, FineResult, fine_results
from research.fine_variants import MORE_ROWS
from research.text_memory import RememberedTower, TextMemory

from finereel.config import ModelConfig
from finereel.data.base import ClipArrays
from finereel.data.features import write_token_file
from finereel.errors import ModelError
from finereel.models.encoders.bert import BertTower
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from tiny_encoders import tiny_dual, tiny_word_pieces

TEXTS = ["a red car", "a man is cooking", "a", "a red car"]


def dual(seed: int = 0) -> RetrievalModel:
    config = ModelConfig(max_words=12, max_frames=2, shifted_blocks=(), temporal="meanP")
    model = RetrievalModel(tiny_dual(), config, tiny_word_pieces())
    if seed:
        torch.nn.init.normal_(model.encoder.text_model.encoder.layer[0].output.dense.weight)
    return model


def memory_of(model: RetrievalModel, path: Path) -> TextMemory:
    tower = model.encoder.text_model
    assert isinstance(tower, BertTower)
    return TextMemory(tower, path)


def test_the_states_are_those_of_the_backbone_and_every_text_is_computed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, model = dual(), dual()
    memory = memory_of(model, tmp_path / "texts.safetensors")
    memory.attach(model)
    computed = []
    forward = BertTower.forward
    monkeypatch.setattr(
        BertTower,
        "forward",
        lambda self, ids, *rest: computed.append(len(ids)) or forward(self, ids, *rest),
    )
    found = model.encode_text(TEXTS)
    assert (sum(computed), len(memory)) == (3, 3)
    again = model.encode_text(TEXTS[::-1])
    assert sum(computed) == 3
    torch.testing.assert_close(again.sentence.flip(0), found.sentence)
    wanted = plain.encode_text(TEXTS)
    torch.testing.assert_close(found.sentence, wanted.sentence, rtol=1e-3, atol=2e-3)
    real = found.word_mask
    torch.testing.assert_close(found.words[real], wanted.words[real], rtol=1e-3, atol=4e-3)


def test_no_dropout_and_no_gradient_in_training(tmp_path: Path) -> None:
    model = dual()
    memory_of(model, tmp_path / "texts.safetensors").attach(model)
    model.train()
    tokens = model.tokenizer.encode(TEXTS, 12)  # type: ignore[union-attr]
    given = torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
    first, second = (model.text_features(*given).sentence for _ in range(2))
    assert torch.equal(first, second)
    first.sum().backward()
    assert not [p for p in model.encoder.text_model.parameters() if p.grad is not None]
    assert model.encoder.text_projection.weight.grad is not None


def test_the_next_process_reads_the_file_and_another_backbone_is_refused(tmp_path: Path) -> None:
    path, model = tmp_path / "deep" / "texts.safetensors", dual()
    memory = memory_of(model, path)
    memory.attach(model)
    found = model.encode_text(TEXTS)
    memory.save()
    later = memory_of(dual(), path)
    assert len(later) == 3
    fresh = dual()
    later.attach(fresh)
    assert isinstance(fresh.encoder.text_model, RememberedTower)
    assert torch.equal(fresh.encode_text(TEXTS).words, found.words)
    written = path.stat().st_mtime_ns
    later.save()
    assert path.stat().st_mtime_ns == written
    with pytest.raises(ModelError, match="freeze it"):
        later.attach(dual(seed=1))


def test_a_model_with_a_remembered_tower_saves_as_the_plain_one(tmp_path: Path) -> None:
    model = dual()
    names = set(model.state_dict())
    memory_of(model, tmp_path / "texts.safetensors").attach(model)
    assert set(model.state_dict()) == names
    model.save(tmp_path / "model")
    assert type(load(tmp_path / "model").encoder.text_model) is BertTower


WORDS = ("dog", "cat", "man", "woman", "boy", "girl", "car", "horse")
VERBS = ("runs", "sits", "jumps", "sleeps", "walks")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkOptions:
    """MSR-VTT's files with some dozen videos, and random tokens of EfficientNet's sizes."""
    folder = tmp_path_factory.mktemp("small")
    videos = [f"video{number}" for number in range(40)]
    said = {
        video: f"a {WORDS[number % 8]} {VERBS[number % 5]} in the park with a {WORDS[(number // 8) % 8]}"
        for number, video in enumerate(videos)
    }
    listed = {"train": videos[:20], "val": videos[20:28], "test": videos[28:]}
    sentences = [
        {"caption": text, "video_id": video, "sen_id": number}
        for number, (video, text) in enumerate(said.items())
    ]
    files = {
        "MSRVTT_data.json": json.dumps({"videos": [], "sentences": sentences}),
        "MSRVTT_train.9k.csv": "video_id\n" + "\n".join(videos[:28]) + "\n",
        "MSRVTT_train.7k.csv": "video_id\n" + "\n".join(videos[:20]) + "\n",
        "MSRVTT_JSFUSION_test.csv": "key,vid_key,video_id,sentence\n"
        + "".join(f"ret{video},{video},{video},{said[video]}\n" for video in videos[28:]),
        "split.json": json.dumps(listed),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(40, 2, 50, 1280)).astype(np.float32)
    mask = np.ones((40, 2), dtype=bool)
    write_token_file(folder / "tokens" / "0.safetensors", videos, ClipArrays(frames, mask))
    return BenchmarkOptions(folder / "work", folder / "tokens", folder, debug=True)


def test_the_bundled_model_trains_on_with_every_remedy_and_starts_the_same_each_time(
    small: BenchmarkOptions,
) -> None:
    rows = ("baseline", "+ word, text side frozen", "+ word, other clip uniform")
    assert set(rows[1:]) <= set(MORE_ROWS)
    found = fine_results(FineRequest("ucofia", "everyday-tokens", small, rows, (1,), 1))
    made = {row: _weights(small, results) for row, results in found.items()}
    start = load("everyday").state_dict()
    for name in ("encoder.text_model.encoder.layer.0.output.dense.weight", "head.video_projection"):
        shapes = {tuple(weights[name].shape) for weights in made.values()}
        assert shapes == {tuple(start[name].shape)}
    frozen = "encoder.word_projection.weight"
    assert torch.equal(made["+ word, text side frozen"][frozen], start[frozen])
    assert not torch.equal(made["+ word, other clip uniform"][frozen], start[frozen])
    seen = "encoder.visual_projection.weight"
    for weights in made.values():  # two steps lead nowhere far, if each row has its own start
        assert 0 < (weights[seen] - start[seen]).abs().max() < 4 * 1e-3
    assert next((small.work).glob("texts-*.safetensors")).stat().st_size > 1000


def _weights(options: BenchmarkOptions, results: list[FineResult]) -> dict[str, torch.Tensor]:
    (result,) = results
    (folder,) = options.work.glob(f"everyday-tokens-*/{result.coarse.name}/seed-1/best")
    return load(folder).state_dict()
