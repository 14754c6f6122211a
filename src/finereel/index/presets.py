"""Presets: named settings of how `index` reads and encodes videos."""

from dataclasses import dataclass

from finereel.errors import unknown_name


@dataclass(frozen=True)
class Preset:
    """How frames are read and encoded.

    Attributes:
        mode: How frames are decoded, see `finereel.video.plan.MODES`.
        alike: Grey levels by which a frame must differ, on the mean of its thumbnail, from the last
            one encoded, or it takes the features of that one. At 0 only a clip takes features, those
            of the clip before it, and only where every pixel of every frame is equal.
        quick: Whether frames may be encoded in fewer bits: int8 by ONNX Runtime where that passed
            its check, bfloat16 on a GPU.
    """

    mode: str
    alike: float
    quick: bool


PRESETS = {
    "exact": Preset(mode="exact", alike=0.0, quick=False),
    "fast": Preset(mode="auto", alike=2.0, quick=True),
}
DEFAULT_PRESET = "fast"
"""That of new libraries, and of those that were made before presets."""


def preset_named(name: str | None) -> Preset:
    """One of PRESETS; the default one for None.

    Raises:
        ConfigError: If there is none of that name.

    Example:
        >>> preset_named("exact").mode, preset_named(None).mode
        ('exact', 'auto')
    """
    name = name or DEFAULT_PRESET
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS)
    return PRESETS[name]
