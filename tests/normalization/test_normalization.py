"""One normaliser per granularity behaves as its parts do."""

import json

import numpy as np
import pytest

from finereel.errors import ConfigError
from finereel.normalization import (
    PerGranularity,
    Sinkhorn,
    create,
    per_granularity,
    per_granularity_from_dict,
)

RNG = np.random.default_rng(0)
BANKS = {
    "video_sentence": RNG.standard_normal((9, 5)),
    "patch_word": 3 * RNG.standard_normal((9, 5)),
}
SCORES = {
    "video_sentence": RNG.standard_normal((4, 5)),
    "patch_word": 3 * RNG.standard_normal((4, 5)),
}


def test_every_granularity_has_its_own_bank() -> None:
    fitted = per_granularity("sinkhorn", list(BANKS), temperature=0.5).fit(BANKS)
    result = fitted.apply(SCORES)
    for name in BANKS:
        expected = Sinkhorn(temperature=0.5).fit(BANKS[name]).apply(SCORES[name])
        assert np.array_equal(result[name], expected)


def test_round_trip_and_protocol() -> None:
    fitted = per_granularity("sinkhorn", list(BANKS)).fit(BANKS)
    read = per_granularity_from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert read.protocol == fitted.protocol
    assert fitted.protocol.startswith("bank:")
    assert {part.protocol for part in fitted.parts.values()}.isdisjoint({fitted.protocol})
    assert all(
        np.array_equal(read.apply(SCORES)[name], fitted.apply(SCORES)[name]) for name in SCORES
    )
    named = per_granularity("sinkhorn", list(BANKS)).fit(BANKS, bank_id="train-captions")
    assert named.protocol == "bank:train-captions"
    assert per_granularity("none", ["fused"]).protocol == "none"


def test_missing_and_mixed_granularities_are_refused() -> None:
    normalizer = per_granularity("none", list(BANKS), direction="video_to_text")
    assert normalizer.direction == "video_to_text"
    with pytest.raises(
        ConfigError, match=r"each of \['patch_word', 'video_sentence'\], got \['patch_word'\]"
    ):
        normalizer.apply({"patch_word": SCORES["patch_word"]})
    with pytest.raises(ConfigError, match="got none"):
        PerGranularity({})
    with pytest.raises(ConfigError, match="same normalizer and direction"):
        PerGranularity({"a": create("none"), "b": create("none", direction="video_to_text")})
