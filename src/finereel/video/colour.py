"""Convert HDR pictures (PQ or HLG, BT.2100) to BT.709, which models were trained on."""

import functools

import numpy as np
from jaxtyping import Float32, UInt8, UInt16

WHITE_NITS = 203.0
"""Luminance of diffuse white in HDR video (BT.2408); it becomes the white of SDR."""

KNEE = 0.75
"""Share of diffuse white up to which luminance is kept; what is brighter is compressed into the
rest.
"""

DISPLAY_GAMMA = 2.4
"""An SDR screen's gamma (BT.1886)."""

HLG_NITS, HLG_GAMMA = 1000.0, 1.2
"""The screen that HLG is defined for (BT.2100)."""

LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], dtype=np.float32)

GAMUT_2020_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    dtype=np.float32,
)
"""Linear light in BT.2020 primaries to linear light in BT.709 primaries (BT.2087)."""


def pq_to_sdr(pixels: UInt16[np.ndarray, "H W 3"], wide: bool = True) -> UInt8[np.ndarray, "H W 3"]:
    """Pictures in PQ (SMPTE ST 2084), full range RGB of 16 bits, as 8-bit BT.709.

    wide: the primaries are those of BT.2020. Diffuse white (203 nits) and black stay where they
    are:

    >>> code = round(0.5807 * 65535)  # 203 nits
    >>> int(pq_to_sdr(np.full((1, 1, 3), code, np.uint16)).max()) > 240
    True
    """
    light: Float32[np.ndarray, "H W 3"] = _pq_light()[pixels]
    return _to_sdr(light, wide)


def hlg_to_sdr(
    pixels: UInt16[np.ndarray, "H W 3"], wide: bool = True
) -> UInt8[np.ndarray, "H W 3"]:
    """Pictures in HLG (ARIB STD-B67), full range RGB of 16 bits, as 8-bit BT.709; see
    `pq_to_sdr`.
    """
    scene: Float32[np.ndarray, "H W 3"] = _hlg_light()[pixels]
    luminance = (scene @ LUMA_2020)[..., None]
    return _to_sdr(
        scene * (luminance ** np.float32(HLG_GAMMA - 1) * np.float32(HLG_NITS / WHITE_NITS)), wide
    )


def _to_sdr(light: Float32[np.ndarray, "H W 3"], wide: bool) -> UInt8[np.ndarray, "H W 3"]:
    """Linear light, 1 at diffuse white, compressed by its brightest channel so that hues stay."""
    if wide:
        light = light @ GAMUT_2020_TO_709.T
    light = np.maximum(light, 0.0)
    brightest = light.max(axis=-1, keepdims=True)
    light = light * (_compressed(brightest) / np.maximum(brightest, np.float32(1e-6)))
    pixels: UInt8[np.ndarray, "H W 3"] = np.rint(
        255 * np.clip(light, 0, 1) ** np.float32(1 / DISPLAY_GAMMA)
    ).astype("u1")
    return pixels


def _compressed(light: Float32[np.ndarray, "H W 1"]) -> Float32[np.ndarray, "H W 1"]:
    over = np.maximum(light - np.float32(KNEE), 0.0) / np.float32(1 - KNEE)
    kept: Float32[np.ndarray, "H W 1"] = np.minimum(light, KNEE) + np.float32(1 - KNEE) * (
        1 - np.exp(-over)
    )
    return kept


@functools.cache
def _pq_light() -> Float32[np.ndarray, " codes"]:
    """Light of each 16-bit code, 1 at diffuse white."""
    signal = np.linspace(0.0, 1.0, 2**16) ** (1 / 78.84375)
    light = np.maximum(signal - 0.8359375, 0.0) / (18.8515625 - 18.6875 * signal)
    return (10_000 / WHITE_NITS * light ** (1 / 0.1593017578125)).astype(np.float32)


@functools.cache
def _hlg_light() -> Float32[np.ndarray, " codes"]:
    """Scene light of each 16-bit code, 0 to 1."""
    signal = np.linspace(0.0, 1.0, 2**16)
    upper = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return np.where(signal <= 0.5, signal**2 / 3, upper).astype(np.float32)
