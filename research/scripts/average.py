"""Average the weights of models that were trained from one start with several seeds.

    python -m research.scripts.average runs/seed-0/model runs/seed-1/model --out runs/average

Source: Wortsman et al., "Model soups", ICML 2022 (a uniform soup).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from finereel.errors import ModelError
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load, save


def average(models: Sequence[RetrievalModel]) -> RetrievalModel:
    """The first model with the mean of all models' weights; its card names them all.

    Args:
        models: Models of the same settings and shapes; the first is changed.

    Raises:
        ModelError: If their settings or the names or shapes of their tensors differ.
    """
    weights = [model.state_dict() for model in models]
    shapes = [{name: tensor.shape for name, tensor in given.items()} for given in weights]
    if any(model.config != models[0].config for model in models) or any(
        shape != shapes[0] for shape in shapes
    ):
        raise ModelError("expected models of the same settings and shapes to average")
    models[0].card["average_of"] = [model.fingerprint for model in models]
    mean = {
        name: torch.stack([given[name].float() for given in weights]).mean(0).to(tensor.dtype)
        for name, tensor in weights[0].items()
    }
    models[0].load_state_dict(mean)
    return models[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    model = average([load(folder) for folder in arguments.model])
    save(model, arguments.out)
    print(f"{arguments.out}: mean of {len(arguments.model)} models")


if __name__ == "__main__":
    main()
