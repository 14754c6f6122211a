"""What is said is stored with the clips, found by its words, and merged with what the picture finds."""

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from finereel.errors import BrokenVideoError, StalledVideoError
from finereel.index.query import Filters, Query
from finereel.index.said import rank_said
from finereel.index.store import ClipStore
from finereel.library import Library
from finereel.text.spoken import spoken_words
from finereel.types import Hit
from finereel.video.plan import ClipPlan
from finereel.video.subtitles import Cue, FileCues, sidecar_cues
from index.doubles import ToyModel, ToySource, ToyStream, write_video
from support.subtitled import as_srt

TALKS: dict[str, list[tuple[float, float, str]]] = {
    "a.toy": [(0.2, 1.0, "The quick brown fox"), (2.5, 3.0, "jumps over the lazy dog")],
    "b.toy": [(0.0, 1.5, "My dog is quick"), (1.5, 2.5, "and the fox is not")],
    "c.toy": [(2.1, 3.9, "おはようございます、東京に住んでいます")],
    "d.toy": [(0.1, 0.9, "今天天气很好"), (4.5, 5.0, "Größe ist nicht alles")],
}
PICTURES = {
    "a.toy": ("tree", "house"),
    "b.toy": ("dog", "cat"),
    "c.toy": ("sea", "car"),
    "d.toy": ("sun", "moon", "star"),
}


class TalkingSource(ToySource):
    """Toy videos in which something is said; what an error stands for cannot be read."""

    def __init__(self, said: dict[str, list[tuple[float, float, str]]] | None = None) -> None:
        super().__init__()
        self.said = TALKS if said is None else said
        self.error: Exception | None = None
        self.problems: tuple[str, ...] = ()

    def clips(self, path: Path, plan: ClipPlan) -> ToyStream:
        stream = super().clips(path, plan)
        stream.info = self.probe(path)  # type: ignore[assignment]
        return stream

    def cues(self, path: Path) -> FileCues:
        if self.error is not None:
            raise self.error
        return FileCues(tuple(Cue(*cue) for cue in self.said.get(path.name, ())), self.problems)


def made(folder: Path, source: ToySource | None = None) -> Library:
    for name, words in PICTURES.items():
        write_video(folder / "videos" / name, *words)
    library = Library.open(folder / "library", ToyModel(), source or TalkingSource())
    library.add([folder / "videos"])
    return library


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return made(tmp_path_factory.mktemp("talking"))


def store_of(library: Library) -> ClipStore:
    return ClipStore.open(next(library.path.glob("index-*")))


def said_by_clip(library: Library) -> dict[tuple[str, float], str | None]:
    rows = store_of(library).snapshot().rows(["path", "start", "said"]).to_pylist()
    return {(Path(row["path"]).name, row["start"]): row["said"] for row in rows}


def places(hits: Sequence[Hit]) -> list[tuple[str, float, str]]:
    return [(Path(hit.video).name, hit.start, hit.source) for hit in hits]


def said_places(library: Library, text: str) -> list[tuple[str, float]]:
    hits = library.search(Query(text, per_video=None))
    return [(Path(hit.video).name, hit.start) for hit in hits if hit.source != "seen"]


SAID = {
    ("a.toy", 0.0): "The quick brown fox",
    ("a.toy", 2.0): "jumps over the lazy dog",
    ("b.toy", 0.0): "My dog is quick\nand the fox is not",
    ("b.toy", 2.0): "and the fox is not",
    ("c.toy", 0.0): "",
    ("c.toy", 2.0): "おはようございます、東京に住んでいます",
    ("d.toy", 0.0): "今天天气很好",
    ("d.toy", 2.0): "",
    ("d.toy", 4.0): "Größe ist nicht alles",
}


def test_clips_keep_what_is_said_within_them(library: Library) -> None:
    assert said_by_clip(library) == SAID
    assert not library.doctor(verify=True)
    assert library.status().migration == ""


