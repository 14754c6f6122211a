"""Composed queries against slow references written from their definitions, on numbers and on whole
libraries, with filters and on the approximate path.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import ConfigError, DataError, QueryError
from finereel.index import hits as finding
from finereel.index.coarse import AnnCoarse, ExactCoarse
from finereel.index.compose import (
    Composition,
    Spread,
    best_gathering,
    best_path,
    contrasted,
    log_false,
    log_true,
)
from finereel.index.events import AddSettings
from finereel.index.query import Filters, Query
from finereel.library import Library
from finereel.types import Hit
from index.doubles import ToyModel, ToySource, write_video

MODEL = ToyModel()
FILES = 60
NUMBERS = st.floats(-6, 9).map(lambda value: round(value, 3))


def probability(z: float) -> float:
    return 1 / (1 + math.exp(-3 * (z - 2)))


# Numbers.
@given(NUMBERS)
def test_both_logarithms_are_those_of_the_probability(z: float) -> None:
    assert float(log_true(np.array(z))) == pytest.approx(math.log(probability(z)), abs=1e-9)
    assert float(log_false(np.array(z))) == pytest.approx(math.log(1 - probability(z)), abs=1e-6)


def test_probabilities_far_out_stay_finite_and_in_order() -> None:
    z = np.array([-400.0, 30.0, 60.0, 200.0])
    assert np.isfinite(log_true(z)).all()
    assert np.isfinite(log_false(z)).all()
    assert (np.diff(log_true(z)) > 0).all()


@given(st.lists(st.tuples(*[NUMBERS] * 5), min_size=1, max_size=8), st.randoms())
def test_parts_multiply_the_probabilities_whatever_the_order(
    clips: list[tuple[float, ...]], random: object
) -> None:
    z = np.array(clips).T
    found = Composition([0, 1], [2], [3, 4]).parts(z)
    assert found.shape == (4, len(clips))
    for column, (a, b, also, *denied) in enumerate(clips):
        wanted = max(probability(a), probability(b)) * probability(also)
        for each in denied:
            wanted *= 1 - probability(each)
        assert found[:, column].sum() == pytest.approx(math.log(wanted), abs=1e-6)
    order = list(range(len(clips)))
    random.shuffle(order)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(
        Composition([0, 1], [2], [3, 4]).parts(z[:, order]), found[:, order]
    )


@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=1, max_size=8))
def test_a_contrast_names_the_best_text_and_by_how_much(clips: list[tuple[int, ...]]) -> None:
    found = contrasted(np.array(clips, float).T)
    for column, scores in enumerate(clips):
        first, second = sorted(scores, reverse=True)[:2]
        assert found.best[column] == scores.index(first)
        assert found.second[column] != found.best[column]
        assert found.margin[column] == first - second
        assert found.either[column] == (first - second < 0.5)


def test_a_text_that_scores_the_same_everywhere_is_no_evidence() -> None:
    scores = np.array([[3.0, 3.0, 3.0], [1.0, 2.0, 3.0]])
    z = Spread.of(scores).standard(scores)
    assert z[0].tolist() == [0, 0, 0]
    assert z[1].tolist() == pytest.approx([-math.sqrt(1.5), 0, math.sqrt(1.5)])
    with pytest.raises(DataError, match="at least one"):
        Spread.of(scores[:, :0])


TIMED = given(
    st.lists(st.tuples(st.integers(0, 12), *[st.integers(-4, 4)] * 3), min_size=0, max_size=7),
    st.sampled_from([2, 3]),
    st.integers(1, 12).map(float),
)
"""Frames with their second and a score for each of three texts; how many texts; seconds between."""


def laid_out(frames: list[tuple[int, ...]], texts: int) -> tuple[np.ndarray, np.ndarray]:
    """Seconds in order, and the scores of the first texts."""
    frames = sorted(frames, key=lambda frame: frame[0])
    seconds = np.array([frame[0] for frame in frames], float)
    return seconds, np.array([frame[1 : 1 + texts] for frame in frames], float).T.reshape(
        texts, len(frames)
    )


@TIMED
def test_the_best_path_is_the_best_of_all(
    frames: list[tuple[int, ...]], texts: int, within: float
) -> None:
    seconds, z = laid_out(frames, texts)
    possible = {
        path: sum(z[row, frame] for row, frame in enumerate(path))
        for path in product(range(len(frames)), repeat=texts)
        if all(0 < seconds[after] - seconds[before] <= within for before, after in pairwise(path))
    }
    found = best_path(z, seconds, within)
    if not possible:
        assert found is None
        return
    assert found is not None
    assert found.score == max(possible.values())
    assert possible[found.frames] == found.score
    assert found.frames[-1] == min(
        path[-1] for path, score in possible.items() if score == found.score
    )


@TIMED
def test_in_any_order_the_best_frames_close_together_are_found(
    frames: list[tuple[int, ...]], texts: int, within: float
) -> None:
    seconds, z = laid_out(frames, texts)
    possible = {
        some: sum(z[row, frame] for row, frame in enumerate(some))
        for some in product(range(len(frames)), repeat=texts)
        if seconds[max(some)] - seconds[min(some)] <= within * (texts - 1)
    }
    found = best_gathering(z, seconds, within)
    if not frames:
        assert found is None
        return
    assert found is not None
    assert found.score == possible[found.frames] == max(possible.values())
    path = best_path(z, seconds, within)
    assert path is None or path.score <= found.score


@pytest.mark.parametrize("find", [best_path, best_gathering])
def test_times_that_fall_are_refused(find: Callable[..., object]) -> None:
    with pytest.raises(DataError, match="do not decrease"):
        find(np.zeros((2, 2)), np.array([1.0, 0.0]))


# Queries.
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"versus": ("b",), "none_of": ("c",)}, "versus puts all texts"),
        ({"then": ("b",), "versus": ("c",)}, "ask for"),
        ({"versus": ("a",)}, "differ from each other"),
        ({"none_of": ("b", "b")}, "differ from each other"),
        ({"paragraph": True, "then": ("b",)}, "a paragraph holds all texts"),
        ({"paragraph": True, "none_of": ("b",)}, "a paragraph holds all texts"),
        ({"any_order": True}, "needs several texts"),
        ({"any_order": True, "none_of": ("b",)}, "needs several texts"),
    ],
)
def test_texts_that_do_not_go_together_are_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Query("a", **fields)  # type: ignore[arg-type]


def test_a_query_lists_all_its_texts() -> None:
    query = Query("a", either=("b",), all_of=("c",), none_of=("d", "e"))
    assert query.texts == ("a", "b", "c", "d", "e")
    assert query.composed
    assert not Query("a").composed
    assert Query("a", then=("b", "a")).texts == ("a", "b", "a")
    assert Query("A dog runs. It jumps. It runs.", paragraph=True).texts == (
        "A dog runs.",
        "It jumps.",
        "It runs.",
    )


def test_a_sequence_is_then_or_the_sentences_of_a_paragraph() -> None:
    text = "A dog runs. It jumps."
    assert Query(text).sequence == ()
    assert Query(text).texts == (text,)
    assert Query(text, paragraph=True).sequence == ("A dog runs.", "It jumps.")
    assert Query("a", then=("b",)).sequence == ("a", "b")
    assert Query("a", none_of=("b",)).sequence == ()
    one = Query("A dog runs.", paragraph=True)
    assert (one.sequence, one.texts, one.composed) == ((), ("A dog runs.",), False)


# Libraries.
@pytest.fixture(scope="module", params=["exact", "approximate"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    """60 videos of five clips of 2 s, with a bank; some of them tagged."""
    root = tmp_path_factory.mktemp("compose")
    for number in range(FILES):
        words = [f"{letter}{number}" for letter in "abcde"]
        write_video(root / "videos" / f"{number:03d}.toy", *words)
    threshold = 100 if request.param == "approximate" else 100_000
    library = Library.open(root / "library", MODEL, ToySource())
    library.add([root / "videos"], settings=AddSettings(ann_threshold=threshold))
    library.fit_normalization([f"a{number}" for number in range(7)], strength=0.5)
    library.tag(sorted((root / "videos").glob("*[02468].toy")), ["even"])
    kind = AnnCoarse if request.param == "approximate" else ExactCoarse
    assert isinstance(library._searcher(library._existing()).coarse, kind)
    return library


Table = dict[str, dict[tuple[str, float], float]]


def plain_scores(library: Library, texts: tuple[str, ...]) -> Table:
    """The score of every clip by video and start, by text, as a search for each gives it."""
    return {
        text: {
            (hit.video, hit.start): hit.score
            for hit in library.search(Query(text, top=10 * FILES, per_video=None, candidates=None))
        }
        for text in texts
    }


def standard(scores: Table) -> Table:
    """By the mean and deviation of all clips."""
    found = {}
    for text, clips in scores.items():
        mean = sum(clips.values()) / len(clips)
        deviation = math.sqrt(sum((score - mean) ** 2 for score in clips.values()) / len(clips))
        found[text] = {clip: (score - mean) / deviation for clip, score in clips.items()}
    return found


A, B, C, D = "a1", "b2 a9", "c3", "d1 d2"


def places(hits: list[Hit]) -> list[tuple[str, float]]:
    return [(hit.video, hit.start) for hit in hits]


@pytest.mark.parametrize("candidates", [None, 40])
@pytest.mark.parametrize("filters", [Filters(), Filters(tags=("even",))])
def test_not_or_and_are_products_of_probabilities(
    library: Library, candidates: int | None, filters: Filters
) -> None:
    z = standard(plain_scores(library, (A, B, C, D)))
    expected = {}
    for clip in z[A]:
        if filters and int(Path(clip[0]).stem) % 2:
            continue
        both = max(probability(z[A][clip]), probability(z[B][clip])) * probability(z[C][clip])
        expected[clip] = math.log(both * (1 - probability(z[D][clip])))
    best = sorted(expected, key=lambda clip: (-expected[clip], clip))[:8]
    query = Query(*(A, filters, 8, None, candidates), either=(B,), all_of=(C,), none_of=(D,))
    hits = library.search(query)
    shared = len(set(best) & set(places(hits)))
    assert shared >= (8 if candidates is None else 5)
    for hit in hits:
        assert hit.score == pytest.approx(expected[hit.video, hit.start], abs=1e-3)
        assert hit.score == pytest.approx(sum(hit.parts.values()), abs=1e-9)
        assert list(hit.parts) == [f"{A} or {B}", f"and {C}", f"not {D}"]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_what_is_denied_goes_down_and_what_is_asked_for_stays(library: Library) -> None:
    ways = {"per_video": None, "top": 5 * FILES, "candidates": None}
    for text, denied in (("a16", "b16"), ("c40", "a3")):
        kept = places(library.search(Query(text, none_of=(denied,), **ways)))  # type: ignore[arg-type]
        assert kept[0] == places(library.search(Query(text, **ways)))[0]  # type: ignore[arg-type]
        alone = places(library.search(Query(denied, **ways)))[0]  # type: ignore[arg-type]
        assert kept.index(alone) >= FILES
    mixed = places(library.search(Query("a16 b16", top=2, per_video=None)))
    assert [start for _, start in sorted(mixed)] == [0.0, 2.0]
    (first, *_) = library.search(Query("a16 b16", none_of=("b16",), per_video=None))
    assert (Path(first.video).stem, first.start) == ("016", 0.0)


def test_a_filter_changes_no_score_of_what_passes(library: Library) -> None:
    query = Query(A, top=300, per_video=None, candidates=None, none_of=(B,))
    every = {(hit.video, hit.start): hit.score for hit in library.search(query)}
    some = library.search(Query(A, Filters(tags=("even",)), 300, None, None, none_of=(B,)))
    assert len(some) == 150
    expected = [every[place] for place in places(some)]
    assert [hit.score for hit in some] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("size", [1, 37])
def test_blocks_change_nothing_composed(
    library: Library, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    query = Query(A, top=50, per_video=None, candidates=None, none_of=(B,), either=(C,))
    whole = library.search(query)
    monkeypatch.setattr(finding, "BLOCK", size)
    blocks = library.search(query)
    assert places(blocks) == places(whole)
    assert [hit.score for hit in blocks] == pytest.approx([hit.score for hit in whole], abs=1e-4)


def test_the_order_of_the_texts_of_a_kind_changes_no_score(library: Library) -> None:
    one = library.search(Query(A, none_of=(B, C)))
    other = library.search(Query(A, none_of=(C, B)))
    assert places(one) == places(other)
    assert [hit.score for hit in one] == pytest.approx([hit.score for hit in other], abs=1e-4)


def test_versus_lists_each_text_and_what_fits_either(library: Library) -> None:
    one, other = "a1", "b2"
    z = standard(plain_scores(library, (one, other)))
    hits = library.search(Query(one, top=20, per_video=None, candidates=None, versus=(other,)))
    order = [hit.fits for hit in hits]
    assert order == sorted(order, key=[one, other, "either"].index)
    assert {one, other} <= set(order)
    for hit in hits:
        a, b = z[one][hit.video, hit.start], z[other][hit.video, hit.start]
        assert max(a, b) >= 2 - 1e-3
        assert hit.score == pytest.approx(abs(a - b), abs=1e-3)
        assert hit.score == pytest.approx(sum(hit.parts.values()), abs=1e-9)
        if abs(abs(a - b) - 0.5) > 1e-3:
            assert hit.fits == ("either" if abs(a - b) < 0.5 else one if a > b else other)
    for name in (one, other):
        column = [hit.score for hit in hits if hit.fits == name]
        assert column == sorted(column, reverse=True)
    clear = [clip for clip in z[one] if z[one][clip] > 2 and z[one][clip] - z[other][clip] > 0.5]
    assert set(places([hit for hit in hits if hit.fits == one])) == set(clear)


@pytest.mark.parametrize("candidates", [None, 10])
def test_then_is_the_best_pair_of_frames_in_order(library: Library, candidates: int | None) -> None:
    """The toy frames of a clip are equal, so a pair is one of clips, or two frames of one."""
    query = Query("a10", then=("c10",), top=5, candidates=candidates)
    (hit, *_) = library.search(query)
    assert (Path(hit.video).stem, hit.window) == ("010", (0.0, 6.0))
    assert 0.0 <= hit.start < 3.0
    assert 4.0 <= hit.end < 7.0
    assert hit.score == pytest.approx(sum(hit.parts.values()))
    assert list(hit.parts) == ["1. a10", "2. c10"]
    back = library.search(Query("c10", then=("a10",), top=FILES, candidates=candidates))
    (same,) = [other for other in back if other.video == hit.video]
    assert same.score < hit.score


def test_then_scores_as_by_hand(library: Library) -> None:
    texts = ("a10", "d1")
    hits = library.search(Query(texts[0], then=texts[1:], top=FILES, candidates=None))
    assert len({hit.video for hit in hits}) == len(hits) == FILES
    snapshot = library._existing().snapshot()
    clips = snapshot.take(snapshot.row_ids())
    sentences = MODEL.encode_text(texts).sentence
    cosines = torch.nn.functional.cosine_similarity(
        sentences[:, None, None].double(), clips.features.frames[None].double(), dim=-1
    )
    mask = clips.features.frame_mask
    seconds = torch.tensor(clips.rows["seconds"].to_pylist())
    # Frames of neighbouring clips share a time (0, 1, 2 and 2, 3, 4): the earlier clip's stays.
    frames: dict[str, dict[float, list[float]]] = {}
    for clip, frame in mask.nonzero().tolist():
        video = frames.setdefault(clips.paths[clip], {})
        video.setdefault(float(seconds[clip, frame]), cosines[:, clip, frame].tolist())
    every = np.array([pair for video in frames.values() for pair in video.values()])
    mean, deviation = every.mean(0), every.std(0)
    for hit in hits:
        z = {at: (np.array(pair) - mean) / deviation for at, pair in frames[hit.video].items()}
        best = max(z[one][0] + z[other][1] for one in z for other in z if one < other <= one + 30)
        assert hit.score == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("any_order", [False, True])
def test_a_paragraph_is_a_sequence_of_its_sentences(library: Library, any_order: bool) -> None:
    def asked(query: Query) -> list[tuple[str, float, float, float]]:
        found = library.search(replace(query, top=FILES, any_order=any_order))
        return [(hit.video, hit.start, hit.end, hit.score) for hit in found]

    # The toy model reads words between spaces, so the full stop is one of them.
    assert asked(Query("a10 . c10", paragraph=True)) == asked(Query("a10 .", then=("c10",)))
    one = Query("a10", paragraph=True)
    if not any_order:
        assert asked(one) == asked(replace(one, paragraph=False))


def test_in_any_order_the_order_of_the_texts_does_not_count(library: Library) -> None:
    query = Query("a10", then=("c10",), any_order=True, top=FILES)
    found = library.search(query)
    back = library.search(replace(query, text="c10", then=("a10",)))
    assert [(h.video, h.start, h.end) for h in back] == [(h.video, h.start, h.end) for h in found]
    assert [h.score for h in back] == pytest.approx([h.score for h in found])
    assert Path(found[0].video).stem == "010"
    assert list(found[0].parts) == ["1. a10", "2. c10"]
    assert list(back[0].parts) == ["1. c10", "2. a10"]
    ordered = library.search(replace(query, text="c10", then=("a10",), any_order=False))
    scores = {hit.video: hit.score for hit in found}
    assert all(hit.score <= scores[hit.video] + 1e-9 for hit in ordered)
    assert any(hit.score < scores[hit.video] - 0.1 for hit in ordered)


def test_empty_texts_are_refused_wherever_they_stand(library: Library) -> None:
    for kind in ("either", "all_of", "none_of", "versus", "then"):
        with pytest.raises(QueryError, match="the query is empty"):
            library.search(Query("a", **{kind: (" ",)}))  # type: ignore[arg-type]


def test_equal_scores_are_listed_by_path_and_time(tmp_path: Path) -> None:
    for name in "dbac":
        write_video(tmp_path / "videos" / f"{name}.toy", f"same {name}"[:4], "same")
    write_video(tmp_path / "videos" / "e.toy", "other")
    library = Library.open(tmp_path / "library", MODEL, ToySource())
    library.add([tmp_path / "videos"])
    hits = library.search(Query("same", none_of=("other",), per_video=None))
    names = [(Path(hit.video).stem, hit.start) for hit in hits]
    assert names[:2] == [("a", 0.0), ("a", 2.0)]
    assert hits[0].score == hits[1].score
    assert names[-1] == ("e", 0.0)


def test_a_sample_is_the_same_clips_whatever_their_order(library: Library) -> None:
    snapshot = library._existing().snapshot()
    ids = snapshot.take(snapshot.sample(20)).rows["clip_id"].to_pylist()
    again = snapshot.take(np.flip(snapshot.sample(20))).rows["clip_id"].to_pylist()
    assert len(set(ids)) == 20
    assert ids == again
    assert set(snapshot.take(snapshot.sample(19)).rows["clip_id"].to_pylist()) < set(ids)
    assert len(snapshot.sample(10_000)) == snapshot.count
