"""Options for reading a published checkpoint, where its tensors do not determine them."""

from dataclasses import dataclass

from finereel.errors import ConfigError, unknown_name

VARIANTS = ("train", "eval")
TEMPORAL = ("meanP", "seqLSTM", "seqTransf")
INTERACTIONS = ("wti", "ti", "dp")


@dataclass(frozen=True)
class Options:
    """How to read a published checkpoint.

    Attributes:
        max_words: W, checked against the checkpoint if its matrices depend on it.
        max_frames: F, checked against the checkpoint if its matrices depend on it.
        variant: `train` applies UCoFiA's patch matrix L1 as the published training code does,
            `eval` omits it as the published evaluation does. For DRL, `train` multiplies by the
            logit scale and `eval` does not.
        temporal: The temporal encoder, if the tensors do not determine it; None means the published
            one.
        interaction: For DRL only.
        allow: Names of official tensors (`*` matches any characters) that may be missing, and then
            stay untrained, or unknown, and are then ignored.
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