@pytest.mark.parametrize("cue", [cue for cues in TALKS.values() for cue in cues])
def test_every_line_is_found_word_for_word(library: Library, cue: tuple[float, float, str]) -> None:
    first = library.search(Query(f'"{cue[2]}"', top=1))[0]
    assert first.source in ("said", "both")
    assert cue[2] in first.said
    assert first.start < cue[1]
    assert cue[0] < first.end


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"quick brown"', [("a.toy", 0.0)]),
        ('"brown quick"', []),
        ('"dog is quick and"', [("b.toy", 0.0)]),
        ("“lazy dog”", [("a.toy", 2.0)]),
        ('a man says "the fox"', [("b.toy", 0.0), ("b.toy", 2.0)]),
        ('"fox" and "dog"', [("b.toy", 0.0)]),
        ('"東京"', [("c.toy", 2.0)]),
        ('"东京"', []),
        ("天气", [("d.toy", 0.0)]),
        ('"GROSSE"', [("d.toy", 4.0)]),
        ('"größer"', []),
        ('"grosse ist"', [("d.toy", 4.0)]),
        ("a dog and a fox", [("b.toy", 0.0)]),
        ("quick zebra", []),
        ('"', []),
        ('"!?"', []),
    ],
)
def test_phrases_are_exact_and_other_words_all_said(
    library: Library, text: str, found: list[tuple[str, float]]
) -> None:
    assert sorted(said_places(library, text)) == found


@pytest.mark.parametrize(
    "text",
    ["' ; drop table clips", "foo OR (", '"' + "a " * 3000 + '"', "said:*", '"\\"', "~1 ^2 +"],
)
def test_odd_texts_are_words_like_others(library: Library, text: str) -> None:
    assert len(library.search(text)) == len(PICTURES)


def test_a_clip_that_is_seen_and_said_is_both_and_rises(library: Library) -> None:
    hits = library.search(Query("dog", per_video=None, top=3))
    assert places(hits)[0] == ("b.toy", 0.0, "both")
    assert hits[0].said == "My dog is quick"
    assert ("a.toy", 2.0, "said") in places(hits)
    assert hits[-1].source == "seen"


def test_ranks_are_merged_by_their_reciprocals(library: Library) -> None:
    query = Query("quick fox", per_video=None, top=9)
    seen = {hit.clip_id: rank for rank, hit in enumerate(_seen_alone(library, query), 1)}
    searcher = library._searcher(library._existing())
    found = rank_said(searcher.pool(query), spoken_words(query.text)).values()
    said = {one.clip.clip_id: one.rank for one in found}
    assert len(seen) == 9
    assert sorted(said.values()) == [1, 2]

    def together(clip: str) -> float:
        return 1 / (60 + seen[clip]) + (1 / (60 + said[clip]) if clip in said else 0.0)

    expected = sorted(seen, key=lambda clip: (-together(clip), seen[clip]))
    assert [hit.clip_id for hit in library.search(query)] == expected
    assert expected != list(seen)


def _seen_alone(library: Library, query: Query) -> list[Hit]:
    searcher = library._searcher(library._existing())
    return searcher.search(library._load_model(), query)


def test_quoted_words_come_first(library: Library) -> None:
    hits = library.search(Query('the sea and "lazy dog"', per_video=None))
    assert places(hits)[0][:2] == ("a.toy", 2.0)
    assert {hit.source for hit in hits[1:]} == {"seen"}
    # The picture finds one clip and the words another, each at rank 1.
    for text, first in (
        ('sea "lazy dog"', ("a.toy", 2.0, "said")),
        ("sea lazy", ("c.toy", 0.0, "seen")),
    ):
        query = Query(text, top=1, per_video=None)
        assert places(_seen_alone(library, query)) == [("c.toy", 0.0, "seen")]
        assert places(library.search(query)) == [first]


