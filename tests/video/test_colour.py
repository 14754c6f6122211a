"""HDR pictures become the SDR pictures they were made of."""

import numpy as np
import pytest

from finereel.video.colour import GAMUT_2020_TO_709, hlg_to_sdr, pq_to_sdr
from support.hdr import hlg, pq

SDR = np.random.default_rng(0).integers(0, 217, (24, 32, 3)).astype(np.uint8)


@pytest.mark.parametrize(("encode", "decode"), [(pq, pq_to_sdr), (hlg, hlg_to_sdr)])
@pytest.mark.parametrize("wide", [True, False])
def test_what_is_no_brighter_than_white_comes_back(encode, decode, wide) -> None:  # type: ignore[no-untyped-def]
    back = decode(encode(SDR, wide), wide)
    assert back.dtype == np.uint8
    assert np.abs(back.astype(int) - SDR).max() <= 5


@pytest.mark.parametrize(("encode", "decode"), [(pq, pq_to_sdr), (hlg, hlg_to_sdr)])
def test_highlights_are_compressed_in_order(encode, decode) -> None:  # type: ignore[no-untyped-def]
    light = np.linspace(0.0, 4.0, 41, dtype=np.float64)
    ramp = decode(encode(light[None, :, None].repeat(3, 2), False, linear=True), False)[
        0, :, 0
    ].astype(int)
    assert ramp[0] == 0
    assert (np.diff(ramp) >= 0).all()
    assert 235 <= ramp[10] <= 250  # diffuse white
    assert ramp[20] > ramp[10]
    assert ramp[40] == 255


def test_hues_stay() -> None:
    light = np.array([[[4.0, 1.0, 0.5]]])
    red, green, blue = (pq_to_sdr(pq(light, False, linear=True), False)[0, 0] / 255.0) ** 2.4
    np.testing.assert_allclose([green / red, blue / red], [1 / 4, 1 / 8], atol=0.02)


def test_the_gamut_keeps_white() -> None:
    np.testing.assert_allclose(GAMUT_2020_TO_709.sum(axis=1), 1.0, atol=1e-3)
