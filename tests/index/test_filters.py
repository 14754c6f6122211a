"""Filters against brute force: what passes is exact, whichever way candidates are found, and the
bank's bias counts as it does without them.
"""

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finereel.errors import ConfigError, QueryError
from finereel.index import filtering
from finereel.index.checksums import MEDIA_COLUMNS
from finereel.index.coarse import AnnCoarse, ExactCoarse
from finereel.index.events import AddSettings
from finereel.index.facts import FileFacts, fact_changes
from finereel.index.folders import is_below
from finereel.index.manifest import Manifest
from finereel.index.protocols import IndexedModel
from finereel.index.query import Filters, Query
from finereel.index.schema import encode_path
from finereel.index.search import score_clips
from finereel.index.store import ClipStore
from finereel.library import Library
from finereel.types import Hit
from finereel.video.plan import ClipPlan, VideoInfo
from index.doubles import ToyModel, ToySource, ToyStream, write_video

MODEL = ToyModel()
FILES = 300
NOON = datetime(2026, 5, 17, 12, tzinfo=UTC)
CODECS = ("h264", "hevc", "av1")
TAGS = ("norway", "Summer", "it's; DROP TABLE --")


@dataclass(frozen=True)
class Told:
    """What the toy decoder says of video number n."""

    number: int

    @property
    def info(self) -> VideoInfo:
        hours, codec = timedelta(hours=self.number), CODECS[self.number % 3]
        sound = "aac" if self.number % 2 else None
        return VideoInfo(
            *(float(self.number), 25.0, 8, 8, 0, codec, "mp4", None, sound is not None),
            audio_codec=sound,
            taken_at=(NOON + hours).timestamp(),
        )


class FactSource(ToySource):
    """Toy videos named by a number, about which facts are known."""

    def clips(self, path: Path, plan: ClipPlan) -> ToyStream:
        stream = super().clips(path, plan)
        stream.info = Told(int(path.stem)).info  # type: ignore[assignment]
        return stream


