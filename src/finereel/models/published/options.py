"""Options for reading a published checkpoint, where its tensors do not determine them."""

from dataclasses import dataclass

from finereel.errors import ConfigError, unknown_name

VARIANTS = ("train", "eval")
TEMPORAL = ("meanP", "seqLSTM", "seqTransf")
INTERACTIONS = ("wti", "ti", "dp")


@dataclass(frozen=True)
class Options:
    """max_words, max_frames: W and F, checked against the checkpoint where its matrices are tied to
    them.
    variant: `train` applies the patch matrix L1 as the published training code does, `eval` leaves
    it out as the published evaluation does; of DRL, `train` multiplies by the logit scale and
    `eval` does not. temporal: where the state does not decide; None for what the kind was published
    with. interaction: of DRL only. allow: names of official tensors (`*` stands for any part) that
    may be missing, and then start untrained, or be there unknown, and then are left out.
    """

    max_words: int | None = None
    max_frames: int | None = None
    variant: str = "eval"
    temporal: str | None = None
    interaction: str = "wti"
    allow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for setting, known in (
            ("variant", VARIANTS),
            ("temporal", TEMPORAL),
            ("interaction", INTERACTIONS),
        ):
            value = getattr(self, setting)
            if value not in known and not (setting == "temporal" and value is None):
                raise unknown_name(setting, value, known)
        for setting in ("max_words", "max_frames"):
            value = getattr(self, setting)
            if value is not None and value < 1:
                raise ConfigError(f"{setting} must be at least 1, got {value}")
