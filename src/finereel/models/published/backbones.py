"""Join a published vision backbone and a published text backbone into one model directory, untrained.

The projections between them start at random: `finereel train --recipe everyday` fits them.
"""

from pathlib import Path

import torch

from finereel.config import ModelConfig
from finereel.errors import CheckpointError, ModelNotFoundError
from finereel.io.foreign_files import ForeignFileError, read_json_object
from finereel.models.encoders.bert import BertGeometry
from finereel.models.encoders.dual import DualEncoder, DualGeometry
from finereel.models.encoders.efficientnet import fold_batch_norms
from finereel.models.published.checkpoint import read_state
from finereel.models.retrieval import RetrievalModel, drawn
from finereel.models.saving import save
from finereel.text import load_tokenizer

_UNREAD = ("pooler.", "embeddings.position_ids", "embeddings.token_type_ids")
_CARD = {
    "trained": False,
    "note": "two backbones under random projections: no score means anything before training",
}


def join_backbones(
    vision: str | Path, text: str | Path, out: str | Path, dim: int = 256, max_words: int = 24
) -> RetrievalModel:
    """Write a model directory of EfficientNet-Lite0 and a BERT-architecture sentence encoder.

    Args:
        vision: Checkpoint of `efficientnet_lite0` in PyTorch (.pth or .safetensors); a pickle is
            read by a sandboxed process.
        text: A directory with config.json, model.safetensors and tokenizer.json or vocab.txt.
        out: The model directory to write.
        dim: D of the shared space.
        max_words: Maximum number of tokens of a text.

    Returns:
        The model.

    Raises:
        ModelNotFoundError: If a file is missing.
        CheckpointError: If a file does not read, or its tensors are those of another network.
    """
    folder = Path(text)
    try:
        described = read_json_object(folder / "config.json")
    except FileNotFoundError:
        raise ModelNotFoundError(
            f"no config.json in {folder}: expected the directory of a BERT-architecture model"
        ) from None
    except ForeignFileError as error:
        raise CheckpointError(f"{folder}/config.json cannot be read ({error})") from error
    geometry = DualGeometry(dim=dim, text_config=BertGeometry.from_values(described))
    with drawn("projections", 0):
        encoder = DualEncoder(geometry)
    _load(encoder.vision_model, _folded(vision), vision)
    given = read_state(folder / "model.safetensors")
    words = {name: tensor for name, tensor in given.items() if not name.startswith(_UNREAD)}
    _load(encoder.text_model, words, text)
    config = ModelConfig(max_words=max_words, shifted_blocks=(), temporal="meanP")
    model = RetrievalModel(encoder, config, load_tokenizer(folder), str(out), dict(_CARD))
    save(model, out)
    return model


def _folded(path: str | Path) -> dict[str, torch.Tensor]:
    try:
        return fold_batch_norms(read_state(path))
    except KeyError as error:
        raise CheckpointError(
            f"{path} is no EfficientNet-Lite0 in PyTorch: the tensor {error} is missing"
        ) from None


def _load(module: torch.nn.Module, weights: dict[str, torch.Tensor], origin: str | Path) -> None:
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise CheckpointError(
            f"{origin} holds the tensors of another network: {' '.join(lines[1:3]).strip()}"
        ) from None
