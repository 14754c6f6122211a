"""CSV, JSON and EDL: read back with the readers that people use."""

import csv
import io
import json
from fractions import Fraction
from pathlib import Path

import pytest

from export.made_moments import MADE, made_list
from finereel.errors import DataError
from finereel.export import FORMATS, exported
from finereel.export.lists import COLUMNS, reel_names
from finereel.export.moments import ExportList, read_hits
from finereel.export.timecode import frame_span


def test_csv_holds_every_moment_and_no_formula() -> None:
    made = made_list()
    rows = list(csv.DictReader(io.StringIO(exported(made, "csv").text)))
    assert tuple(rows[0]) == COLUMNS
    assert [float(row["start"]) for row in rows] == [one.start for one in made.moments]
    assert rows[0]["query"] == "a cake\n<&>"
    spelled = ExportList.of({"query": "=1+1", "hits": made.document["hits"]})
    assert "'=1+1" in exported(spelled, "csv").text


def test_json_is_the_answer_itself() -> None:
    made = made_list()
    assert json.loads(exported(made, "json").text) == made.document


@pytest.mark.parametrize("fps", [25.0, 23.976, 29.97, 59.94, 60.0])
def test_an_edl_read_back_has_the_same_frames(fps: float) -> None:
    otio = pytest.importorskip("opentimelineio")
    made = made_list(fps)
    text = exported(made, "edl").text
    rate = float({25.0: 25, 60.0: 60}.get(fps) or Fraction(round(fps) * 1000, 1001))
    assert ("FCM: DROP FRAME" in text) == (fps in (29.97, 59.94))
    timeline = otio.adapters.read_from_string(text, "cmx_3600", rate=rate)
    clips = list(timeline.video_tracks()[0])
    assert len(clips) == len(MADE)
    for clip, moment in zip(clips, made.moments, strict=True):
        first, last = frame_span(moment, Fraction(rate).limit_denominator(1001))
        assert clip.source_range.start_time.to_frames() == first
        assert clip.source_range.duration.to_frames() == last - first
        assert abs(first - moment.start * rate) <= 0.5
    assert timeline.name == "a cake <&>"
    assert clips[0].name == "birthday party.mp4"


def test_an_edl_without_sound_asks_for_none_and_names_each_file_in_full() -> None:
    text = exported(made_list(sound="none"), "edl").text
    assert "AA/V" not in text
    assert "* SOURCE FILE: /v/birthday party.mp4\n" in text
    assert "\x1b" not in text
    assert exported(made_list(), "edl").text.count(" AA/V ") == len(MADE)


def test_reel_names_are_short_and_unique() -> None:
    videos = [f"/{n}/the same name.mp4" for n in range(120)] + [
        "/x/ü.mp4",
        "/x/日本.mp4",
        "/x/-.mp4",
    ]
    names = list(reel_names(videos).values())
    assert len(set(names)) == len(videos)
    assert all(name.isascii() and name.isalnum() and len(name) <= 8 for name in names)


def test_what_a_timeline_changes_is_told() -> None:
    notes = " ".join(exported(made_list(), "edl").notes)
    assert "2 of 4 videos have another rate" in notes
    assert "29.97 frames per second" in notes
    assert "reel names hold 8" in notes
    assert exported(made_list(), "csv").notes == ()
    unknown = ExportList.of(made_list().document)
    assert "frame rate of 4 of 4 videos is not known" in " ".join(exported(unknown, "edl").notes)


def test_every_format_takes_an_empty_list() -> None:
    nothing = ExportList.of({"query": "", "hits": []})
    for kind in FORMATS:
        assert exported(nothing, kind).text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("3", "expected what `finereel search TEXT --json` prints"),
        ('{"query": "x"}', "expected what `finereel search TEXT --json` prints"),
        ('[{"video": "/a.mp4", "start": 1}]', "expected a number as end"),
        ('[{"video": "/a.mp4", "start": 2, "end": 1}]', "0 <= start < end"),
        ('[{"video": "", "start": 0, "end": 1}]', "expected a video"),
        ('[{"video": 7, "start": 0, "end": 1}]', "expected text as video"),
        ('[{"video": "/a.mp4", "start": true, "end": 1}]', "expected a number as start"),
        ("[7]", "hits[0]: expected an object"),
    ],
)
def test_a_file_of_hits_that_is_none_is_told(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "hits.json"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_hits(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_both_versions_of_the_json_are_read(tmp_path: Path) -> None:
    path, document = tmp_path / "hits.json", dict(made_list().document)
    path.write_text(json.dumps(document["hits"]))
    assert read_hits(path)["hits"] == document["hits"]
    path.write_text(json.dumps(document))
    assert read_hits(path) == document
