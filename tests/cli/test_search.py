"""`finereel search` and `finereel describe`."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from finereel.index.feedback import Calibration, PlattScaling
from finereel.index.query import Filters, Query
from finereel.types import MatchConfidence


def test_search_json_is_the_list_scripts_rely_on(run: Any, library: Any) -> None:
    result = run("search", "a cat", "--library", "lib", "--top", "2", "--json")
    hits = json.loads(result.stdout)
    assert library.calls[-1] == ("search", Query("a cat", top=2))
    assert [hit["video"] for hit in hits] == ["/v/clip [0].mp4", "/v/clip [1].mp4"]
    assert set(hits[0]) >= {"video", "start", "end", "score", "parts"}
    assert hits[0]["parts"] == {"video_sentence": 0.5, "frame_sentence": 0.25, "patch_word": -0.05}
    assert "thumbnail" not in hits[0]


def test_a_search_can_be_kept_to_some_folders(run: Any, library: Any) -> None:
    assert run("search", "a cat", "--in", "trip", "--in", "b.mp4").exit_code == 0
    folders = (str(Path("trip").absolute()), str(Path("b.mp4").absolute()))
    assert ("search", Query("a cat", Filters(folders=folders), moments=True)) in library.calls
    assert run("search", "a cat", "--folder", "trip", "--folder", "b.mp4").exit_code == 0
    searches = [call for call in library.calls if call[0] == "search"]
    assert searches[: len(searches) // 2] == searches[len(searches) // 2 :]


def test_filters_reach_the_library_typed(run: Any, library: Any) -> None:
    result = run(
        *("search", "a cat", "--since", "2026-05", "--until", "2026-05-17"),
        *("--min-length", "1:30", "--max-length", "90.5"),
        *("--tag", "norway", "--tag", "summer", "--codec", "h265"),
    )
    assert result.exit_code == 0
    filters = Filters(
        since=datetime(2026, 5, 1),
        until=datetime(2026, 5, 18),
        min_length=90.0,
        max_length=90.5,
        tags=("norway", "summer"),
        codecs=("h265",),
    )
    assert ("search", Query("a cat", filters, moments=True)) in library.calls


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--since", "2026-13"), "expected a date such as"),
        (("--since", "yesterday"), "expected a date such as"),
        (("--since", "2026-05", "--until", "2026-04"), "no video was recorded both"),
        (("--min-length", "long"), "expected a length such as"),
        (("--min-length", "60", "--max-length", "30"), "no video is both"),
        (("--tag", ""), "texts that are not empty"),
        (("--codec", ""), "texts that are not empty"),
    ],
)
def test_filters_that_nothing_could_pass_are_wrong_usage(
    run: Any, library: Any, options: tuple[str, ...], words: str
) -> None:
    result = run("search", "a cat", *options, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert words in result.stderr
    assert library.calls == []


def test_a_short_list_says_how_to_see_more_of_each_video(run: Any, library: Any) -> None:
    library.hits = [library.hits[0], replace(library.hits[0], start=3.0)]
    assert (
        "1 moment of each video; more of them with: --per-video 10" in run("search", "a cat").stderr
    )
    assert "--per-video" not in run("search", "a cat", "--per-video", "10").stderr
    assert "--per-video" not in run("search", "a cat", "--top", "1").stderr
    library.hits = library.hits[:1]
    assert "--per-video" not in run("search", "a cat").stderr


def test_search_table_shows_file_time_score_and_parts(run: Any, library: Any) -> None:
    lines = run("search", "a cat", env={"COLUMNS": "160"}).stdout.splitlines()
    assert all(
        name in lines[0] for name in ("video", "time", "score", "video-sentence", "patch-word")
    )
    assert all(
        text in lines[2]
        for text in (
            "/v/clip [1].mp4",
            "0:10.0-0:20.0",
            "0:12.5",
            "0.600",
            "████████  0.500",
            "-0.050",
        )
    )


def test_a_narrow_screen_gets_numbers_without_bars(run: Any, library: Any) -> None:
    lines = run("search", "a cat", env={"COLUMNS": "80"}).stdout.splitlines()
    assert "█" not in "".join(lines)
    assert "0.500" in lines[1]


def test_piped_paths_stay_in_one_piece(
    run: Any, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    library.hits = [replace(library.hits[0], video="/v/" + "long " * 15 + ".mp4")]
    assert library.hits[0].video in run("search", "a cat").stdout


def test_videos_below_the_current_folder_are_named_from_there(
    run: Any, library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    library.hits = [replace(library.hits[0], video=str(tmp_path / "deep" / "a.mp4"))]
    assert " deep/a.mp4 " in run("search", "a cat").stdout


def test_search_in_an_empty_library_says_what_to_do(run: Any, library: Any) -> None:
    library.hits = []
    result = run("search", "a cat")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "finereel index" in result.stderr
    assert json.loads(run("search", "a cat", "--json").stdout) == []


def test_describe_ranks_the_captions_of_a_file(run: Any, library: Any, tmp_path: Path) -> None:
    captions = tmp_path / "captions.txt"
    captions.write_text("a dog runs\n\n  a cat sleeps  \n", encoding="utf-8")
    result = run("describe", "v.mp4", "--captions", captions, "--library", "lib", "--json")
    assert [(hit["caption"], hit["index"]) for hit in json.loads(result.stdout)] == [
        ("a cat sleeps", 1),
        ("a dog runs", 0),
    ]
    assert "a cat sleeps" in run("describe", "v.mp4", "--captions", captions).stdout


def test_describe_reads_standard_input(run: Any, library: Any) -> None:
    run("describe", "v.mp4", "--captions", "-", input="one\ntwo\n")
    assert library.calls[-2] == ("describe", (Path("v.mp4"), ["one", "two"]))


def test_picture_of_a_search(run: Any, library: Any, tmp_path: Path) -> None:
    result = run("search", "a cat", "--picture", tmp_path / "cat.png", "--json")
    assert len(json.loads(result.stdout)) == 3
    assert (tmp_path / "cat.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("suffix", "magic"), [("jpg", b"\xff\xd8"), ("JPEG", b"\xff\xd8"), ("webp", b"RIFF")]
)
def test_a_picture_is_of_the_kind_its_name_says(
    run: Any, library: Any, tmp_path: Path, suffix: str, magic: bytes
) -> None:
    assert run("search", "a cat", "--picture", tmp_path / f"cat.{suffix}").exit_code == 0
    assert (tmp_path / f"cat.{suffix}").read_bytes().startswith(magic)


@pytest.mark.parametrize("name", ["cat.xyz", "cat", "cat.mp4"])
def test_a_picture_of_unknown_kind_is_refused_before_the_search(
    run: Any, library: Any, tmp_path: Path, name: str
) -> None:
    result = run("search", "a cat", "--picture", tmp_path / name)
    assert result.exit_code == 2
    assert ".png" in result.stderr
    assert library.calls == []


def test_words_without_quotes_are_one_query(run: Any, library: Any) -> None:
    run("search", "a", "dog", "runs", "--top", "3")
    assert ("search", Query("a dog runs", top=3, moments=True)) in library.calls


def test_a_query_that_begins_with_a_dash(run: Any, library: Any) -> None:
    assert "search -- " in run("search", "-a dog").stderr
    run("search", "--", "-a dog")
    assert ("search", Query("-a dog", moments=True)) in library.calls


@pytest.mark.parametrize("text", ["", "  ", "\x07", "\u200b", "a" * 20_000, "x\udcff"])
def test_a_query_that_asks_nothing_is_refused(run: Any, library: Any, text: str) -> None:
    result = run("search", text, "--json")
    assert (result.exit_code, result.stdout, library.calls) == (1, "", [])
    assert json.loads(result.stderr)["error"]["type"] == "QueryError"


def test_further_texts_reach_the_library_typed(run: Any, library: Any) -> None:
    options = ("--not", "on grass", "--not", "a leash", "--or", "a wolf", "--and", "water")
    assert run("search", "a", "dog", *options).exit_code == 0
    query = Query(
        "a dog",
        either=("a wolf",),
        all_of=("water",),
        none_of=("on grass", "a leash"),
        moments=True,
    )
    assert ("search", query) in library.calls
    assert run("search", "a dog", "--then", "it jumps", "--then", "it swims").exit_code == 0
    assert library.calls[-1] == (
        "search",
        Query("a dog", then=("it jumps", "it swims"), moments=True),
    )
    assert run("search", "A dog.", "It", "jumps.", "--paragraph", "--any-order").exit_code == 0
    assert library.calls[-1] == (
        "search",
        Query("A dog. It jumps.", paragraph=True, any_order=True, moments=True),
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--versus", "a wolf", "--not", "grass"), "versus puts all texts of a query together"),
        (("--not", "a dog"), "the texts of a query differ"),
        (("--paragraph", "--then", "it jumps"), "a paragraph holds all texts"),
        (("--any-order",), "any order needs several texts"),
    ],
)
def test_texts_that_do_not_go_together_are_wrong_usage(
    run: Any, library: Any, options: tuple[str, ...], words: str
) -> None:
    result = run("search", "a dog", *options, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert words in result.stderr
    assert library.calls == []


def test_an_empty_further_text_is_named(run: Any, library: Any) -> None:
    result = run("search", "a dog", "--not", " ")
    assert result.exit_code == 1
    assert "the query is empty" in result.stderr
    assert library.calls == []


def test_a_comparison_says_which_text_each_clip_fits(run: Any, library: Any) -> None:
    library.hits = [replace(library.hits[0], fits="a dog"), replace(library.hits[1], fits="either")]
    lines = run("search", "a dog", "--versus", "a wolf").stdout.splitlines()
    assert "fits" in lines[0]
    assert " a dog " in lines[1]
    assert " either " in lines[2]
    found = json.loads(run("search", "a dog", "--versus", "a wolf", "--json-version", "2").stdout)
    assert [hit["fits"] for hit in found["hits"]] == ["a dog", "either"]
    library.hits = []
    assert "no clip fits one of the texts" in run("search", "a dog", "--versus", "a wolf").stderr


def test_moments_are_for_people_and_for_version_2(run: Any, library: Any) -> None:
    library.hits = [
        replace(library.hits[1], start=12.0, end=14.5, window=(10.0, 20.0), moments=((12.0, 14.5),))
    ]
    assert " 0:12.0-0:14.5 " in run("search", "a cat").stdout
    (hit,) = json.loads(run("search", "a cat", "--json-version", "2").stdout)["hits"]
    assert (hit["start"], hit["end"], hit["window"]) == (12.0, 14.5, [10.0, 20.0])
    assert hit["moments"] == [[12.0, 14.5]]
    assert "fits" not in hit
    queries = [call[1] for call in library.calls if call[0] == "search"]
    assert all(query.moments for query in queries)


def test_the_list_of_version_1_keeps_clips_and_keys(run: Any, library: Any) -> None:
    (first, *_) = json.loads(run("search", "a cat", "--json").stdout)
    assert set(first) == {
        *("video", "start", "end", "score", "parts", "best_frame", "clip_id", "copies"),
    }
    assert not library.calls[-1][1].moments
    run("search", "a cat", "--window")
    assert not any(call[1].moments for call in library.calls if call[0] == "search")
    (hit, *_) = json.loads(run("search", "a cat", "--json-version", "2", "--window").stdout)["hits"]
    assert hit["window"] == [hit["start"], hit["end"]]


def test_json_version_2_tells_the_query_and_the_confidence(run: Any, library: Any) -> None:
    result = run("search", "a", "cat", "--json", "--json-version", "2")
    answer = json.loads(result.stdout)
    assert result.stderr == ""
    assert answer["query"] == "a cat"
    assert answer["confidence"] == {"level": "strong", "p": 3 / 401, "stronger_than": 99}
    first = answer["hits"][0]
    assert first["video"] == "/v/clip [0].mp4"
    assert first["window"] == [0.0, 10.0]
    assert (first["start"], first["end"], first["source"]) == (0.0, 10.0, "seen")
    assert set(first) >= {"score", "parts", "best_frame", "clip_id"}
    assert "thumbnail" not in first
    library.confidence = None
    assert json.loads(run("search", "a cat", "--json-version", "2").stdout)["confidence"] is None
    library.confidence = MatchConfidence(0.3, 400, 0.25, "feedback")
    told = json.loads(run("search", "a cat", "--json-version", "2").stdout)["confidence"]
    assert told == {
        **{"level": "none", "p": 0.3, "stronger_than": 70},
        **{"right": 0.25, "right_by": "feedback"},
    }


def test_the_list_of_before_is_the_default_and_says_so_once(run: Any, library: Any) -> None:
    result = run("search", "a cat", "--json")
    assert isinstance(json.loads(result.stdout), list)
    assert result.stderr.count("version 1 of the JSON") == 1
    chosen = run("search", "a cat", "--json-version", "1")
    assert chosen.stderr == ""
    assert chosen.stdout == result.stdout
    assert run("search", "a cat", "--json-version", "3").exit_code == 2


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (
            3 / 401,
            "a clear match: the best one is stronger than 99 % of unrelated descriptions here",
        ),
        (60 / 401, "a possible match: the best one is stronger than 85 % of"),
    ],
)
def test_the_level_is_one_plain_line(run: Any, library: Any, p: float, words: str) -> None:
    library.confidence = MatchConfidence(p, 400)
    lines = run("search", "a cat").stdout.splitlines()
    assert len(lines) == 5
    assert lines[-1].startswith(words)


def test_where_nothing_fits_only_the_closest_three_are_shown(run: Any, library: Any) -> None:
    library.confidence = MatchConfidence(0.5, 400)
    library.hits = [*library.hits, replace(library.hits[0], video="/v/d.mp4")]
    result = run("search", "a cat")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("nothing clearly fits: the best one is stronger than 50 %")
    assert lines[0].endswith("; the closest 3:")
    assert len(lines) == 5
    assert "1 more that fit less, with: --top 10" in result.stderr
    asked_for = run("search", "a cat", "--top", "10")
    assert len(asked_for.stdout.splitlines()) == 6
    assert "more that fit less" not in asked_for.stderr


def test_what_feedback_taught_is_told_in_tenths(run: Any, library: Any) -> None:
    library.confidence = MatchConfidence(3 / 401, 400, 0.68, "feedback")
    last = run("search", "a cat").stdout.splitlines()[-1]
    assert last.endswith("by your feedback such an answer is right in 7 of 10")
    library.confidence = MatchConfidence(3 / 401, 400, 0.02, "clips/val")
    last = run("search", "a cat").stdout.splitlines()[-1]
    assert last.endswith("on clips/val such an answer is right in less than 1 of 10")


def test_an_answer_without_confidence_is_a_table_alone(run: Any, library: Any) -> None:
    library.confidence = None
    assert len(run("search", "a cat").stdout.splitlines()) == 4


def test_feedback_reaches_the_library(run: Any, library: Any) -> None:
    result = run("feedback", "a cat", "v.mp4", "yes")
    assert library.calls[-2:] == [("feedback", ("a cat", "v.mp4", True)), ("close", None)]
    assert result.stdout.startswith("1 judgement so far; 50 of 25 queries")
    told = json.loads(run("feedback", "a cat", "id1", "no", "--json").stdout)
    assert told == {"scaling": None, "judged": 1, "before": None, "after": None}
    library.calibration = Calibration(PlattScaling(0.5, 0.1, 60), 60, 0.7, 0.5)
    told = run("feedback", "a cat", "id1", "no").stdout
    assert told == (
        "60 judgements so far; what they teach is used: log loss 0.700 without, 0.500 with it\n"
    )
    library.calibration = Calibration(None, 60, 0.5, 0.7)
    assert "predicts no better" in run("feedback", "a cat", "id1", "no").stdout
    assert run("feedback", "a cat", "id1", "perhaps").exit_code == 2


def test_what_is_said_is_shown_with_its_words(run: Any, library: Any) -> None:
    first, second, third = library.hits
    said = "The lazy dog. / A quick fox."
    library.hits = [
        replace(first, source="both", said=said),
        replace(second, source="said", said="dog"),
        third,
    ]
    library.confidence = MatchConfidence(0.5, 400)
    result = run("search", '"dog"')
    lines = result.stdout.splitlines()
    assert "found by" in lines[0]
    assert [line.split()[-1] for line in lines if "clip [" in line]
    assert [kind in result.stdout for kind in ("both", "words", "picture")] == [True] * 3
    assert lines[2].strip() == f"“{said}”"
    assert lines[-1] == (
        "in 2 of these clips the words are said; by the picture, nothing clearly fits: the best "
        "one is stronger than 50 % of unrelated descriptions here"
    )
    answer = json.loads(run("search", '"dog"', "--json-version", "2").stdout)
    assert [hit["source"] for hit in answer["hits"]] == ["both", "said", "seen"]
    assert [hit.get("said") for hit in answer["hits"]] == [said, "dog", None]
    assert (answer["said"], answer["confidence"]["level"]) == (2, "none")
    for hit in json.loads(run("search", '"dog"', "--json-version", "1").stdout):
        assert not {"source", "said"} & set(hit)


def test_words_are_shown_where_the_confidence_is_not_known(run: Any, library: Any) -> None:
    library.hits = [replace(hit, source="said", said="dog") for hit in library.hits]
    library.confidence = None
    lines = run("search", '"dog"').stdout.splitlines()
    assert lines[-1] == "in 3 of these clips the words are said"
