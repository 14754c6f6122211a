"""Coarse candidates, the exact score, banks and ties."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa
import pytest
import torch
from lancedb.index import BTree

from finereel.errors import LibraryError, QueryError
from finereel.index import search
from finereel.index.bank import Bank, StaleBankError
from finereel.index.coarse import AnnCoarse, ExactCoarse
from finereel.index.events import AddSettings
from finereel.index.head import seal
from finereel.index.pipeline import Began, Encoded, Failed, encode_files
from finereel.index.plan import EncodeJob
from finereel.index.query import Filters, Query
from finereel.index.search import (
    Searcher,
    best_frames,
    rank_captions,
    score_clips,
)
from finereel.index.store import ClipStore
from finereel.io.signals import StopFlag
from finereel.library import Library
from finereel.video.files import FileState
from index.doubles import ToyModel, ToySource, word_frames, write_video

MODEL = ToyModel()
FILES = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index folder of a library of 600 clips."""
    root = tmp_path_factory.mktemp("search")
    for number in range(FILES):
        write_video(root / "videos" / f"{number:03d}.toy", f"a{number}", f"b{number}")
    Library.open(root / "library", MODEL, ToySource()).add([root / "videos"])
    return next((root / "library").glob("index-*"))


@pytest.fixture
def searcher(folder: Path) -> Searcher:
    return Searcher.of(ClipStore.open(folder).snapshot(), None)


def test_exact_candidates_are_the_best_by_brute_force(searcher: Searcher) -> None:
    query = MODEL.coarse_query(MODEL.encode_text(["a17 b200"]))[0]
    found = searcher.coarse.candidates(query, 50)
    clips = searcher.snapshot.take(searcher.snapshot.row_ids())
    scores = clips.features.video @ query
    worst = float(scores.sort(descending=True).values[49])
    taken = searcher.snapshot.take(found).features.video @ query
    assert len(found) == 50
    assert float(taken.min()) >= worst - 0.1


def test_candidates_agree_with_the_full_search_at_the_top(searcher: Searcher) -> None:
    for text in ("a17", "b200", "a3 b4"):
        some = searcher.search(MODEL, Query(text, top=5, candidates=100, per_video=None))
        every = searcher.search(MODEL, Query(text, top=5, candidates=None, per_video=None))
        assert [hit.clip_id for hit in some] == [hit.clip_id for hit in every]
        assert [hit.score for hit in some] == pytest.approx([hit.score for hit in every], abs=1e-4)


