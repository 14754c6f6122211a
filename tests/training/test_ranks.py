"""The loop in two processes: the same run as in one, one of them writes, and a wish to stop reaches
both.
"""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from finereel.io.signals import Stopped
from finereel.models.retrieval import RetrievalModel
from finereel.training.batch import Batch
from finereel.training.distributed import Shard
from finereel.training.health import Validation
from finereel.training.settings import TrainingSettings
from finereel.training.trainer import BatchAt, Progress, train
from processes import run
from tiny_models import tiny_model
from tiny_runs import SETTINGS, batch_at, loss_on_step_99

pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)  # Python 3.12
PLAIN = replace(SETTINGS, factor_weight=0.0, factor_sizes=())


def model_without_noise(seed: int = 0) -> RetrievalModel:
    """No patches, so nothing random; the frames' weights are smooth, so rounding stays small."""
    weights = {"video_sentence": 0.5, "frame_sentence": 0.5}
    return tiny_model(seed, weights=weights, aggregation="mean")


def own_rows(shard: Shard) -> BatchAt:
    def at(step: int) -> Batch:
        batch = batch_at(step)
        rows = shard.rows(len(batch))
        return Batch(
            batch.frames[rows], batch.frame_mask[rows], batch.input_ids[rows], batch.text_mask[rows]
        )

    return at


def trained(
    shard: Shard, out: Path, settings: TrainingSettings = PLAIN, seed: int = 0
) -> dict[str, Any]:
    events: list[Progress] = []
    model = model_without_noise(seed)
    result = train(model, own_rows(shard), loss_on_step_99, settings, out, events.append)
    return {
        "weights": {name: tensor.clone() for name, tensor in model.state_dict().items()},
        "losses": [event.loss for event in events],
        "samples": [event.samples for event in events],
        "best": result.best,
        "history": result.history,
    }


@pytest.mark.parametrize("chunk", [0, 1])
def test_two_processes_train_like_one(tmp_path: Path, chunk: int) -> None:
    settings = replace(PLAIN, chunk=chunk)
    first, second = run(
        2, lambda shard: trained(shard, tmp_path / "two", settings, seed=shard.rank), tmp_path
    )
    one = trained(Shard(), tmp_path / "one")
    for name, tensor in one["weights"].items():
        assert torch.equal(first["weights"][name], second["weights"][name]), name
        assert torch.allclose(first["weights"][name], tensor, atol=1e-4), name
    assert first["losses"] == pytest.approx(one["losses"], rel=1e-4)
    assert first["samples"] == [4] * 6
    assert first["history"] == second["history"]
    assert (second["losses"], second["best"]) == ([], first["best"])
    lines = map(json.loads, (tmp_path / "two" / "log.jsonl").read_text().splitlines())
    assert [line["step"] for line in lines if line["kind"] == "step"] == [1, 2, 3, 4, 5, 6]


def test_a_signal_to_one_process_stops_both_and_one_process_goes_on(tmp_path: Path) -> None:
    settings = replace(PLAIN, validate_every=6, checkpoint_every=6)

    def stopped(shard: Shard) -> int:
        rows = own_rows(shard)

        def at(step: int) -> Batch:
            if (shard.rank, step) == (1, 3):  # while this step is made: it is the last one
                os.kill(os.getpid(), signal.SIGTERM)
            return rows(step)

        with pytest.raises(Stopped) as stop:
            train(
                model_without_noise(), at, lambda model: Validation(1.0), settings, tmp_path / "two"
            )
        assert stop.value.signum == signal.SIGTERM
        return stop.value.step

    assert run(2, stopped, tmp_path) == [4, 4]
    assert torch.load(tmp_path / "two" / "checkpoint.pt", weights_only=True)["state"]["step"] == 4
    resumed = trained(Shard(), tmp_path / "two", settings, seed=5)
    whole = trained(Shard(), tmp_path / "one", settings)
    assert len(resumed["losses"]) == 2
    for name, tensor in whole["weights"].items():
        assert torch.allclose(resumed["weights"][name], tensor, atol=1e-4), name


def test_gradients_are_averaged_while_others_are_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left to average after a backward pass of the whole batch."""

    def refused(parameters: object, shard: Shard) -> None:
        raise AssertionError("averaged after the backward pass")

    monkeypatch.setattr("finereel.training.learner.average_gradients", refused)
    first, second = run(2, lambda shard: trained(shard, tmp_path / "two"), tmp_path)
    assert all(
        torch.equal(first["weights"][name], second["weights"][name]) for name in first["weights"]
    )
    with pytest.raises(AssertionError, match="after the backward"):
        trained(Shard(), tmp_path / "chunks", replace(PLAIN, chunk=1))
