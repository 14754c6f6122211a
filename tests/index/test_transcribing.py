"""Speech becomes text where there are no subtitles, and what a transcriber makes up is left out."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finereel.errors import VideoError
from finereel.index import transcribing
from finereel.index.events import AddSettings
from finereel.index.transcribing import PIECE_SECONDS, Listened, believed, transcript
from finereel.library import Library
from finereel.models.transcribers import SpeechSegment, Transcriber
from finereel.video.plan import SAMPLE_RATE, ClipPlan, VideoInfo
from index.doubles import ToyModel, write_video
from index.test_words import TALKS, TalkingSource, said_by_clip, said_places

SPEECH = [
    SpeechSegment(0.5, 1.5, " Good morning everybody"),
    SpeechSegment(2.5, 3.5, " welcome to the show"),
]


class FakeTranscriber:
    """Hears the same in every video, and counts how often it listens."""

    name = "fake"

    def __init__(self, *segments: SpeechSegment, pause: float = 0.0) -> None:
        self.segments = segments
        self.pause = pause
        self.heard: list[int] = []

    def transcribe(self, samples: np.ndarray) -> Iterator[SpeechSegment]:
        self.heard.append(len(samples))
        for segment in self.segments:
            time.sleep(self.pause)
            yield segment


class SoundingSource(TalkingSource):
    """Toy videos with sound; `b.toy` has subtitles too, `d.toy` is silent."""

    def __init__(self) -> None:
        super().__init__({"b.toy": TALKS["b.toy"]})
        self.broken: set[str] = set()

    def probe(self, path: Path) -> VideoInfo:
        info = super().probe(path)
        if path.name == "d.toy":
            return info
        return replace(info, has_audio=True, audio_codec="aac")

    def clips(self, path: Path, plan: ClipPlan):  # type: ignore[no-untyped-def]
        stream = super().clips(path, plan)
        stream.info = self.probe(path)
        return stream

    def sound(self, path: Path) -> Iterator[tuple[float, np.ndarray]]:
        if path.name in self.broken:
            raise VideoError(f"{path}: cannot be read")
        for second in range(4):
            yield float(second), np.zeros(SAMPLE_RATE, dtype=np.float32)


def made(folder: Path) -> tuple[Library, SoundingSource]:
    source = SoundingSource()
    for name, word in (("a.toy", "house"), ("b.toy", "dog"), ("d.toy", "moon")):
        write_video(folder / "videos" / name, "tree", word)
    library = Library.open(folder / "library", ToyModel(), source)
    return library, source


def test_speech_is_written_down_where_there_are_no_subtitles(tmp_path: Path) -> None:
    fake = FakeTranscriber(*SPEECH)
    assert isinstance(fake, Transcriber)
    library, _ = made(tmp_path)
    settings = AddSettings(transcriber=fake)
    library.add([tmp_path / "videos"])
    assert fake.heard == []
    report = library.add([tmp_path / "videos"], settings=settings)
    assert (report.transcribed, report.unheard) == (1, 0)
    assert fake.heard == [4 * SAMPLE_RATE]
    said = said_by_clip(library)
    assert said["a.toy", 0.0] == "Good morning everybody"
    assert said["a.toy", 2.0] == "welcome to the show"
    assert said["d.toy", 0.0] == ""
    assert said_places(library, '"welcome to the show"') == [("a.toy", 2.0)]
    assert not library.doctor(verify=True)
    library.add([tmp_path / "videos"], settings=settings)
    assert len(fake.heard) == 1


def test_a_video_without_speech_is_listened_to_once(tmp_path: Path) -> None:
    fake = FakeTranscriber(SpeechSegment(0.0, 1.0, "Thank you.", no_speech=0.9))
    library, source = made(tmp_path)
    settings = AddSettings(transcriber=fake)
    assert library.add([tmp_path / "videos"], settings=settings).transcribed == 0
    library.add([tmp_path / "videos"], settings=settings)
    assert len(fake.heard) == 1
    folder = next(library.path.glob("index-*"))
    assert list(Listened.load(folder).contents) == ["fake"]
    (folder / transcribing.NAME).write_text("damaged")
    library.add([tmp_path / "videos"], settings=settings)
    assert len(fake.heard) == 2
    source.broken = {"a.toy"}
    (folder / transcribing.NAME).unlink()
    assert library.add([tmp_path / "videos"], settings=settings).unheard == 1


def test_a_rebuild_keeps_what_was_heard(tmp_path: Path) -> None:
    fake = FakeTranscriber(*SPEECH)
    library, _ = made(tmp_path)
    library.add([tmp_path / "videos"], settings=AddSettings(transcriber=fake))
    before = said_by_clip(library)
    library.rebuild(ToyModel(seed=1))
    assert said_by_clip(library) == before
    assert said_places(library, '"good morning"') == [("a.toy", 0.0)]
    assert len(fake.heard) == 1


def test_what_a_transcriber_doubts_or_repeats_is_left_out() -> None:
    doubted = SpeechSegment(0.0, 1.0, "hm", logprob=-1.0)
    silence = SpeechSegment(1.0, 2.0, "Thank you.", no_speech=0.31)
    loop = [SpeechSegment(float(n), n + 1.0, " I am going to the campsite.") for n in range(3)]
    twice = [SpeechSegment(float(n), n + 1.0, "Yes.") for n in range(2)]
    assert believed([doubted, *SPEECH, silence, *loop, *twice]) == [*SPEECH, *twice]


def test_times_count_from_the_beginning_of_the_video() -> None:
    long = int(PIECE_SECONDS)
    pieces = [
        (float(second), np.zeros(SAMPLE_RATE, dtype=np.float32)) for second in range(long + 9)
    ]
    fake = FakeTranscriber(SpeechSegment(1.0, 2.0, "word"))
    cues = transcript(iter(pieces), fake, long + 9.0)
    assert cues is not None
    assert [(cue.start, cue.end) for cue in cues] == [(1.0, 2.0), (long + 1.0, long + 2.0)]
    assert fake.heard == [long * SAMPLE_RATE, 9 * SAMPLE_RATE]


def test_listening_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [(0.0, np.zeros(SAMPLE_RATE, dtype=np.float32))]
    monkeypatch.setattr(transcribing, "TIMES_DURATION", 2.0)
    slow = FakeTranscriber(*(SpeechSegment(0.0, 1.0, f"word {n}") for n in range(99)), pause=0.1)
    began = time.monotonic()
    assert transcript(iter(pieces), slow, 0.5) is None
    assert time.monotonic() - began < 5