def test_a_phrase_that_nobody_says_is_told(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    assert {hit.source for hit in library.search('"brown quick"')} == {"seen"}
    assert 'no subtitles here say "brown quick"' in caplog.text
    caplog.clear()
    library.search("brown zebra")
    assert caplog.text == ""


def test_filters_and_limits_hold_for_words_too(library: Library, tmp_path: Path) -> None:
    folder = next(iter(store_of(library).files())).rsplit("/", 1)[0]
    inside = Query('"fox"', Filters(folders=(f"{folder}/b.toy",)), per_video=None)
    assert {place[0] for place in places(library.search(inside))} == {"b.toy"}
    assert len(library.search(Query('"fox"', per_video=1))) == len(PICTURES)
    assert len(library.search(Query('"fox"', top=2))) == 2


def test_only_words_find_a_clip_outside_the_candidates(library: Library) -> None:
    for text, place in (('"東京"', ("c.toy", 2.0, "said")), ("lazy", ("a.toy", 2.0, "said"))):
        hits = library.search(Query(text, candidates=1, top=1, per_video=None))
        both = library.search(Query(text, candidates=1, top=2, per_video=None))
        assert place in places([*hits, *both])


def test_scores_and_parts_are_those_of_the_picture(library: Library) -> None:
    query = Query("dog", per_video=None, top=9)
    alone = {hit.clip_id: hit for hit in _seen_alone(library, query)}
    for hit in library.search(query):
        plain = replace(hit, source="seen", said="")
        assert plain == alone[hit.clip_id]


def test_where_nothing_is_said_all_is_as_before(tmp_path: Path) -> None:
    silent = made(tmp_path / "silent", ToySource())
    assert set(said_by_clip(silent).values()) == {""}
    for text in ("dog", '"dog"', "the lazy dog", '"lazy dog"'):
        for way in ({}, {"top": 2}, {"per_video": None, "candidates": None}, {"moments": True}):
            query = Query(text, **way)
            assert library_hits(silent, query) == library_hits(silent, query, alone=True)
    assert store_of(silent).snapshot().table.list_indices() == []


def library_hits(library: Library, query: Query, alone: bool = False) -> list[dict[str, object]]:
    if not alone:
        return [asdict(hit) for hit in library.search(query)]
    searcher, model = library._searcher(library._existing()), library._load_model()
    if not query.moments:
        return [asdict(hit) for hit in searcher.search(model, query)]
    from finereel.index import hits

    features = model.encode_text([query.text])
    plain = searcher.search(model, replace(query, moments=False), features)
    return [asdict(hit) for hit in hits._at_moments(searcher, features, query, plain)]


def test_a_clip_that_words_find_keeps_its_own_time(library: Library) -> None:
    hits = library.search(Query('"lazy dog"', moments=True))
    assert (hits[0].start, hits[0].end, hits[0].window) == (2.0, 4.0, (2.0, 4.0))
    quoted, *_ = library.search(Query('"dog"', moments=True, per_video=None))
    assert quoted.source == "both"
    assert (quoted.start, quoted.end) == quoted.window


def test_confidence_speaks_of_the_picture_and_what_is_said_is_said(library: Library) -> None:
    answer = library.answer(Query('"lazy dog"', top=1))
    assert answer.said == 1
    assert answer.confidence is not None
    best = max(hit.score for hit in _seen_alone(library, Query('"lazy dog"')))
    assert answer.hits[0].score <= best
    assert not answer.nothing_fits
    none = replace(answer.confidence, p=0.9)
    assert not replace(answer, confidence=none).nothing_fits
    seen = [replace(hit, source="seen") for hit in answer.hits]
    assert replace(answer, confidence=none, hits=seen).nothing_fits


def test_bad_subtitles_are_told_and_stop_nothing(tmp_path: Path) -> None:
    source = TalkingSource()
    source.problems = ("a.en.srt: no text",)
    library = made(tmp_path, source)
    assert said_by_clip(library) == SAID
    assert {problem.error for problem in library.doctor()} == {"a.en.srt: no text"}
    source.error = BrokenVideoError("the decoder was ended by signal 11 on this file")
    other = made(tmp_path / "other", source)
    assert set(said_by_clip(other).values()) == {""}
    assert "signal 11" in other.doctor()[0].error


def test_what_could_not_be_read_this_time_is_read_by_a_migration(tmp_path: Path) -> None:
    source = TalkingSource()
    source.error = StalledVideoError("the machine is busy")
    library = made(tmp_path, source)
    model = library._load_model()
    assert isinstance(model, ToyModel)
    encoded = model.encoded
    assert set(said_by_clip(library).values()) == {None}
    assert "the subtitles of 4 videos were not read" in library.status().migration
    assert said_places(library, '"fox"') == []
    source.error = None
    assert library.migrate().videos == len(PICTURES)
    assert said_by_clip(library) == SAID
    assert said_places(library, '"lazy dog"') == [("a.toy", 2.0)]
    assert (library.status().migration, model.encoded) == ("", encoded)
    assert not library.doctor(verify=True)


def test_a_copy_says_what_its_own_subtitles_say_or_else_what_the_first_does(tmp_path: Path) -> None:
    library = made(tmp_path)
    for name in ("b2.toy", "a2.toy"):
        (tmp_path / "videos" / name).write_bytes(
            (tmp_path / "videos" / f"{name[0]}.toy").read_bytes()
        )
    source = library._source
    assert isinstance(source, TalkingSource)
    source.said = {**TALKS, "b2.toy": [(0.0, 1.0, "entirely different")]}
    library.add([tmp_path / "videos"])
    said = said_by_clip(library)
    assert (said["b2.toy", 0.0], said["b2.toy", 2.0]) == ("entirely different", "")
    assert said["a2.toy", 0.0] == SAID["a.toy", 0.0]
    assert not library.doctor(verify=True)


def test_new_clips_are_found_before_the_index_holds_them(tmp_path: Path) -> None:
    library = made(tmp_path)
    source = library._source
    assert isinstance(source, TalkingSource)
    source.said = {**TALKS, "new.toy": [(0.0, 1.0, "freshly said 新幹線に乗ります")]}
    write_video(tmp_path / "videos" / "new.toy", "bird")
    library.add([tmp_path / "videos"])
    for text in ('"freshly said"', '"新幹線に乗ります"'):
        assert said_places(library, text) == [("new.toy", 0.0)]


def test_a_missing_video_says_nothing(tmp_path: Path) -> None:
    library = made(tmp_path)
    (tmp_path / "videos" / "a.toy").unlink()
    library.add([tmp_path / "videos"])
    assert said_places(library, '"lazy dog"') == []


def test_a_damaged_index_of_words_is_told_and_repaired(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library = made(tmp_path)
    before = [asdict(hit) for hit in library.search("sea")]
    file = next(library.path.glob("index-*/clips.lance/_indices/*/*invert*"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    again = Library.open(library.path, ToyModel(), TalkingSource())
    assert said_places(again, '"lazy dog"') == []
    assert "its index is damaged" in caplog.text
    assert [asdict(hit) for hit in again.search("sea")] == before
    again.repair()
    assert said_places(again, '"lazy dog"') == [("a.toy", 2.0)]
    again.add([tmp_path / "videos"])
    assert said_places(again, '"東京"') == [("c.toy", 2.0)]
    assert not again.doctor(verify=True)[1:]


class BesideSource(TalkingSource):
    """Says what real files beside the toy videos say, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__({})
        self.asked: list[str] = []

    def cues(self, path: Path) -> FileCues:
        self.asked.append(path.name)
        tracks = [track for track in sidecar_cues(path) if not isinstance(track, str)]
        return FileCues(tuple(cue for track in tracks for cue in track))


def test_subtitles_that_come_later_are_read_without_the_video(tmp_path: Path) -> None:
    source = BesideSource()
    library = made(tmp_path, source)
    model = library._load_model()
    assert isinstance(model, ToyModel)
    encoded = model.encoded
    beside = tmp_path / "videos" / "a.srt"
    for text in ("late words", "other words"):
        source.asked.clear()
        beside.write_text(as_srt([(2.5, 3.0, text)]))
        os.utime(beside.parent, ns=(len(text), len(text)))
        library.add([tmp_path / "videos"])
        assert source.asked == ["a.toy"]
        assert said_places(library, f'"{text}"') == [("a.toy", 2.0)]
        library.add([tmp_path / "videos"])
        assert source.asked == ["a.toy"]
    assert said_places(library, '"late words"') == []
    beside.unlink()
    library.add([tmp_path / "videos"])
    assert set(said_by_clip(library).values()) == {""}
    library.add([tmp_path / "videos"])
    assert source.asked == ["a.toy", "a.toy"]
    assert model.encoded == encoded
    assert not library.doctor(verify=True)
