"""A record is read back as it was written, or not at all."""

import io
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gallery_doubles import ToyModel, ToySource, make_split

from finereel.data.base import Dataset
from finereel.errors import DataError
from finereel.evaluation.evaluate import BenchmarkSettings, evaluate
from finereel.evaluation.record import GalleryScores, RunRecord
from finereel.evaluation.record_files import RANKS, RECORD, SCORES, load_record, save_record
from finereel.statistics.intervals import DEFAULT_CONFIDENCE

DATASET = Dataset("toy", {"test": make_split("test", 12, 2)}, selection=None)


def make() -> RunRecord:
    settings = BenchmarkSettings(confidence=DEFAULT_CONFIDENCE)
    return evaluate(ToyModel(spread=2.0), DATASET, ToySource({"test-1": "broken"}), settings)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_record(make(), tmp_path / "run")
    return tmp_path / "run"


def assert_same(first: RunRecord, second: RunRecord) -> None:
    for name in set(first.__dataclass_fields__) - {"queries", "scores"}:
        assert getattr(first, name) == getattr(second, name), name
    for direction, asked in first.queries.items():
        other = second.queries[direction]
        assert (asked.ids, asked.videos) == (other.ids, other.videos)
        for name, found in asked.ranks.items():
            for bound in ("expected", "optimistic", "pessimistic"):
                np.testing.assert_array_equal(
                    getattr(found, bound), getattr(other.ranks[name], bound)
                )
    assert (first.scores is None) == (second.scores is None)
    for direction, kept in (first.scores or {}).items():
        assert second.scores is not None
        assert kept.matrix.tobytes() == second.scores[direction].matrix.tobytes()
        assert (kept.queries, kept.gallery) == (
            second.scores[direction].queries,
            second.scores[direction].gallery,
        )


def test_round_trip(tmp_path: Path) -> None:
    record = make()
    save_record(record, tmp_path / "run")
    assert_same(record, load_record(tmp_path / "run"))
    assert {path.name for path in (tmp_path / "run").iterdir()} == {RECORD, RANKS, SCORES}


def test_writing_again_replaces_everything(folder: Path) -> None:
    record = replace(make(), name="second", scores=None)
    save_record(record, folder)
    assert_same(record, load_record(folder))
    assert not (folder / SCORES).exists()


