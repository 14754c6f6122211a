"""Settings travel as JSON and back; what does not fit is refused by name; fingerprints tell parts
apart.
"""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.config import ModelConfig, fingerprint, from_dict, to_dict
from finereel.errors import ConfigError

# Drawn as plain values and built in the test: the type checks of the tests use `random`, which
# strategies may not.
settings = st.fixed_dictionaries(
    {
        "max_words": st.integers(1, 100),
        "max_frames": st.integers(1, 100),
        "shifted_blocks": st.lists(st.integers(0, 30), max_size=4).map(tuple),
        "temporal": st.sampled_from(["meanP", "seqLSTM", "seqTransf", "tokenTransf"]),
        "patches_per_frame": st.integers(1, 9),
        "weights": st.dictionaries(
            st.text(min_size=1, max_size=5), st.floats(0, 1), min_size=1, max_size=4
        ),
        "mask_padding": st.booleans(),
        "interaction": st.sampled_from(["wti", "ti", "dp"]),
        "scaled_evaluation": st.booleans(),
    }
)


@given(settings)
def test_json_and_back(values: dict[str, Any]) -> None:
    config = ModelConfig(**values)
    assert from_dict(ModelConfig, json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_word": 3}, "no setting max_word"),
        ({"temporal": "lstm"}, "meanP, seqLSTM, seqTransf, tokenTransf, got 'lstm'"),
        ({"patch_units": "metres"}, "cosine, inner_product"),
        ({"max_words": "12"}, "max_words must be int"),
        ({"head_dropout": 1.0}, "head_dropout must be from 0.0 to 0.99, got 1.0"),
        ({"patch_temporal": "conv"}, "none, shift, adapter, got 'conv'"),
        ({"max_frames": 0}, "max_frames must be at least 1, got 0"),
        ({"weights": {}}, "at least one granularity"),
    ],
)
def test_refusals_name_the_setting(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_dict(ModelConfig, values)


def test_later_settings_leave_old_fingerprints_alone() -> None:
    """Models made before a setting existed keep their description; a value of it that matters is
    part of a new one.
    """
    later = {"interaction", "scaled_evaluation", "patch_word", "head_dropout", "patch_temporal"}
    assert not later & set(to_dict(ModelConfig()))
    changed = [
        ModelConfig(),
        ModelConfig(interaction="ti"),
        ModelConfig(scaled_evaluation=False),
        ModelConfig(patch_word="cross_attention"),
        ModelConfig(head_dropout=0.3),
        ModelConfig(patch_temporal="shift"),
    ]
    assert len({fingerprint(to_dict(config)) for config in changed}) == len(changed)


def test_the_description_of_the_published_settings_stays() -> None:
    """Fingerprints of models, and so libraries, depend on it."""
    assert fingerprint(to_dict(ModelConfig())) == "d0084f3c80a7199d"
    assert fingerprint(to_dict(ModelConfig(aggregation="cross_attention"))) == "ef1e908eb0547e76"


def test_patches_per_clip() -> None:
    assert ModelConfig(max_frames=12, patches_per_frame=3).num_patches == 48
    assert ModelConfig(max_frames=1, patches_per_frame=1).num_patches == 2


@given(st.lists(st.binary(), min_size=1, max_size=4), st.integers(0, 3), st.binary(min_size=1))
def test_fingerprint_changes_with_any_part(parts: list[bytes], place: int, other: bytes) -> None:
    changed = list(parts)
    changed[place % len(parts)] = other
    assert (fingerprint(*changed) == fingerprint(*parts)) == (changed == parts)
    assert len(fingerprint(*parts)) == 16


def test_fingerprint_knows_where_a_part_ends() -> None:
    assert fingerprint(b"ab", b"c") != fingerprint(b"a", b"bc")
    assert fingerprint(to_dict(ModelConfig())) != fingerprint(
        to_dict(replace(ModelConfig(), aggregation="max"))
    )


def test_fingerprint_ignores_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