def test_blocks_change_nothing(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    query = Query("a17 b2", top=1000, candidates=None, per_video=None)
    whole = searcher.search(MODEL, query)
    monkeypatch.setattr(search, "BLOCK", 37)
    blocks = searcher.search(MODEL, query)
    assert [hit.clip_id for hit in blocks] == [hit.clip_id for hit in whole]
    assert [hit.score for hit in blocks] == pytest.approx([hit.score for hit in whole], abs=1e-4)


def test_a_bias_counts_among_the_candidates(searcher: Searcher) -> None:
    query = MODEL.coarse_query(MODEL.encode_text(["a17"]))[0]
    table = searcher.snapshot.vectors()
    bias = np.zeros(len(table.row_ids), dtype=np.float32)
    last = int(ExactCoarse(table, None).candidates(query, len(bias))[-1])
    bias[list(table.row_ids).index(last)] = 1000
    assert ExactCoarse(table, bias).candidates(query, 1).tolist() == [last]


def test_the_approximate_index_finds_nearly_the_same(tmp_path: Path) -> None:
    for number in range(FILES):
        write_video(tmp_path / "videos" / f"{number:03d}.toy", f"a{number}", f"b{number}")
    library = Library.open(tmp_path / "library", MODEL, ToySource())
    library.add([tmp_path / "videos"], settings=AddSettings(ann_threshold=500))
    snapshot = ClipStore.open(next(library.path.glob("index-*"))).snapshot()
    approximate = Searcher.of(snapshot, None)
    assert isinstance(approximate.coarse, AnnCoarse)
    exact = ExactCoarse(snapshot.vectors(), None)
    shared = 0
    for number in range(20):
        query = MODEL.coarse_query(MODEL.encode_text([f"a{number} b{number + 50}"]))[0]
        shared += len(
            set(exact.candidates(query, 50)) & set(approximate.coarse.candidates(query, 50))
        )
    assert shared >= 0.95 * 20 * 50
    assert library.search("b77", 1)[0].video.endswith("077.toy")
    # New rows are found before the index knows them, hidden ones are not found although it does.
    write_video(tmp_path / "videos" / "new.toy", "unheard")
    (tmp_path / "videos" / "077.toy").unlink()
    library.add([tmp_path / "videos"], settings=AddSettings(ann_threshold=500))
    assert library.search("unheard", 1)[0].video.endswith("new.toy")
    assert not library.search("b77", 1)[0].video.endswith("077.toy")
    library.fit_normalization([f"a{number}" for number in range(30)])
    assert library.search("b78", 1)[0].video.endswith("078.toy")
    two = [tmp_path / "videos" / name for name in ("012.toy", "013.toy")]
    assert [Path(hit.video).name for hit in library.search("b13", 5, within=two)] == [
        "013.toy",
        "012.toy",
    ]


def test_another_index_of_the_table_changes_no_search(tmp_path: Path) -> None:
    for number in range(FILES):
        write_video(tmp_path / "videos" / f"{number:03d}.toy", f"a{number}", f"b{number}")
    library = Library.open(tmp_path / "library", MODEL, ToySource())
    library.add([tmp_path / "videos"])
    library.fit_normalization([f"a{number}" for number in range(30)])
    folder = next(library.path.glob("index-*"))
    before = library.search("a17 b2", 20, candidates=30)
    lancedb.connect(folder).open_table("clips").create_index("path", config=BTree())
    seal(folder)

    plain = Searcher.of(ClipStore.open(folder).snapshot(), Bank.load(folder))
    assert isinstance(plain.coarse, ExactCoarse)
    assert library.search("a17 b2", 20, candidates=30) == before

    # The index of the vectors is made beside it, and takes in new rows.
    write_video(tmp_path / "videos" / "new.toy", *(f"c{number}" for number in range(60)))
    library.add([tmp_path / "videos"], settings=AddSettings(ann_threshold=500))
    assert isinstance(Searcher.of(ClipStore.open(folder).snapshot(), None).coarse, AnnCoarse)
    write_video(tmp_path / "videos" / "newer.toy", *(f"d{number}" for number in range(60)))
    library.add([tmp_path / "videos"], settings=AddSettings(ann_threshold=500))
    table = lancedb.connect(folder).open_table("clips")
    (name,) = [index.name for index in table.list_indices() if index.columns == ["vector"]]
    assert table.index_stats(name).num_unindexed_rows == 0


def test_a_long_list_from_few_candidates_is_widened(searcher: Searcher) -> None:
    assert len(searcher.search(MODEL, Query("a17", top=250, candidates=3))) == 250


@pytest.mark.parametrize("candidates", [None, 4])
def test_a_search_within_is_that_of_a_library_of_only_these(
    searcher: Searcher, candidates: int | None
) -> None:
    everything = searcher.search(MODEL, Query("a17 b2", Filters(), 600, None, None))
    videos = Path(everything[0].video).parent
    chosen = [str(videos / f"{number:03d}.toy") for number in (3, 17, 40, 41, 205)]
    hits = searcher.search(
        MODEL, Query("a17 b2", Filters(folders=tuple(chosen)), 4, None, candidates)
    )
    assert [hit.clip_id for hit in hits] == [
        hit.clip_id for hit in everything if hit.video in chosen
    ][:4]
    assert (
        len(
            searcher.search(
                MODEL, Query("a17", Filters(folders=(str(videos),)), 600, None, candidates)
            )
        )
        == 600
    )


def test_a_search_within_a_place_without_videos_is_refused(searcher: Searcher) -> None:
    with pytest.raises(QueryError, match=r"of 300 videos, 0 in /nowhere"):
        searcher.search(MODEL, Query("a17", Filters(folders=("/nowhere",))))


def test_the_best_frame_is_a_real_one_and_the_nearest(searcher: Searcher) -> None:
    text = MODEL.encode_text(["dog"])
    clips = searcher.snapshot.take(searcher.snapshot.row_ids()[:2])
    frames = torch.randn(2, 4, 16)
    frames[0, 2] = 5 * text.sentence[0]
    frames[1, 3] = 5 * text.sentence[0]
    mask = torch.tensor([[True] * 4, [True, True, True, False]])
    found = best_frames(text, replace(clips.features, frames=frames, frame_mask=mask))
    assert found[0] == 2
    assert found[1] != 3


def test_score_clips_of_nothing_is_nothing(searcher: Searcher) -> None:
    empty = searcher.snapshot.take(np.empty(0, dtype=np.int64))
    assert score_clips(MODEL, MODEL.encode_text(["dog"]), empty, None) == []


def _bank(clip_ids: list[str]) -> Bank:
    generator = np.random.default_rng(0)
    scores = {
        name: generator.normal(size=(6, len(clip_ids)))
        for name in ("video_sentence", "frame_sentence")
    }
    return Bank.fit([f"caption {i}" for i in range(6)], scores, clip_ids, strength=0.5)


def test_a_bank_survives_its_file_and_finds_its_rows(tmp_path: Path) -> None:
    bank = _bank(["c", "a", "b"])
    bank.save(tmp_path)
    loaded = Bank.load(tmp_path)
    assert loaded is not None
    assert (loaded.name, loaded.captions, loaded.granularities) == (
        bank.name,
        bank.captions,
        bank.granularities,
    )
    fitted = [part.bias_ for part in bank.normalizers.parts.values()]
    table = pa.table(
        {
            "clip_id": ["b", "new", "c"],
            "bias": pa.array([None, [7.0, 8.0], [9.0, 9.0]], pa.list_(pa.float32())),
            "bank": [None, bank.name, "bank:older"],
        }
    )
    expected = [
        [0.5 * fitted[0][2], 0.5 * fitted[1][2]],
        [7, 8],
        [0.5 * fitted[0][0], 0.5 * fitted[1][0]],
    ]
    assert loaded.biases_of(table) == pytest.approx(np.array(expected), abs=1e-6)


def test_rows_that_a_bank_does_not_know_are_not_given_a_guess() -> None:
    nothing = {
        "bias": pa.array([None], pa.list_(pa.float32())),
        "bank": pa.array([None], pa.string()),
    }
    table = pa.table({"clip_id": ["z"], **nothing})
    with pytest.raises(StaleBankError, match="fit the normalisation again"):
        _bank(["a", "b"]).biases_of(table)
    assert issubclass(StaleBankError, LibraryError)


def test_captions_of_equal_score_keep_their_order() -> None:
    hits = rank_captions(MODEL, MODEL.encode_video([word_frames("dog")]), ["cat", "dog", "cat"])
    assert [hit.index for hit in hits] == [1, 0, 2]


def _jobs(tmp_path: Path, count: int) -> list[EncodeJob]:
    paths = [write_video(tmp_path / f"{number}.toy", "dog", "cat") for number in range(count)]
    return [EncodeJob(str(path), FileState(1, 1), None, None) for path in paths]


def _outcomes(jobs: list[EncodeJob], stop: StopFlag, source: ToySource) -> Iterator[object]:
    return encode_files(jobs, source, MODEL, AddSettings(queue_clips=2, batch_clips=3), stop)


def test_the_pipeline_gives_files_in_order_with_all_their_clips(tmp_path: Path) -> None:
    jobs = _jobs(tmp_path, 5)
    (tmp_path / "2.toy").write_text("! broken\n")
    (tmp_path / "3.toy").write_text("")
    outcomes = list(_outcomes(jobs, StopFlag(), ToySource()))
    ends = [type(outcome) for outcome in outcomes if not isinstance(outcome, Began)]
    assert ends == [Encoded, Encoded, Failed, Failed, Encoded]
    assert len(outcomes) == 10
    assert all(len(outcome.features) == 2 for outcome in outcomes if isinstance(outcome, Encoded))


def test_leaving_the_pipeline_early_ends_its_thread(tmp_path: Path) -> None:
    source = ToySource()
    outcomes = _outcomes(_jobs(tmp_path, 50), StopFlag(), source)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    decoded = len(source.decoded)
    time.sleep(0.2)
    assert len(source.decoded) == decoded < 50


def test_a_stop_ends_the_pipeline_without_the_file_at_hand(tmp_path: Path) -> None:
    stop = StopFlag()
    outcomes = _outcomes(_jobs(tmp_path, 50), stop, ToySource())
    next(outcomes)
    stop.set()
    assert list(outcomes) == []


def test_an_error_that_is_no_file_error_reaches_the_caller(tmp_path: Path) -> None:
    source = ToySource()
    source.content_hash = lambda path: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(ZeroDivisionError):
        list(_outcomes(_jobs(tmp_path, 3), StopFlag(), source))
