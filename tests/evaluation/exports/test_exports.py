"""TREC files, judged by ir_measures."""

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import ir_measures
import numpy as np
import pytest
from ir_measures import RR, Success
from records import make_record, make_split, random_scores

from finereel.data.base import Split
from finereel.errors import DataError
from finereel.evaluation.exports import run_text, trec_id, trec_metrics, write_trec
from finereel.evaluation.record import RunRecord


def judged(folder: Path, direction: str) -> dict[str, float]:
    run = ir_measures.read_trec_run(str(folder / f"{direction}.run"))
    qrels = ir_measures.read_trec_qrels(str(folder / f"{direction}.qrels"))
    measures = {"R@1": Success @ 1, "R@5": Success @ 5, "R@10": Success @ 10, "RR": RR}
    found = ir_measures.calc_aggregate(list(measures.values()), qrels, run)
    return {name: found[measure] for name, measure in measures.items()}


def own(record: RunRecord, direction: str) -> dict[str, float]:
    recalls = {name: record.row(direction)[name] / 100 for name in ("R@1", "R@5", "R@10")}
    return {**recalls, "RR": float((1 / record.queries[direction].ranks["fused"].expected).mean())}


@pytest.mark.parametrize("direction", ["text_to_video", "video_to_text"])
@pytest.mark.parametrize(
    ("texts", "videos", "seed"), [(40, 40, 0), (60, 20, 1), (90, 30, 2), (7, 7, 3), (1, 1, 4)]
)
def test_ir_measures_agrees(
    tmp_path: Path, texts: int, videos: int, seed: int, direction: str
) -> None:
    record = make_record(random_scores(texts, videos, seed))
    write_trec(record, tmp_path)
    assert judged(tmp_path, direction) == pytest.approx(own(record, direction), abs=1e-12)


def test_scores_that_differ_in_the_last_bit_keep_their_order(tmp_path: Path) -> None:
    close = np.nextafter(np.float32(25), np.float32(26)) - np.float32(25)
    scores = np.full((12, 12), 25.0) + close * np.random.default_rng(0).permuted(
        np.tile(np.arange(12), (12, 1)), axis=1
    )
    record = make_record(scores)
    write_trec(record, tmp_path)
    assert judged(tmp_path, "text_to_video") == pytest.approx(
        own(record, "text_to_video"), abs=1e-12
    )


@pytest.mark.parametrize("direction", ["text_to_video", "video_to_text"])
@pytest.mark.parametrize(("texts", "videos", "levels"), [(40, 40, 3), (60, 20, 4), (9, 9, 1)])
def test_ir_measures_agrees_on_ties_with_the_order_that_is_told(
    tmp_path: Path, texts: int, videos: int, levels: int, direction: str
) -> None:
    """Scores of few levels: the order of equal scores is told, and so are its metrics."""
    scores = np.random.default_rng(texts).integers(0, levels, (texts, videos)).astype(float)
    record = make_record(scores)
    write_trec(record, tmp_path)
    told = json.loads((tmp_path / "metrics.json").read_text())[direction]
    found = judged(tmp_path, direction)
    for name, value in told["as_ordered"].items():
        assert found[name] * (1 if name == "RR" else 100) == pytest.approx(value, abs=1e-4)
    assert told["expected"]["R@1"] == record.row(direction)["R@1"]
    best, worst = (record.row(direction)[f"R@1_{name}"] for name in ("optimistic", "pessimistic"))
    assert worst <= told["as_ordered"]["R@1"] <= best


def test_random_orders_of_ties_average_to_the_recall_of_the_record() -> None:
    """The expectation is that of ir_measures over random names of the gallery."""
    rng = np.random.default_rng(3)
    record = make_record(rng.integers(0, 3, (12, 12)).astype(float))
    assert record.scores is not None
    scores = record.scores["text_to_video"]
    found = []
    for _ in range(400):
        names = tuple(f"{number:03}" for number in rng.permutation(12))
        found.append(trec_metrics(replace(scores, gallery=names))["R@1"])
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert abs(np.mean(found) - record.row("text_to_video")["R@1"]) < 4 * error


def test_ids_without_a_place_in_the_format_come_back(tmp_path: Path) -> None:
    plain = make_split(6)
    ids = {video: f"my clip\t{number} é 100%.mp4" for number, video in enumerate(plain.videos)}
    captions = tuple(
        replace(caption, id=caption.id + " ?", video_id=ids[caption.video_id])
        for caption in plain.captions
    )
    record = make_record(
        random_scores(6, 6, 0), "my run", Split("test", tuple(ids.values()), captions)
    )
    files = write_trec(record, tmp_path)
    assert sorted(file.name for file in files) == [
        "metrics.json",
        "text_to_video.qrels",
        "text_to_video.run",
        "video_to_text.qrels",
        "video_to_text.run",
    ]
    lines = (tmp_path / "text_to_video.run").read_text(encoding="ascii").splitlines()
    assert {len(line.split()) for line in lines} == {6}
    assert {unquote(line.split()[2]) for line in lines} == set(ids.values())
    assert judged(tmp_path, "text_to_video") == pytest.approx(
        own(record, "text_to_video"), abs=1e-12
    )


def test_ids_stay_different() -> None:
    names = ["a b", "a%20b", "a\tb", "a\nb", "a+b", "ä", "\udcff"]
    assert len({trec_id(name) for name in names}) == len(names)
    assert all(trec_id(name).isascii() and not trec_id(name).split()[1:] for name in names)


def test_a_run_is_cut_at_its_depth() -> None:
    record = make_record(random_scores(30, 30, 0))
    assert record.scores is not None
    lines = run_text(record.scores["text_to_video"], "name", depth=4).splitlines()
    assert [line.split()[3] for line in lines[:4]] == ["1", "2", "3", "4"]
    assert len(lines) == 120


def test_a_record_without_scores_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="kept without scores"):
        write_trec(replace(make_record(random_scores(4, 4, 0)), scores=None), tmp_path)
