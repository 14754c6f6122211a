"""The released MSR-VTT adverb file with every head of the project, from precomputed tokens of the
real videos.
"""

import json
from functools import cache

import numpy as np
import pytest

from finereel.data.base import Caption
from finereel.data.features import FeatureStore
from finereel.finegrain.evaluate.groups import Group, groups_of
from finereel.finegrain.evaluate.measure import FineSettings, measure
from finereel.finegrain.evaluate.towers import TowerScorer
from finereel.finegrain.files import read_negatives
from finereel.finegrain.files.base import Known
from finereel.models.encoders.features import FeatureEncoder, FeatureGeometry
from finereel.models.heads import HEADS, head_config
from finereel.models.retrieval import RetrievalModel
from finereel.statistics.intervals import DEFAULT_CONFIDENCE
from places import DATA
from tiny_models import jitter, tiny_tokenizer

FEATURES, RELEASED = DATA / "msrvtt_features", DATA / "negatives" / "msr1ka_adverb_RE20.json"
pytestmark = pytest.mark.skipif(
    not (FEATURES.is_dir() and RELEASED.exists()), reason="the real files are not here"
)


@cache
def store() -> FeatureStore:
    return FeatureStore(FEATURES)


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory) -> tuple[Group, ...]:
    """The first captions of the file whose videos have tokens, and two that have none; the captions
    themselves are made up (reading the 200,000 real ones takes longer than the test).
    """
    listed = json.loads(RELEASED.read_text(encoding="utf-8"))
    there = set(store().ids)
    names = [name for name in listed if name.split("#")[0] in there][:12]
    names += [name for name in listed if name.split("#")[0] not in there][:2]
    path = tmp_path_factory.mktemp("released") / RELEASED.name
    path.write_text(json.dumps({name: listed[name] for name in names}), encoding="utf-8")
    captions = {
        name: Caption(name, name.split("#")[0], listed[name]["0"] + " now") for name in names
    }
    return groups_of(read_negatives(path, None, Known(captions)))


def feature_model(head: str) -> RetrievalModel:
    """An untrained model of any head on tokens of the store's sizes."""
    settings = {
        "max_words": 77,
        "max_frames": store().num_frames,
        "temporal_layers": 1,
        "shifted_blocks": (),
    }
    config, tokenizer = head_config(head, **settings), tiny_tokenizer()
    geometry = FeatureGeometry(
        dim=32,
        token_dim=store().token_dim,
        tokens_per_frame=1 + store().num_patches,
        vocab_size=tokenizer.vocab_size,
        text_width=64,
        text_blocks=1,
    )
    model = RetrievalModel(FeatureEncoder(geometry), config, tokenizer, name=head)
    jitter(model, amount=0.02)
    return model.eval()


@pytest.mark.parametrize("head", HEADS)
def test_any_head_ranks_all_21_candidates(head: str, groups: tuple[Group, ...]) -> None:
    settings = FineSettings(confidence=DEFAULT_CONFIDENCE)
    record = measure(TowerScorer(feature_model(head), store()), groups, settings)
    row = record.results["adverb"]
    assert (row["captions"], row["candidates"]) == (12, 21.0)
    assert row["chance"]["MRR"] == pytest.approx(0.1736, abs=1e-4)
    assert len(record.negatives.missing) >= 1
    assert record.scores is not None
    fused = record.scores.granularities["fused"].reshape(12, 21)
    assert np.isfinite(fused).all()
    assert (fused.std(1) > 0).all()
