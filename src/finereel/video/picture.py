"""Convert a decoded frame to upright RGB as a player shows it: deinterlaced, right colours, SDR,
square pixels.

Knows the decoder's frames; runs in the decoding child.
"""

import functools
from collections.abc import Mapping
from fractions import Fraction
from typing import cast

import av.error
import av.filter
import numpy as np
from av.sidedata.sidedata import SideData, Type
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc, Interpolation
from jaxtyping import Float32, UInt8, UInt16

from finereel.video.clips import Rgb

# HDR -> SDR: pictures in PQ or HLG (BT.2100) as the BT.709 pictures that models were trained on.
# Arithmetic only.
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


ASPECT = 16
"""Pictures longer than this many times `size` are shrunk further, so that a 16384 x 1 video cannot
fill a pipe.
"""

SCALING = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.BITEXACT
)

BT709, UNSPECIFIED, BT2020 = 1, 2, 9
"""Colour matrices by their numbers in H.273."""

HD_WIDTH, SD_HEIGHT = 1280, 576
"""Pictures this wide, or higher than that, are BT.709 where the file does not say; smaller ones are
BT.601.
"""

HDR = {int(ColorTrc.SMPTE2084): pq_to_sdr, int(ColorTrc.ARIB_STD_B67): hlg_to_sdr}


def upright_rgb(frame: VideoFrame, aspect: Fraction, size: int) -> Rgb:
    """The picture of a frame in square pixels, its shorter side `size` pixels or less. aspect: of
    one stored pixel.
    """
    width, height = display_size(frame, aspect)
    scale = min(1.0, size / min(width, height), ASPECT * size / max(width, height))
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    turned = orientation(frame)
    if turned[0]:
        width, height = height, width
    shown = _first_field(frame) if frame.interlaced_frame and frame.height > 1 else frame
    return np.ascontiguousarray(_upright(_rgb(frame, shown, width, height), turned))


def display_size(frame: VideoFrame, aspect: Fraction) -> tuple[int, int]:
    """Upright width and height in square pixels."""
    width = max(1, round(frame.width * aspect))
    return (frame.height, width) if orientation(frame)[0] else (width, frame.height)


def rotation(frame: VideoFrame) -> int:
    """Degrees clockwise that the stored picture is turned to be upright, after any mirroring: 0,
    90, 180 or 270.
    """
    swapped, along_x, along_y = orientation(frame)
    if swapped:
        return 90 if along_x > 0 else 270
    return 0 if along_y > 0 else 180


def orientation(frame: VideoFrame) -> tuple[bool, int, int]:
    """How the stored picture is turned and mirrored: whether rows become columns, and the
    directions (1 or -1).

    The directions are those of stored x and y on the screen: (False, -1, 1) is mirrored left to
    right.
    """
    data = cast(Mapping[Type, SideData], frame.side_data).get(Type.DISPLAYMATRIX)
    if data is None:
        return (False, 1, 1)
    matrix = np.frombuffer(bytes(data), dtype=np.int32)[:5].astype(np.int64)
    straight, crossed = (matrix[0], matrix[4]), (matrix[1], matrix[3])
    swapped = bool(abs(crossed[0]) + abs(crossed[1]) > abs(straight[0]) + abs(straight[1]))
    x, y = crossed if swapped else straight
    return (swapped, -1 if x < 0 else 1, -1 if y < 0 else 1)


def _upright(
    pixels: UInt8[np.ndarray, "H W 3"], turned: tuple[bool, int, int]
) -> UInt8[np.ndarray, "H2 W2 3"]:
    swapped, along_x, along_y = turned
    if swapped:
        return pixels.transpose(1, 0, 2)[::along_x, ::along_y]
    return pixels[::along_y, ::along_x]


def _rgb(frame: VideoFrame, shown: VideoFrame, width: int, height: int) -> Rgb:
    """The pixels of `shown`, which is `frame` or a field of it, at another size and in SDR."""
    hdr = HDR.get(_transfer(frame))
    form = "rgb24" if hdr is None else "rgb48le"
    shown.colorspace = _matrix(frame)
    shown.color_range = frame.color_range
    try:
        small = shown.reformat(width, height, form, interpolation=SCALING, threads=1)
    except (av.error.FFmpegError, ValueError) as error:  # a matrix that the scaler does not know
        if isinstance(error, MemoryError):
            raise
        shown.colorspace = BT709
        small = shown.reformat(width, height, form, interpolation=SCALING, threads=1)
    pixels: Rgb = small.to_ndarray()
    return (
        pixels
        if hdr is None
        else hdr(pixels.astype(np.uint16), frame.color_primaries != ColorPrimaries.BT709)
    )


def _transfer(frame: VideoFrame) -> int:
    return int(frame.color_trc)


def _matrix(frame: VideoFrame) -> int:
    matrix = int(frame.colorspace)
    if matrix != UNSPECIFIED or frame.format.is_rgb:
        return matrix
    if _transfer(frame) in HDR:
        return BT2020
    return BT709 if frame.width >= HD_WIDTH or frame.height > SD_HEIGHT else UNSPECIFIED


def _first_field(frame: VideoFrame) -> VideoFrame:
    """Every second line of an interlaced frame: the two fields were taken at different times and
    would comb.
    """
    graph = _field_graph(frame.format.name, frame.width, frame.height)
    graph.push(frame)
    field = graph.pull()
    assert isinstance(field, VideoFrame)
    return field


@functools.lru_cache(maxsize=4)
def _field_graph(pixels: str, width: int, height: int) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=width, height=height, format=VideoFormat(pixels), time_base=Fraction(1, 1000)
    )
    field, sink = graph.add("field", "type=top"), graph.add("buffersink")
    source.link_to(field)
    field.link_to(sink)
    graph.configure()
    return graph
