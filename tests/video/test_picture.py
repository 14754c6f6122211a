"""Pictures as a player shows them: colours, fields, mirrored and turned."""

import itertools
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from finereel.video.decode import Source
from finereel.video.picture import GAMUT_2020_TO_709, hlg_to_sdr, pq_to_sdr, upright_rgb
from finereel.video.plan import Limits
from support.hdr import HLG, PQ, hdr_video, hlg, pq
from support.media import Recipe, make_video

MATRICES = {"601": (0.299, 0.114, 6), "709": (0.2126, 0.0722, 1), "2020": (0.2627, 0.0593, 9)}
"""Kr, Kb and the number in H.273."""
PATCHES = np.array(
    [
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (255, 255, 255),
        (0, 0, 0),
        (128, 128, 128),
        (200, 100, 50),
        (30, 60, 200),
    ]
)


def first_picture(path: Path, size: int = 4096) -> np.ndarray:
    source = Source(path, Limits())
    try:
        rgb = next(source.pictures()).rgb(size)
        assert rgb is not None
        return rgb
    finally:
        source.close()


def patches(width: int, height: int) -> np.ndarray:
    """Eight columns of colour."""
    return PATCHES.repeat(width // 8, axis=0)[None].repeat(height, axis=0).astype(np.uint8)


def colours(rgb: np.ndarray) -> np.ndarray:
    width = rgb.shape[1]
    return rgb[rgb.shape[0] // 2, np.arange(8) * width // 8 + width // 16].astype(int)


def yuv_video(path: Path, rgb: np.ndarray, matrix: str, full: bool, tagged: bool) -> Path:
    red, blue, number = MATRICES[matrix]
    scaled = rgb / 255.0
    luma = scaled @ [red, 1 - red - blue, blue]
    chroma = [(scaled[..., 2] - luma) / (2 - 2 * blue), (scaled[..., 0] - luma) / (2 - 2 * red)]
    planes = [
        luma * (255 if full else 219) + (0 if full else 16),
        *(c * (255 if full else 224) + 128 for c in chroma),
    ]
    frame = av.VideoFrame(rgb.shape[1], rgb.shape[0], "yuv444p")
    for plane, values in zip(frame.planes, planes, strict=True):
        padded = np.zeros((rgb.shape[0], plane.line_size), np.uint8)
        padded[:, : rgb.shape[1]] = np.clip(np.rint(values), 0, 255)
        plane.update(padded.tobytes())
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"qp": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = rgb.shape[1], rgb.shape[0], "yuv444p"
        if tagged:
            stream.codec_context.colorspace, stream.codec_context.color_range = (
                number,
                2 if full else 1,
            )
        frame.colorspace, frame.color_range = (
            stream.codec_context.colorspace,
            stream.codec_context.color_range,
        )
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("height", [64, 720])
def test_the_matrix_and_range_of_the_file_are_honoured(
    tmp_path: Path, height: int, matrix: str, full: bool
) -> None:
    path = yuv_video(tmp_path / "a.mkv", patches(height * 2, height), matrix, full, tagged=True)
    assert np.abs(colours(first_picture(path)) - PATCHES).max() <= 2


@pytest.mark.parametrize(
    ("size", "matrix"), [((720, 480), "601"), ((1280, 720), "709"), ((608, 1080), "709")]
)
def test_without_a_tag_hd_is_709_and_sd_is_601(
    tmp_path: Path, size: tuple[int, int], matrix: str
) -> None:
    path = yuv_video(tmp_path / "a.mkv", patches(*size), matrix, full=False, tagged=False)
    assert np.abs(colours(first_picture(path)) - PATCHES).max() <= 2


@pytest.mark.parametrize(("encode", "transfer"), [(pq, PQ), (hlg, HLG)])
def test_hdr_video_looks_like_the_sdr_it_was_made_of(tmp_path: Path, encode, transfer: int) -> None:  # type: ignore[no-untyped-def]
    sdr = np.kron(
        np.random.default_rng(1).integers(20, 215, (6, 8, 3)), np.ones((16, 16, 1))
    ).astype(np.uint8)
    shown = first_picture(hdr_video(tmp_path / "a.mkv", encode(sdr), transfer)).astype(int)
    for share in (5, 25, 50, 75, 95):
        assert np.percentile(shown.mean(-1), share) == pytest.approx(
            np.percentile(sdr.mean(-1), share), abs=6
        )
    spread = [float((x.max(-1) - x.min(-1)).mean()) for x in (shown, sdr.astype(int))]
    assert spread[0] == pytest.approx(spread[1], rel=0.05)


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
@pytest.mark.parametrize("size", [48, 96])
def test_interlaced_frames_do_not_comb(tmp_path: Path, codec: str, size: int) -> None:
    """A bar that jumps between the fields: only one of its places is seen."""
    path = interlaced(tmp_path / "a.mkv", codec)
    shown = first_picture(path, size)
    assert shown.shape == (size, size * 4 // 3, 3)
    columns = shown.mean(axis=2)
    comb = np.abs(np.diff(columns[4:-4], axis=0)).mean()
    assert comb < 4
    assert columns[:, : columns.shape[1] // 2].max() > 180, "the bar of the first field"
    assert columns[:, columns.shape[1] * 5 // 8 :].max() < 60, "the bar of the second field"


def test_progressive_frames_keep_all_their_lines(tmp_path: Path) -> None:
    stripes = np.zeros((96, 128, 3), np.uint8)
    stripes[::2] = 255
    path = yuv_video(tmp_path / "a.mkv", stripes, "601", full=False, tagged=True)
    assert np.abs(np.diff(first_picture(path).astype(int).mean(axis=(1, 2)))).min() > 200


def interlaced(path: Path, codec: str) -> Path:
    first, second = (np.full((96, 128, 3), 16, np.uint8) for _ in range(2))
    first[:, 16:48], second[:, 80:112] = 235, 235
    woven = first.copy()
    woven[1::2] = second[1::2]
    options = {
        "libx264": {"x264-params": "tff=1", "qp": "4"},
        "mpeg2video": {"flags": "+ildct+ilme", "qscale": "2"},
    }
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25, options=options[codec])
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=128, height=96, format=av.VideoFormat("yuv444p"), time_base=Fraction(1, 25)
        )
        steps = [
            source,
            graph.add("setfield", "tff"),
            graph.add("scale", "interl=1"),
            graph.add("format", "yuv420p"),
        ]
        steps.append(graph.add("buffersink"))
        for one, following in itertools.pairwise(steps):
            one.link_to(following)
        graph.configure()
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(woven, "rgb24").reformat(format="yuv444p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            graph.push(frame)
            output.mux(stream.encode(graph.pull()))
        output.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [
        ((1, 0, 0, 1), (0, 0)),
        ((-1, 0, 0, 1), (0, 1)),  # mirrored left to right
        ((1, 0, 0, -1), (1, 0)),  # upside down and mirrored
        ((-1, 0, 0, -1), (1, 1)),
        ((0, 1, 1, 0), (0, 0)),  # rows become columns
        ((0, -1, -1, 0), (1, 1)),
        ((0, 1, -1, 0), (0, 1)),
        ((0, -1, 1, 0), (1, 0)),
    ],
)
def test_pictures_are_turned_and_mirrored_as_the_file_says(
    tmp_path: Path, matrix: tuple[int, int, int, int], corner: tuple[int, int]
) -> None:
    """The red corner, and the green one right of it in the stored picture, land where the matrix
    puts them.
    """
    pixels = np.zeros((32, 64, 3), dtype=np.uint8)
    pixels[:16, :32], pixels[:16, 32:] = (255, 0, 0), (0, 255, 0)
    with av.open(str(tmp_path / "a.mp4"), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        output.mux(stream.encode())
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    start = data.index(b"tkhd") + 44
    a, b, c, d = (value << 16 for value in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "b.mp4").write_bytes(data)
    shown = first_picture(tmp_path / "b.mp4").astype(int)
    swapped = matrix[0] == 0
    height, width = (64, 32) if swapped else (32, 64)
    assert shown.shape == (height, width, 3)
    quarters = shown.reshape(2, height // 2, 2, width // 2, 3).mean(axis=(1, 3))
    assert np.unravel_index(quarters[..., 0].argmax(), (2, 2)) == corner
    beside = (corner[0] ^ 1, corner[1]) if swapped else (corner[0], corner[1] ^ 1)
    assert np.unravel_index(quarters[..., 1].argmax(), (2, 2)) == beside


@pytest.mark.parametrize("matrix", range(16))
def test_no_colour_matrix_is_too_odd(tmp_path: Path, matrix: int) -> None:
    source = Source(make_video(tmp_path / "a.mkv", Recipe(frames=1, codec="ffv1")), Limits())
    frame = next(source._frames())
    frame.colorspace = matrix
    assert upright_rgb(frame, Fraction(1), 48).shape == (48, 64, 3)
    source.close()


# HDR pictures become the SDR pictures they were made of.
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
