"""Finish a run: load the best model, verify that it is the selected one, and test it once."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finereel.data.base import ClipSource, Dataset
from finereel.errors import TrainingError
from finereel.evaluation.archive import RECORD
from finereel.evaluation.evaluate import BenchmarkSettings, evaluate
from finereel.evaluation.record import RunRecord
from finereel.evaluation.record_files import load_record, save_record
from finereel.io.atomic import replace_folder, storage_errors
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load, save
from finereel.recipes.events import FinishedRun, Note, OnEvent, Working
from finereel.training.health import Validation

_SAME_SCORE = 1e-6
_DEVICES_DIFFER = 0.5
"""Percent points by which a validation may differ on an accelerator, whose sums come in no fixed
order.
"""


@dataclass(frozen=True)
class Conclusion:
    """What is needed at the end. name, card: of the model; data: holds the split `test`; validator:
    scores it as training did, to see that the model read back is the one that was chosen.
    """

    name: str
    data: Dataset
    source: ClipSource
    validator: Callable[[RetrievalModel], Validation]
    seed: int
    device: str = "cpu"
    card: dict[str, Any] = field(default_factory=dict)


def conclude(best: Path, out: Path, given: Conclusion, on_event: OnEvent) -> FinishedRun:
    """The best model in `out/model` and its record on the test split in `out/record`.

    A record of this very model on this very split is read instead of measured again. Raises
    TrainingError when the model that was read back scores otherwise than when it was saved.
    """
    model = load(best).to(given.device)
    model.name, model.card = given.name, dict(given.card)
    record = _existing(out / "record", model, given)
    if record is None:
        _verify(model, best, given.validator)
        with storage_errors(out / "model"), replace_folder(out / "model") as fresh:
            save(model, fresh)
        settings = BenchmarkSettings(
            name=given.name, training_seed=given.seed, reload_verified=True
        )
        record = evaluate(
            model,
            given.data,
            given.source,
            settings,
            lambda what, done, total: on_event(Working(what, done, total)),
        )
        save_record(record, out / "record")
    else:
        on_event(Note("nothing to do: this run is finished, here is its result"))
    return FinishedRun(model, out / "model", record)


def _existing(folder: Path, model: RetrievalModel, given: Conclusion) -> RunRecord | None:
    if not (folder / RECORD).exists():
        return None
    record = load_record(folder)
    same = record.model.fingerprint == model.fingerprint
    return record if same and record.dataset.split_hash == given.data.split("test").hash else None


def _verify(
    model: RetrievalModel, best: Path, validator: Callable[[RetrievalModel], Validation]
) -> None:
    recorded = float(json.loads((best / "validation.json").read_text(encoding="utf-8"))["score"])
    again = validator(model).score
    allowed = _SAME_SCORE if model.encoder.scale.device.type == "cpu" else _DEVICES_DIFFER
    if not abs(again - recorded) <= allowed:
        raise TrainingError(
            f"the model in {best} scored {recorded:.4f} on validation when it was saved and "
            f"{again:.4f} after reading "
            "it back: its files or the clips have changed; delete the folder and train again"
        )
