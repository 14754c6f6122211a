"""OTIO and FCPXML: read back with OpenTimelineIO and its adapter."""

import sys
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

import pytest

from export.made_moments import made_list
from finereel.errors import ConfigError
from finereel.export import exported
from finereel.export.timecode import frame_span, rate_of


def test_otio_read_back_has_the_frames_of_each_file() -> None:
    otio = pytest.importorskip("opentimelineio")
    made = made_list()
    timeline = otio.adapters.read_from_string(exported(made, "otio").text, "otio_json")
    assert [track.kind for track in timeline.tracks] == ["Video", "Audio"]
    for clip, moment in zip(timeline.tracks[0], made.moments, strict=True):
        rate = rate_of(moment.facts.fps)
        start, length = clip.source_range.start_time, clip.source_range.duration
        assert (start.to_frames(), start.to_frames() + length.to_frames()) == frame_span(
            moment, rate
        )
        assert abs(start.rate - float(rate)) < 1e-9
        whole = clip.media_reference.available_range
        assert whole.start_time.value == 0
        assert whole.duration.to_frames() >= frame_span(moment, rate)[1]
        assert clip.metadata["finereel"]["clip_id"] == moment.clip_id
    assert timeline.tracks[0][0].media_reference.target_url == "file:///v/birthday%20party.mp4"
    assert timeline.tracks[0][3].media_reference.target_url == "file:///v/%FF.mkv"


def test_silent_files_need_no_track_of_sound() -> None:
    otio = pytest.importorskip("opentimelineio")
    text = exported(made_list(sound="none"), "otio").text
    assert len(otio.adapters.read_from_string(text, "otio_json").tracks) == 1


@pytest.mark.parametrize("fps", [25.0, 29.97, 59.94])
def test_fcpxml_read_back_has_the_same_frames(fps: float) -> None:
    otio = pytest.importorskip("opentimelineio")
    made = made_list(fps)
    text, rate = exported(made, "fcpxml").text, rate_of(fps)
    read = otio.adapters.read_from_string(text, "fcpx_xml")
    clips = [clip for clip in read.find_clips() if isinstance(clip, otio.schema.Clip)]
    spine = list(ElementTree.fromstring(text).iter("asset-clip"))
    assert len(clips) == len(spine) == len(made.moments)
    for clip, written, moment in zip(clips, spine, made.moments, strict=True):
        first, last = frame_span(moment, rate)
        assert _seconds(written.get("start")) * rate == first
        assert _seconds(written.get("duration")) * rate == last - first
        # The adapter counts 29.97 frames as 29 and cuts fractions off.
        within = Fraction(clip.source_range.start_time.rate) ** -1 * Fraction("1.01")
        assert abs(clip.source_range.start_time.to_seconds() - first / rate) < within
        assert abs(clip.source_range.duration.to_seconds() - (last - first) / rate) < within
    assert clips[0].media_reference.target_url == "file:///v/birthday%20party.mp4"


def test_fcpxml_is_sound_where_the_adapter_is_not() -> None:
    root = ElementTree.fromstring(exported(made_list(29.97), "fcpxml").text)
    assert root.get("version") == "1.8"
    assert {found.get("frameDuration") for found in root.iter("format")} == {"1001/30000s"}
    assert {asset.get("hasAudio") for asset in root.iter("asset")} == {"1"}
    names = {element.get("id") for element in root.iter() if element.get("id")}
    for clip in root.iter("asset-clip"):
        assert {clip.get("ref"), clip.get("format")} <= names
    ends = [
        _seconds(clip.get("offset")) + _seconds(clip.get("duration"))
        for clip in root.iter("asset-clip")
    ]
    assert ends[-1] == _seconds(next(root.iter("sequence")).get("duration"))
    silent = ElementTree.fromstring(exported(made_list(sound="none"), "fcpxml").text)
    assert {asset.get("hasAudio") for asset in silent.iter("asset")} == {None}


def _seconds(text: Any) -> Fraction:
    return Fraction(text.removesuffix("s"))


def test_without_the_extra_only_otio_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentimelineio", None)
    with pytest.raises(ConfigError, match=r"finereel\[editors\]"):
        exported(made_list(), "otio")
    assert exported(made_list(), "fcpxml").text
