"""SDR pictures as HDR ones: PQ and HLG codes of 16 bits, and videos of them."""

from pathlib import Path

import av
import numpy as np

TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
LUMA_2020 = np.array([0.2627, 0.6780, 0.0593])
BT2020, BT2020_MATRIX, PQ, HLG = 9, 9, 16, 18
"""Numbers of H.273."""


def pq(pixels: np.ndarray, wide: bool = True, linear: bool = False) -> np.ndarray:
    """SMPTE ST 2084 codes of pictures whose white is 203 nits. linear: `pixels` are light, 1 at
    white.
    """
    nits = 203 * _light(pixels, wide, linear)
    power = (nits / 10_000) ** 0.1593017578125
    return _codes(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def hlg(pixels: np.ndarray, wide: bool = True, linear: bool = False) -> np.ndarray:
    """ARIB STD-B67 codes of pictures whose white is 203 of 1000 nits."""
    screen = 203 / 1000 * _light(pixels, wide, linear)
    luminance = (screen @ LUMA_2020)[..., None]
    scene = screen * np.where(luminance > 0, luminance, 1.0) ** (1 / 1.2 - 1)
    scene = np.clip(scene, 0, 1)
    upper = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return _codes(np.where(scene <= 1 / 12, np.sqrt(3 * scene), upper))


def hdr_video(path: Path, codes: np.ndarray, transfer: int, frames: int = 2) -> Path:
    """A lossless 10-bit BT.2020 video of one picture of PQ or HLG codes."""
    options = {
        "preset": "ultrafast",
        "x265-params": f"lossless=1:log-level=none:colorprim=9:transfer={transfer}:colormatrix=9",
    }
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx265", rate=25, options=options)
        stream.height, stream.width = codes.shape[:2]
        stream.pix_fmt = "yuv444p10le"
        frame = av.VideoFrame.from_ndarray(codes, "rgb48le").reformat(
            format="yuv444p10le", dst_colorspace="BT2020"
        )
        for index in range(frames):
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def _light(pixels: np.ndarray, wide: bool, linear: bool) -> np.ndarray:
    light = pixels if linear else (pixels / 255.0) ** 2.4
    return np.maximum(light @ TO_2020.T if wide else light, 0.0)


def _codes(signal: np.ndarray) -> np.ndarray:
    return np.rint(65535 * signal).astype(np.uint16)
