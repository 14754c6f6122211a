"""The settings of a generator."""

from dataclasses import dataclass
from pathlib import Path

from finereel.errors import ConfigError, unknown_name
from finereel.finegrain.types import PARTS_OF_SPEECH, PartOfSpeech

MODES = ("clean", "paper", "swap")


@dataclass(frozen=True, slots=True)
class GeneratorSettings:
    """mode: one of MODES. parts_of_speech: which to make. per_caption: at most so many per
    caption and part of speech. seed: with the captions and the lexicon it decides everything.
    max_words: row length of the text encoder, start and end token among them. taggers: names of
    `finereel.finegrain.words.tagging`. legacy (paper mode): change every occurrence of the word, as
    the released sets do. propose (clean mode): a language model beside the rules, fill-mask:DIR or
    llm:MODEL@URL. propose_cache: where its answers are kept, None for the user's cache.

    Raises ConfigError for a value outside its range.
    """

    mode: str = "clean"
    parts_of_speech: tuple[PartOfSpeech, ...] = PARTS_OF_SPEECH
    per_caption: int = 20
    seed: int = 0
    max_words: int = 32
    taggers: tuple[str, ...] = ("hanta", "textblob")
    legacy: bool = False
    propose: str = ""
    propose_cache: Path | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise unknown_name("mode", self.mode, MODES)
        for pos in self.parts_of_speech:
            if pos not in PARTS_OF_SPEECH:
                raise unknown_name("part of speech", pos, PARTS_OF_SPEECH)
        if self.propose and self.mode != "clean":
            raise ConfigError(
                f"proposals go with mode clean: mode {self.mode} is kept as it was released"
            )
        if self.per_caption < 1:
            raise ConfigError(f"negatives per caption: expected 1 or more, got {self.per_caption}")
        if self.max_words < 3:
            raise ConfigError(f"max_words: expected 3 tokens or more, got {self.max_words}")
