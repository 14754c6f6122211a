"""Averaging the weights of models of several seeds."""

import pytest
import torch
from research.scripts.average import average
from tests.tiny_models import tiny_model

from finereel.errors import ModelError


def test_every_weight_is_the_mean_and_the_card_names_all() -> None:
    one, two, three = (tiny_model(seed) for seed in range(3))
    prints = [model.fingerprint for model in (one, two, three)]
    expected = {
        name: (tensor + two.state_dict()[name] + three.state_dict()[name]) / 3
        for name, tensor in one.state_dict().items()
    }
    made = average([one, two, three])
    for name, tensor in made.state_dict().items():
        torch.testing.assert_close(tensor, expected[name])
    assert made.card["average_of"] == prints
    assert made.fingerprint not in prints


def test_one_model_stays_as_it_is() -> None:
    assert average([tiny_model()]).fingerprint == tiny_model().fingerprint


def test_models_of_other_settings_are_refused() -> None:
    with pytest.raises(ModelError, match="same settings"):
        average([tiny_model(), tiny_model(max_frames=3)])
