"""Every parameter in exactly one group, what is frozen in none, and the schedules at their
corners.
"""

import subprocess
import sys

import pytest
import torch
from torch import nn

from finereel.errors import ConfigError
from finereel.models import published as official
from finereel.models.encoders.features import FeatureEncoder, FeatureGeometry
from finereel.models.retrieval import RetrievalModel
from finereel.training.optim import (
    AdamW,
    BertAdam,
    BertAdamSettings,
    OptimSettings,
    ParameterGroup,
    frozen_blocks,
    make_optimizer,
    published_cosine,
    schedule_factor,
    warmup_cosine,
)
from tiny_models import official_state, tiny_config, tiny_model

PUBLISHED = OptimSettings(
    lr=1e-4,
    tower_lr=1e-7,
    weight_decay=0.2,
    kind="bertadam",
    schedule="published",
    decay="published",
)


class TwoParts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"clip": nn.Linear(3, 2)})
        self.head = nn.Linear(2, 2)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)


class Learner(nn.Module):
    """As a training loop holds it: the model, and layers of its own."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.factors = nn.Linear(2, 2)


def feature_model() -> RetrievalModel:
    geometry = FeatureGeometry(
        dim=32,
        token_dim=16,
        tokens_per_frame=5,
        vocab_size=530,
        hidden=8,
        text_width=64,
        text_positions=16,
    )
    return RetrievalModel(FeatureEncoder(geometry), tiny_config(shifted_blocks=()))


def rates(model: nn.Module, settings: OptimSettings) -> dict[str, tuple[float, float]]:
    """(lr, weight decay) of every parameter that learns; fails where one is held twice or not at
    all.
    """
    optimizer = make_optimizer(model, settings)
    held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    found = {
        id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]
    }
    assert len(held) == len(found)
    named = dict(model.named_parameters())
    assert set(found) == {id(parameter) for parameter in named.values() if parameter.requires_grad}
    return {
        name: found[id(parameter)] for name, parameter in named.items() if parameter.requires_grad
    }


@pytest.mark.parametrize(
    "make", [TwoParts, tiny_model, feature_model, lambda: Learner(tiny_model())]
)
@pytest.mark.parametrize("settings", [OptimSettings(), PUBLISHED])
def test_groups_hold_every_trainable_parameter_once(
    make: type[nn.Module], settings: OptimSettings
) -> None:
    assert not any(name.startswith("frozen.") for name in rates(make(), settings))


def test_towers_learn_at_their_own_rate_and_only_matrices_decay() -> None:
    found = rates(TwoParts(), OptimSettings(lr=1.0, tower_lr=0.1, weight_decay=0.5))
    assert found["encoder.clip.weight"] == (0.1, 0.5)
    assert found["encoder.clip.bias"] == (0.1, 0.0)
    assert found["head.weight"] == (1.0, 0.5)
    assert found["head.bias"] == (1.0, 0.0)


def test_an_adapter_of_precomputed_tokens_is_new_and_its_text_tower_is_not() -> None:
    found = rates(Learner(feature_model()), OptimSettings(lr=1.0, tower_lr=0.1))
    slow = {name.split(".")[2] for name, (lr, _) in found.items() if lr == 0.1}
    assert slow == {"logit_scale", "text_model", "text_projection"}
    assert found["model.encoder.adapter.linear.weight"][0] == 1.0
    assert found["model.temporal.positions.weight"][0] == 1.0
    assert found["factors.weight"][0] == 1.0


def test_groups_of_their_own_come_first() -> None:
    groups = (
        ParameterGroup("head.over_*", 5.0, 0.25),
        ParameterGroup("head", 7.0),
        ParameterGroup("encoder", 9.0),
    )
    found = rates(Learner(tiny_model()), OptimSettings(lr=1.0, groups=groups))
    assert found["model.head.over_words.mixing"] == (5.0, 0.25)
    assert found["model.head.word_projection"] == (7.0, 0.0)
    assert found["model.encoder.clip.logit_scale"] == (9.0, 0.0)
    assert found["model.temporal.positions.weight"][0] == 1.0


def still(model: nn.Module, freeze: tuple[str, ...]) -> set[str]:
    make_optimizer(model, OptimSettings(freeze=freeze))
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}


def test_freezing_is_by_name_and_not_by_its_beginning() -> None:
    """`layers.1` is not `layers.10`."""
    model = tiny_model()
    with pytest.raises(ConfigError, match=r"head\.over_word'"):
        still(model, ("head.over_word",))
    assert still(model, ("temporal.blocks.0.mlp", "head.over_words")) == {
        "head.over_words.mixing",
        *(
            f"temporal.blocks.0.mlp.{layer}.{kind}"
            for layer in ("fc1", "fc2")
            for kind in ("weight", "bias")
        ),
    }


def official_frozen(below: int) -> set[str]:
    """Our names of what the published loop freezes, by its own rule on the official names of CLIP's
    parameters.
    """
    always = ("ln_final.", "text_projection", "logit_scale", "visual.ln_post.", "visual.proj")
    frozen = set()
    for name, targets in official.names.clip_table(2, 12, ours="encoder.clip.").items():
        short = name.removeprefix("clip.")
        block = short.startswith(("transformer.resblocks.", "visual.transformer.resblocks."))
        learns = short.startswith(always) or (
            block and int(short.split("resblocks.")[1].split(".")[0]) >= below
        )
        if below >= 0 and not learns:
            frozen |= {target.name for target in targets}
    return frozen


@pytest.mark.parametrize("below", [-1, 0, 1, 5, 12])
def test_published_freezing(below: int) -> None:
    model = official.load("ucofia", official_state()).model
    assert still(model, frozen_blocks(below)) == official_frozen(below)


def test_published_groups() -> None:
    """By the published rule on the official names: `clip.` learns slowly, and only what is no bias
    decays.
    """
    model = official.load("ucofia", official_state()).model
    found = rates(model, PUBLISHED)
    table = official.names.clip_table(2, 12) | official.names.block_table(
        "transformerClip.resblocks", "temporal.blocks", 1
    )
    for names in (
        official.ucofia.MATRICES,
        official.geometry.SELECTOR,
        official.geometry.FRAME_POSITIONS,
    ):
        table |= official.names.plain_table(names)
    wanted = {
        target.name: (1e-7 if "clip." in name else 1e-4, 0.0 if "bias" in name else 0.2)
        for name, targets in table.items()
        for target in targets
    }
    assert found == wanted


def test_bad_settings_are_named() -> None:
    for setting in ("kind", "schedule", "decay"):
        with pytest.raises(ConfigError, match=f"unknown {setting} 'sgd'"):
            OptimSettings(**{setting: "sgd"})
    with pytest.raises(ConfigError, match="nothing to learn"):
        make_optimizer(TwoParts(), OptimSettings(freeze=("*",)))
    with pytest.raises(ConfigError, match="prompts"):
        make_optimizer(tiny_model(), OptimSettings(groups=(ParameterGroup("prompts", 1e-3),)))


def test_kinds() -> None:
    quirks = BertAdamSettings(max_norm=0.0)
    optimizer = make_optimizer(TwoParts(), OptimSettings(kind="bertadam", bert_adam=quirks))
    assert isinstance(optimizer, BertAdam)
    assert optimizer.settings == quirks
    assert isinstance(make_optimizer(TwoParts(), OptimSettings()), torch.optim.AdamW)


@pytest.mark.parametrize(
    ("step", "factor"), [(0, 0.1), (9, 1.0), (10, 1.0), (55, 0.5), (99, 0.000305)]
)
def test_schedule(step: int, factor: float) -> None:
    assert warmup_cosine(step, 100, 0.1) == pytest.approx(factor, abs=1e-5)


def test_schedule_never_starts_at_zero() -> None:
    """The published one wastes its first step on a rate of 0."""
    assert all(warmup_cosine(step, 50, 0.1) > 0 for step in range(50))
    assert published_cosine(0, 50, 0.1) == 0.0


def test_the_published_schedule_jumps_where_the_warmup_ends() -> None:
    assert published_cosine(9, 100, 0.1) == pytest.approx(0.9)
    assert published_cosine(10, 100, 0.1) == pytest.approx(0.9755, abs=1e-4)
    assert schedule_factor(10, 100, PUBLISHED) == published_cosine(10, 100, 0.1)
    assert schedule_factor(10, 100, OptimSettings()) == warmup_cosine(10, 100, 0.1)


def test_adamw_moves_against_the_gradient() -> None:
    weight = nn.Parameter(torch.ones(2, 2))
    holder = nn.Module()
    holder.weight = weight
    optimizer = make_optimizer(holder, OptimSettings(lr=0.1, weight_decay=0.0))
    weight.grad = torch.tensor([[1.0, -1.0], [1.0, -1.0]])
    optimizer.step()
    assert torch.equal(weight.detach() < 1, torch.tensor([[True, False], [True, False]]))


def test_adamw_is_that_of_torch() -> None:
    ours, theirs = (nn.Parameter(torch.arange(6.0).reshape(2, 3)) for _ in range(2))
    settings = {"lr": 0.1, "weight_decay": 0.3}
    pairs = [(ours, AdamW([ours], **settings)), (theirs, torch.optim.AdamW([theirs], **settings))]
    for scale in (1.0, -2.0, 0.5):
        for weight, optimizer in pairs:
            (weight.sin() * scale).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            optimizer.load_state_dict(optimizer.state_dict())
    assert torch.equal(ours, theirs)
    assert ours.grad is None
    assert ours.requires_grad


def test_training_starts_without_the_compiler_of_torch() -> None:
    code = """
import sys, torch
from finereel.training.optim import AdamW, BertAdam
for kind in (AdamW, BertAdam):
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = kind([weight], lr=0.1)
    weight.sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    optimizer.load_state_dict(optimizer.state_dict())
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
