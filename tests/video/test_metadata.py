"""What a container says about itself."""

from pathlib import Path

import av
import pytest

from finereel.video.metadata import recorded_at
from finereel.video.reader import probe
from support.media import Recipe, make_video


@pytest.mark.parametrize(
    ("tags", "seconds"),
    [
        ({}, None),
        ({"creation_time": ""}, None),
        ({"creation_time": "1970-01-01T00:00:00.000000Z"}, None),
        ({"creation_time": "2026-03-01 12:00:00"}, 1_772_366_400.0),
        (
            {
                "creation_time": "1904-01-01T00:00:00Z",
                "com.apple.quicktime.creationdate": "2026-03-01T13:00:00+0100",
            },
            1_772_366_400.0,
        ),
        (
            {"com.apple.quicktime.creationdate": "?", "creation_time": "2026-03-01T12:00:00Z"},
            1_772_366_400.0,
        ),
    ],
)
def test_the_time_of_recording(tags: dict[str, str], seconds: float | None) -> None:
    assert recorded_at(tags) == seconds


@pytest.mark.parametrize(("sound", "codec"), [(True, "aac"), (False, None)])
def test_the_codec_of_the_sound(tmp_path: Path, sound: bool, codec: str | None) -> None:
    info = probe(make_video(tmp_path / "a.mp4", Recipe(sound=sound)))
    assert (info.audio_codec, info.has_audio, info.taken_at) == (codec, sound, None)


def test_a_file_that_says_when_it_was_recorded(tmp_path: Path) -> None:
    plain = make_video(tmp_path / "a.mp4", Recipe())
    with av.open(str(plain)) as source, av.open(str(tmp_path / "b.mp4"), "w") as target:
        target.metadata["creation_time"] = "2026-03-01T12:00:00.000000Z"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert probe(tmp_path / "b.mp4").taken_at == 1_772_366_400.0
