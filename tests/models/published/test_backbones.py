"""Two published backbones become one untrained model directory."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from finereel.errors import CheckpointError, ModelNotFoundError
from finereel.models.encoders.bert import BertGeometry, BertTower
from finereel.models.encoders.efficientnet import LITE0
from finereel.models.published.backbones import join_backbones
from finereel.models.saving import load
from tiny_encoders import PIECES, tiny_word_pieces

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
SIZES |= {"intermediate_size": 32, "max_position_embeddings": 32, "vocab_size": len(PIECES)}


def published_vision() -> dict[str, torch.Tensor]:
    """The names and shapes of `efficientnet_lite0` in PyTorch, with batch normalisation."""
    torch.manual_seed(0)
    state: dict[str, torch.Tensor] = {}

    def layer(conv: str, norm: str, *shape: int) -> None:
        state[f"{conv}.weight"] = torch.randn(shape) * 0.1
        for part in ("weight", "running_var"):
            state[f"{norm}.{part}"] = torch.rand(shape[0]) + 0.5
        for part in ("bias", "running_mean"):
            state[f"{norm}.{part}"] = torch.randn(shape[0])

    layer("_conv_stem", "_bn0", 32, 3, 3, 3)
    number, given = 0, 32
    for stage in LITE0:
        for _ in range(stage.blocks):
            block, wide = f"_blocks.{number}._", given * stage.expansion
            if number:
                layer(f"{block}expand_conv", f"{block}bn0", wide, given, 1, 1)
            layer(f"{block}depthwise_conv", f"{block}bn1", wide, 1, stage.kernel, stage.kernel)
            layer(f"{block}project_conv", f"{block}bn2", stage.channels, wide, 1, 1)
            number, given = number + 1, stage.channels
    layer("_conv_head", "_bn1", 1280, given, 1, 1)
    return state


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A directory as `transformers` writes a BERT model, with a pooler that is not read."""
    folder = tmp_path / "text"
    folder.mkdir()
    tower = BertTower(BertGeometry(**SIZES))
    pooler = {"pooler.dense.weight": torch.zeros(16, 16), "pooler.dense.bias": torch.zeros(16)}
    save_file({**tower.state_dict(), **pooler}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **SIZES}))
    tiny_word_pieces().save(folder)
    return folder


def test_the_joined_model_holds_both_backbones_and_loads_again(tmp_path: Path, text: Path) -> None:
    vision = tmp_path / "vision.pth"
    torch.save(published_vision(), vision)  # a pickle, read by the sandboxed process
    made = join_backbones(vision, text, tmp_path / "joined", dim=8)
    again = load(tmp_path / "joined")
    assert again.fingerprint == made.fingerprint
    assert (again.dim, again.card["trained"]) == (8, False)
    state = published_vision()
    gain = state["_bn0.weight"] / (state["_bn0.running_var"] + 1e-3).sqrt()
    stem = again.encoder.vision_model.stem
    torch.testing.assert_close(stem.weight, state["_conv_stem.weight"] * gain[:, None, None, None])
    torch.testing.assert_close(
        stem.bias, state["_bn0.bias"] - state["_bn0.running_mean"] * gain, atol=1e-5, rtol=1e-5
    )
    assert again.encode_text(["a red car"]).words.shape == (1, 24, 8)


def test_equal_backbones_give_an_equal_model(tmp_path: Path, text: Path) -> None:
    vision = tmp_path / "vision.safetensors"
    save_file(published_vision(), vision)
    names = [join_backbones(vision, text, tmp_path / name).fingerprint for name in "ab"]
    assert names[0] == names[1]


def test_files_of_other_networks_are_named(tmp_path: Path, text: Path) -> None:
    vision = tmp_path / "vision.safetensors"
    save_file({"conv.weight": torch.zeros(1)}, vision)
    with pytest.raises(CheckpointError, match=r"vision\.safetensors is no EfficientNet-Lite0"):
        join_backbones(vision, text, tmp_path / "out")
    save_file(published_vision(), vision)
    save_file({"layer.weight": torch.zeros(1)}, text / "model.safetensors")
    with pytest.raises(CheckpointError, match="tensors of another network: Missing key"):
        join_backbones(vision, text, tmp_path / "out")
    with pytest.raises(ModelNotFoundError, match=r"no config\.json in .*nowhere"):
        join_backbones(vision, tmp_path / "nowhere", tmp_path / "out")
