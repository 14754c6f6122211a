"""How an official checkpoint is to be read, where its tensors do not say."""

from dataclasses import dataclass
from typing import Literal

from finereel.errors import ConfigError, unknown_name

VARIANTS = ("train", "eval")
TEMPORAL = ("meanP", "seqLSTM", "seqTransf")
INTERACTIONS = ("wti", "ti", "dp")


@dataclass(frozen=True)
class Options:
    """max_words, max_frames: W and F, checked against the checkpoint where its matrices are tied to them.
    variant: `train` applies the patch matrix L1 as the published training code does, `eval` leaves it out as the
    published evaluation does. temporal: where the state does not decide. interaction: of DRL only.
    """

    max_words: int | None = None
    max_frames: int | None = None
    variant: str = "eval"
    temporal: str = "seqTransf"
    interaction: str = "wti"

    def __post_init__(self) -> None:
        for setting, known in (("variant", VARIANTS), ("temporal", TEMPORAL), ("interaction", INTERACTIONS)):
            if getattr(self, setting) not in known:
                raise unknown_name(setting, getattr(self, setting), known)

    @property
    def ucofia_temporal(self) -> Literal["meanP", "seqTransf"]:
        """The temporal encoder, of those that UCoFiA can have."""
        if self.temporal == "meanP":
            return "meanP"
        if self.temporal == "seqTransf":
            return "seqTransf"
        raise ConfigError(f"ucofia has temporal='meanP' or 'seqTransf', got {self.temporal!r}")