@pytest.fixture(scope="module", params=["exact", "approximate"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    """600 clips with a bank, of which every tenth video came after the fit; some have tags."""
    root = tmp_path_factory.mktemp("filters")
    # The approximate index knows the clips of before the fit, and not yet those that came after it.
    threshold = 500 if request.param == "approximate" else 100_000
    library = Library.open(root / "library", MODEL, FactSource())
    for later in (False, True):
        for number in range(FILES):
            if (number % 10 == 9) == later:
                folder = root / "videos" / ("even" if number % 2 == 0 else "odd")
                write_video(folder / f"{number:03d}.toy", f"a{number}", f"b{number}")
        library.add([root / "videos"], settings=AddSettings(ann_threshold=threshold))
        if not later:
            library.fit_normalization([f"a{number}" for number in range(30)], strength=0.7)
    library.tag([root / "videos" / "even"], [TAGS[0]])
    library.tag(sorted((root / "videos").rglob("*3.toy")), [TAGS[1]])
    library.tag(sorted((root / "videos").rglob("*[36].toy")), [TAGS[2]])
    (root / "videos" / "even" / "000.toy").unlink()
    library.add([root / "videos"], settings=AddSettings(ann_threshold=threshold))
    kind = AnnCoarse if request.param == "approximate" else ExactCoarse
    assert isinstance(library._searcher(library._existing()).coarse, kind)
    return library


def passes(hit: Hit, filters: Filters) -> bool:
    """By hand, from the number of a video."""
    path = Path(hit.video)
    number = int(path.stem)
    info = Told(number).info
    moment = NOON + timedelta(hours=number)
    tags = {
        tag.lower()
        for tag, given in zip(
            TAGS, (number % 2 == 0, number % 10 == 3, number % 10 in (3, 6)), strict=True
        )
        if given
    }
    codecs = {info.codec, info.audio_codec or "none"}
    return (
        (filters.since is None or moment >= filters.since)
        and (filters.until is None or moment < filters.until)
        and (filters.min_length is None or info.duration >= filters.min_length)
        and (filters.max_length is None or info.duration <= filters.max_length)
        and (not filters.folders or any(is_below(hit.video, root) for root in filters.folders))
        and all(tag.lower() in tags for tag in filters.tags)
        and (not filters.codecs or bool(codecs & set(filters.codec_names)))
    )


@st.composite
def some_filters(draw: st.DrawFn) -> dict[str, Any]:
    """Any filters but folders, as arguments."""
    hours = st.one_of(st.none(), st.integers(-2, FILES + 2))
    since, until, shortest, longest = (draw(hours) for _ in range(4))
    since, until = (None, None) if None in (since, until) else sorted((since, until))
    shortest, longest = (None, None) if None in (shortest, longest) else sorted((shortest, longest))

    def moment(hour: int | None, more: int) -> datetime | None:
        return None if hour is None else NOON + timedelta(hours=hour, seconds=more)

    return dict(  # noqa: C408
        since=moment(since, 0),
        until=moment(until, 1),
        min_length=None if shortest is None else float(max(0, shortest)),
        max_length=None if longest is None else float(max(0, longest)),
        tags=tuple(draw(st.lists(st.sampled_from([*TAGS, "SUMMER"]), max_size=2))),
        codecs=tuple(draw(st.lists(st.sampled_from(["h264", "H265", "aac", "none"]), max_size=2))),
    )


def everything(library: Library, text: str) -> list[Hit]:
    return library.search(text, 1000, candidates=None, per_video=None)


@given(wanted=some_filters(), number=st.integers(1, FILES - 1))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_filtered_search_is_the_whole_search_without_the_others(
    library: Library, wanted: dict[str, Any], number: int
) -> None:
    filters = Filters(**wanted)
    text = f"a{number} b{FILES - number}"
    expected = [hit for hit in everything(library, text) if passes(hit, filters)]
    query = Query(text, filters, top=1000, per_video=None, candidates=None)
    if not expected:
        with pytest.raises(QueryError, match=r"no video passes the filters; of 299 videos"):
            library.search(query)
        return
    found = library.search(query)
    assert [hit.clip_id for hit in found] == [hit.clip_id for hit in expected]
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=1e-4)
    if not filters:  # the approximate index alone promises less
        return
    # The candidates are the best of what passes, with the bias of the bank, never fewer.
    few = library.search(replace(query, top=3, candidates=3))
    coarse = sorted(expected, key=lambda hit: -hit.parts["video_sentence"])[:3]
    assert len(few) == min(3, len(expected))
    least = min(hit.parts["video_sentence"] for hit in coarse)
    taken = [hit.parts["video_sentence"] for hit in few]
    assert min(taken) >= least - 0.1


@pytest.mark.parametrize("where", ["even", "odd"])
def test_candidates_within_filters_are_those_of_brute_force(library: Library, where: str) -> None:
    """Recall 1.0: all of the best by the exact coarse score, on both paths."""
    searcher = library._searcher(library._existing())
    folder = str(library.path.parent / "videos" / where)
    filters = Filters(folders=(folder,), min_length=100.0)
    part = searcher.snapshot.passing(filters).row_ids
    assert searcher.bank is not None
    for number in range(20):
        text = MODEL.encode_text([f"a{number} b{number + 50}"])
        query = MODEL.coarse_query(text)[0]
        found = set(searcher.coarse.among(part).candidates(query, 10).tolist())
        table = searcher.snapshot.vectors(part)
        bias = searcher.bank.biases_of(table.rows)
        column = searcher.bank.granularities.index("video_sentence")
        scores = table.vectors.float() @ query + torch.from_numpy(bias[:, column].copy())
        tenth = float(scores.sort(descending=True).values[9])
        sure = table.row_ids[(scores > tenth + 0.1).numpy()]
        assert set(sure.tolist()) <= found
        assert len(found) == 10


def test_a_bank_that_every_clip_has_is_kept_under_filters(library: Library) -> None:
    searcher = library._searcher(library._existing())
    part = searcher.snapshot.passing(Filters(tags=("norway",))).row_ids
    clips = searcher.snapshot.take(part)
    plain = {
        clip.clip_id: clip for clip in score_clips(MODEL, MODEL.encode_text(["a31"]), clips, None)
    }
    query = Query("a31", Filters(tags=("norway",)), 1000, None, None)
    bank = searcher.bank
    assert bank is not None
    biases = bank.biases_of(clips.rows)
    for place, clip_id in enumerate(clips.rows["clip_id"].to_pylist()):
        (hit,) = [hit for hit in library.search(query) if hit.clip_id == clip_id][:1]
        for column, name in enumerate(bank.granularities):
            gained = hit.parts[name] - plain[clip_id].parts[name]
            weight = {"video_sentence": 0.75, "frame_sentence": 0.25}[name]
            assert gained == pytest.approx(weight * biases[place, column], abs=1e-3)
        if place > 20:
            break


def test_nothing_that_passes_is_an_error_that_says_which_filter_to_drop(library: Library) -> None:
    filters = Filters(tags=("norway", "rome"), min_length=290.0)
    with pytest.raises(QueryError) as error:
        library.search(Query("a1", filters))
    assert "10 at least 290 s long; 149 with the tag norway; 0 with the tag rome" in str(
        error.value
    )
    assert "known: Summer, it's; DROP TABLE --, norway" in str(error.value)
    with pytest.raises(QueryError, match=r"0 in /nowhere \(index it first, or name another place"):
        library.search("a1", within=["/nowhere"])


def test_a_query_holds_everything(library: Library) -> None:
    query = Query("a17 b2", top=7, per_video=None, candidates=30)
    assert library.search(query) == library.search("a17 b2", 7, candidates=30, per_video=None)
    with pytest.raises(ConfigError, match="stands in its Query"):
        library.search(query, 3)


def test_tags_are_given_and_taken_by_path(library: Library) -> None:
    videos = library.path.parent / "videos"
    assert library.tag([videos / "odd" / "041.toy"], ["one", "two"]) == 1
    assert library.tag([videos / "odd" / "041.toy"], ["ONE"], remove=True) == 1
    (hit,) = library.search(Query("a1", Filters(tags=("two",))))
    assert hit.video == str(videos / "odd" / "041.toy")
    with pytest.raises(QueryError, match="0 with the tag one"):
        library.search(Query("a1", Filters(tags=("one",))))
    assert library.tag([videos / "odd" / "041.toy"], ["two"], remove=True) == 1
    assert library.tag(["/nowhere"], ["two"]) == 0
    for wrong in ("", " ", "a\nb", "x" * 101):
        with pytest.raises(ConfigError, match="a tag is a line"):
            library.tag([videos], [wrong])


def test_tags_survive_a_new_content_a_move_and_another_model(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    paths = [write_video(videos / f"{number}.toy", f"a{number}") for number in range(3)]
    library = Library.open(tmp_path / "library", MODEL, FactSource())
    library.add([videos])
    library.tag(paths[:2], ["mine"])
    write_video(paths[0], "rewritten", "content")
    paths[1].rename(videos / "7.toy")
    library.add([videos])

    def tagged() -> set[str]:
        hits = library.search(Query("a1", Filters(tags=("mine",)), 10))
        return {Path(hit.video).name for hit in hits}

    assert tagged() == {"0.toy", "7.toy"}
    library.rebuild(ToyModel(seed=1))
    assert tagged() == {"0.toy", "7.toy"}


def test_a_table_without_facts_says_what_to_run(tmp_path: Path) -> None:
    store = ClipStore.create(tmp_path / "index-1", Manifest(IndexedModel.of(MODEL), format=1))
    with pytest.raises(QueryError, match="run `finereel migrate --library"):
        store.snapshot().passing(Filters(min_length=1.0))


def test_videos_of_unknown_length_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_video(tmp_path / "videos" / "5.toy", "a5")
    library = Library.open(tmp_path / "library", MODEL, FactSource())
    library.add([tmp_path / "videos"])
    write_video(tmp_path / "videos" / "6.toy", "a6")
    Library.open(library.path, MODEL, ToySource()).add([tmp_path / "videos"])
    with caplog.at_level(logging.WARNING, logger="finereel"):
        hits = library.search(Query("a6", Filters(min_length=1.0)))
    assert [Path(hit.video).name for hit in hits] == ["5.toy"]
    assert "1 video left out" in caplog.text


facts_of_files = st.builds(
    dict,
    taken_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    duration=st.none() | st.floats(0, 1e6),
    video_codec=st.none() | st.sampled_from(CODECS),
    audio_codec=st.none() | st.sampled_from(["aac", "none"]),
    tags=st.lists(st.sampled_from(["a", "A", "b", "ß"]), max_size=3).map(tuple),
)


def by_hand(path: str, facts: FileFacts, filters: Filters) -> bool:
    tags = {tag.casefold() for tag in facts.tags}
    since, until = filters.since_utc, filters.until_utc
    moment = facts.taken_at
    length = math.nan if facts.duration is None else facts.duration
    return (
        (since is None or (moment is not None and moment >= since))
        and (until is None or (moment is not None and moment < until))
        and (filters.min_length is None or length >= filters.min_length)
        and (filters.max_length is None or length <= filters.max_length)
        and (not filters.folders or any(is_below(path, root) for root in filters.folders))
        and {tag.casefold() for tag in filters.tags} <= tags
        and (
            not filters.codecs
            or bool({facts.video_codec, facts.audio_codec} & set(filters.codec_names))
        )
    )


def rows_of(files: Iterable[tuple[str, FileFacts]]) -> pa.Table:
    pairs = list(files)
    facts = fact_changes({str(number): facts for number, (_, facts) in enumerate(pairs)})
    paths = pa.array([encode_path(path) for path, _ in pairs], pa.string())
    return facts.select(MEDIA_COLUMNS).append_column("path", paths)


@given(
    files=st.lists(
        st.tuples(st.sampled_from(["/v/a.mp4", "/v/b/c.mp4", "/w/caf\udce9.mp4"]), facts_of_files),
        min_size=1,
        max_size=12,
    ),
    wanted=st.builds(
        dict,
        since=st.none() | st.datetimes(datetime(1950, 1, 1), timezones=st.just(UTC)),
        folders=st.sampled_from([(), ("/v",), ("/v/b", "/w"), ("/w/caf\udce9.mp4",), ("/",)]),
        min_length=st.none() | st.floats(0, 1e6),
        tags=st.lists(st.sampled_from(["a", "B", "SS", "none"]), max_size=2).map(tuple),
        codecs=st.lists(st.sampled_from(["h265", "av1", "AAC", "none"]), max_size=2).map(tuple),
    ),
)
def test_what_passes_is_what_passes_by_hand(
    files: list[tuple[str, dict[str, Any]]], wanted: dict[str, Any]
) -> None:
    known = [(path, FileFacts(**facts)) for path, facts in files]
    filters = Filters(**wanted)
    found = filtering.passing(rows_of(known), filters)
    assert found.tolist() == [by_hand(path, facts, filters) for path, facts in known]