def edit(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        described = json.loads((folder / RECORD).read_text())
        change(described)
        (folder / RECORD).write_text(json.dumps(described))

    return apply


def swap(
    name: str, content: Callable[[bytes], bytes], rehash: bool = False
) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        data = content((folder / name).read_bytes())
        (folder / name).write_bytes(data)
        if rehash:
            edit(lambda described: described["sha256"].update({name: sha256(data).hexdigest()}))(
                folder
            )

    return apply


class Canary:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a pickle was opened",)


def pickled(data: bytes) -> bytes:
    with np.load(io.BytesIO(data)) as arrays:
        kept = dict(arrays)
    kept["text_to_video/ids"] = np.array([Canary()] * 22, dtype=object)
    stream = io.BytesIO()
    np.savez(stream, **kept)  # type: ignore[arg-type]
    return stream.getvalue()


def better(described: dict[str, Any]) -> None:
    described["results"]["text_to_video"]["fused"]["R@1"] += 1


def without_a_rank(data: bytes) -> bytes:
    with np.load(io.BytesIO(data)) as arrays:
        kept = {
            name: array[..., :-1] if name.endswith("fused") else array
            for name, array in arrays.items()
        }
    stream = io.BytesIO()
    np.savez(stream, **kept)
    return stream.getvalue()


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no record": (lambda folder: (folder / RECORD).unlink(), "cannot be read"),
    "no ranks": (lambda folder: (folder / RANKS).unlink(), "cannot be read"),
    "not json": (lambda folder: (folder / RECORD).write_text("{"), "not JSON"),
    "not text": (lambda folder: (folder / RECORD).write_bytes(b"\xff{}"), "not UTF-8"),
    "a list": (lambda folder: (folder / RECORD).write_text("[]"), "must hold an object"),
    "deep": (lambda folder: (folder / RECORD).write_text("[" * 200_000), "cannot be read|not JSON"),
    "another format": (
        edit(lambda described: described.update(format="other")),
        "expected finereel-run",
    ),
    "a later version": (edit(lambda described: described.update(version=3)), "of version 3"),
    "better R@1": (edit(better), "R@1 .* stated"),
    "no protocol": (
        edit(lambda d: d["results"]["text_to_video"]["fused"].pop("protocol")),
        "lacks something",
    ),
    "an interval upside down": (
        edit(lambda d: d["results"]["text_to_video"]["fused"]["intervals"].update({"R@1": [9, 1]})),
        "low <= high",
    ),
    "an interval of three": (
        edit(
            lambda d: d["results"]["text_to_video"]["fused"]["intervals"].update({"R@1": [1, 2, 3]})
        ),
        "lacks something",
    ),
    "no dataset": (edit(lambda described: described.pop("dataset")), "lacks something"),
    "a dataset that is text": (
        edit(lambda described: described.update(dataset="toy")),
        "lacks something",
    ),
    "an unknown fact": (
        edit(lambda described: described["model"].update(size=3)),
        "no setting size",
    ),
    "no hashes": (edit(lambda described: described.pop("sha256")), "lacks something"),
    "a wrong hash": (
        edit(lambda described: described["sha256"].update({RANKS: "0" * 64})),
        "is not the file",
    ),
    "fewer granularities": (
        edit(lambda d: d["results"]["text_to_video"].pop("fused")),
        "other granularities",
    ),
    "other ranks": (swap(RANKS, lambda data: data + b"\0"), "is not the file"),
    "half the ranks": (swap(RANKS, lambda data: data[: len(data) // 2]), "is not the file"),
    "half the ranks, hashed": (
        swap(RANKS, lambda data: data[: len(data) // 2], rehash=True),
        "cannot be read as npz",
    ),
    "empty ranks, hashed": (swap(RANKS, lambda data: b"", rehash=True), "cannot be read as npz"),
    "a bare pickle, hashed": (
        swap(RANKS, lambda data: pickle.dumps(Canary()), rehash=True),
        "cannot be read as npz",
    ),
    "a pickle in the npz, hashed": (swap(RANKS, pickled, rehash=True), "without pickles"),
    "a rank too few, hashed": (
        swap(RANKS, without_a_rank, rehash=True),
        "three ranks of 22 queries",
    ),
    "scores of another run": (swap(SCORES, lambda data: data[:-1]), "is not the file"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_changed_record_is_refused(folder: Path, case: str) -> None:
    damage, message = DAMAGE[case]
    damage(folder)
    with pytest.raises(DataError, match=message):
        load_record(folder)


def test_a_record_without_scores_is_whole(folder: Path) -> None:
    save_record(replace(make(), scores=None), folder)
    assert load_record(folder).scores is None


def test_nan_ranks_are_refused(folder: Path) -> None:
    def poison(data: bytes) -> bytes:
        with np.load(io.BytesIO(data)) as arrays:
            kept = dict(arrays)
        kept["text_to_video/fused"][0, 0] = np.nan
        stream = io.BytesIO()
        np.savez(stream, **kept)  # type: ignore[arg-type]
        return stream.getvalue()

    swap(RANKS, poison, rehash=True)(folder)
    with pytest.raises(DataError, match="from 1"):
        load_record(folder)


@pytest.mark.parametrize("right", [[-1, 0], [0, 3]])
def test_right_answers_are_gallery_items(right: list[int]) -> None:
    with pytest.raises(DataError, match="right answers"):
        GalleryScores(
            ("a", "b"),
            ("x", "y", "z"),
            np.array(right, dtype=np.int64),
            np.zeros((2, 3), np.float32),
        )


def test_a_record_of_version_1_is_read_by_the_rule_of_today(folder: Path) -> None:
    described = json.loads((folder / RECORD).read_text())
    described["version"] = 1
    for rows in described["results"].values():
        for row in rows.values():
            row["R@1"] = 0.0  # what the old rule said of ties
    for name in ("doubled", "doubled_right", "captions_cut"):
        del described["dataset"][name]
    (folder / RECORD).write_text(json.dumps(described))
    found = load_record(folder)
    assert found.row("text_to_video") == make().row("text_to_video")
    assert (found.dataset.doubled, found.dataset.captions_cut) == (0, None)
