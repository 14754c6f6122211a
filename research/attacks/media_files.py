"""Bad media files for the attack `media`: truncated, flipped, hostile, oddly named. Every one is
made on the spot.
"""

import os
import random
import socket
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

os.environ.setdefault(
    "SVT_LOG", "1"
)  # the AV1 encoder reports its settings on stderr unless told not to

CANARY = (240, 10, 200)
"""The colour of a video that no other file may show."""

KINDS: tuple[tuple[str, str, str], ...] = (
    *(
        (suffix, codec, "yuv420p")
        for suffix in ("mp4", "mov", "mkv")
        for codec in ("libx264", "mpeg4", "libx265")
    ),
    *((suffix, "mpeg2video", "yuv420p") for suffix in ("ts", "mpg", "vob", "mxf", "m2ts", "mkv")),
    *((suffix, "mpeg4", "yuv420p") for suffix in ("avi", "3gp", "asf", "nut")),
    *((suffix, "mjpeg", "yuvj420p") for suffix in ("avi", "mkv", "mov", "mjpeg")),
    *((suffix, "ffv1", "yuv420p") for suffix in ("mkv", "avi", "nut")),
    *((suffix, "libvpx", "yuv420p") for suffix in ("webm", "ivf", "ogv")),
    *((suffix, "libvpx-vp9", "yuv420p") for suffix in ("webm", "mp4", "ivf")),
    *((suffix, "libsvtav1", "yuv420p") for suffix in ("mp4", "mkv", "obu")),
    *((suffix, "png", "rgb24") for suffix in ("mov", "mkv")),
    *(("flv", codec, "yuv420p") for codec in ("flv1", "libx264")),
    *(("wmv", codec, "yuv420p") for codec in ("wmv1", "wmv2", "msmpeg4v3")),
    *((suffix, "libx264", "yuv420p") for suffix in ("flv", "ts", "f4v", "h264")),
    *(("rm", codec, "yuv420p") for codec in ("rv10", "rv20")),
    ("mpg", "mpeg1video", "yuv420p"),
    ("mkv", "libx265", "yuv420p10le"),
    ("hevc", "libx265", "yuv420p"),
    ("mov", "prores_ks", "yuv422p10le"),
    ("gif", "gif", "rgb8"),
    ("apng", "apng", "rgb24"),
    ("y4m", "wrapped_avframe", "yuv420p"),
    ("mkv", "rawvideo", "yuv420p"),
    ("avi", "cinepak", "rgb24"),
    ("avi", "huffyuv", "yuv422p"),
    ("mkv", "utvideo", "yuv420p"),
)
"""Ending, codec and pixels of the valid files that are spoilt."""


def make(
    path: Path, codec: str = "libx264", pixels: str = "yuv420p", frames: int = 12, **change: object
) -> Path:
    """A valid video of grey pictures that grow lighter. change: `size`, `colour`, `fps`."""
    width, height = change.get("size", (64, 48))
    quiet = (
        {"x265-params": "log-level=none"}
        if codec == "libx265"
        else {"preset": "12"}
        if "svt" in codec
        else {}
    )
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=change.get("fps", 25), options=quiet)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        for index in range(frames):
            shade = change.get("colour", (10 + 200 * index // frames,) * 3)
            picture = np.full((height, width, 3), shade, np.uint8)
            picture[::5, ::7] = 90
            output.mux(
                stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pixels))
            )
        output.mux(stream.encode())
    return path


def valid_files(folder: Path) -> list[Path]:
    """One small valid file per kind of KINDS that this FFmpeg can write."""
    folder.mkdir()
    made = []
    for number, (suffix, codec, pixels) in enumerate(KINDS):
        path = folder / f"{number:02d}-{codec}.{suffix}"
        try:
            made.append(make(path, codec, pixels, fps=Fraction(25)))
        except (av.error.FFmpegError, ValueError):
            path.unlink(missing_ok=True)
    return made


def truncated(folder: Path, valid: list[Path], count: int) -> Iterator[Path]:
    """Each file cut at evenly spread lengths, `count` cuts in all."""
    cuts = -(-count // len(valid))
    for number in range(count):
        source, cut = valid[number % len(valid)], number // len(valid)
        data = source.read_bytes()
        path = folder / f"cut-{number:04d}-{source.name}"
        path.write_bytes(data[: max(1, len(data) * (cut + 1) // (cuts + 1))])
        yield path


def flipped(folder: Path, valid: list[Path], count: int, seed: int) -> Iterator[Path]:
    """Files with 1 to 64 bits flipped: a third in the header, a third at the end (an index), a
    third anywhere.
    """
    chance = random.Random(seed)
    for number in range(count):
        source = valid[number % len(valid)]
        data = bytearray(source.read_bytes())
        first, last = (
            (0, min(512, len(data))),
            (max(0, len(data) - 1024), len(data)),
            (0, len(data)),
        )[number % 3]
        for _ in range(2 ** chance.randrange(7)):
            data[chance.randrange(first, last)] ^= 1 << chance.randrange(8)
        path = folder / f"flip-{number:04d}-{source.name}"
        path.write_bytes(data)
        yield path


def hostile(folder: Path, port: int) -> Iterator[Path]:
    """Files that are none, that claim too much, or that name a canary by a path or at
    127.0.0.1:`port`.
    """
    canary = make(folder.parent / "canary.mp4", colour=CANARY)
    yield from _not_files(folder)
    for number, target in enumerate(
        (str(canary), f"file://{canary}", f"../{canary.name}", f"http://127.0.0.1:{port}/a")
    ):
        yield from _playlists(folder, number, target)
    yield from _claims(folder)


def odd_names(folder: Path, valid: list[Path]) -> Iterator[Path]:
    """A valid video under names that break careless programs."""
    data = valid[0].read_bytes()
    names = [
        b"-rf.mp4",
        b"new\nline.mp4",
        b"caf\xe9.mp4",
        b"$(id) ;&|'\".mp4",
        b"pipe:0.mp4",
        b"%s%n%d.mp4",
        b"~.mp4",
    ]
    names += [
        b"x" * 251 + b".mp4",
        b"https:__a.mp4",
        b"concat:a|b.mp4",
        b"a\x1b[31m.mp4",
        b" .mp4",
        b"...mp4",
        b"a\r.mp4",
    ]
    names += [
        name.encode()
        for name in ("\u202egnp.mp4", "\U0001f3ac.mp4", "e\u0301.mp4", "\u00e9.mp4", "\u200b.mp4")
    ]
    for name in names:
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        path.write_bytes(data)
        yield path


def _not_files(folder: Path) -> Iterator[Path]:
    contents = {"empty": b"", "one": b"\0", "text": b"Dear reader,\n" * 99, "zeros": bytes(9999)}
    contents["noise"] = random.Random(0).randbytes(20_000)
    contents["drm"] = bytes(4) + b"ftypM4VP" + bytes(64) + b"\0\0\0\x10pssh" + bytes(8)
    for name, data in contents.items():
        for suffix in ("mp4", "mkv", "ts"):
            (folder / f"{name}.{suffix}").write_bytes(data)
            yield folder / f"{name}.{suffix}"
    (folder / "folder.mp4").mkdir()
    os.mkfifo(folder / "fifo.mp4")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(os.path.relpath(folder / "socket.mp4"))
    links = {
        "loop": folder / "loop.mp4",
        "dangling": folder / "nowhere",
        "device": "/dev/zero",
        "up": folder.parent,
    }
    for name, target in links.items():
        (folder / f"{name}.mp4").symlink_to(target)
    yield from (folder / f"{name}.mp4" for name in ("folder", "fifo", "socket", *links))


def _playlists(folder: Path, number: int, target: str) -> Iterator[Path]:
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n"
    texts = {
        "hls": hls,
        "master": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}\n",
        "concat": f"ffconcat version 1.0\nfile '{target}'\n",
        "subfile": f"ffconcat version 1.0\nfile 'subfile,,start,0,end,0,,:{target}'\n",
        "data": f"#EXTM3U\n#EXTINF:2,\ndata:video/mp4;base64,AAAA\n#EXTINF:2,\n{target}\n",
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
        'type="static"><Period><AdaptationSet>'
        '<Representation id="1" '
        f'bandwidth="1"><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period>'
        "</MPD>",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 "
        "RTP/AVP 96\n",
        "rtsp": f"rtsptext {target}\n",
        "imf": f'<?xml version="1.0"?><CompositionPlaylist><AssetMap>{target}</AssetMap></CompositionPlaylist>',
    }
    for name, text in texts.items():
        for suffix in ("mp4", "m3u8", "mkv"):
            path = folder / f"{name}-{number}.{suffix}"
            path.write_text(text)
            yield path
    avi = folder / f"gab2-{number}.avi"
    avi.write_bytes(_avi(1, b"GAB2\0\2\0" + bytes(10) + hls.encode()))
    yield avi
    movie = bytearray(make(folder / f"reference-{number}.mov").read_bytes())
    place = movie.index(b"url ")  # a data reference that says: the pictures lie in another file
    movie[place + 4 : place + 8] = bytes(4)
    (folder / f"reference-{number}.mov").write_bytes(
        movie[: place + 8] + target.encode() + movie[place + 8 :]
    )
    yield folder / f"reference-{number}.mov"


def _claims(folder: Path) -> Iterator[Path]:
    size = struct.pack("<HH", 65535, 65535)
    gif = bytearray(make(folder / "claim-size.gif", "gif", "rgb8").read_bytes())
    gif[6:10] = size
    mp4 = bytearray(make(folder / "claim-size.mp4", "mpeg4").read_bytes())
    place = mp4.index(b"mp4v") + 28
    mp4[place : place + 4] = size
    years = bytearray(make(folder / "claim-years.mkv").read_bytes())
    place = years.index(b"\x44\x89\x88") + 3
    years[place : place + 8] = struct.pack(">d", 100 * 365 * 86_400_000.0)
    mad = bytes(years[:place]) + struct.pack(">d", float("nan")) + bytes(years[place + 8 :])
    frame = b"!\xf9\x04\0\x0a\0\0\0,\0\0\0\0\1\0\1\0\0\2\2L\1\0"
    tag = make(folder / "claim-tag.mp4").read_bytes()
    contents = {
        "claim-size.gif": bytes(gif),
        "claim-size.mp4": bytes(mp4),
        "claim-years.mkv": bytes(years),
        "claim-nan.mkv": mad,
        "claim-streams.avi": _avi(10_000, b""),
        "many-frames.gif": b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff" + frame * 100_000 + b";",
        "claim-tag.mp4": tag + struct.pack(">I4s", 50_000_000, b"udta") + bytes(50_000_000 - 8),
        "deep.mp4": tag
        + b"".join(struct.pack(">I4s", 8 * (5000 - depth), b"moov") for depth in range(4999)),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
        yield folder / name
    yield make(folder / "large.mkv", "mjpeg", "yuvj420p", 2, size=(8000, 8000))
    yield make(folder / "ribbon.mkv", "ffv1", "gray", 1, size=(16384, 1))
    yield make(folder / "fast.mkv", "ffv1", "gray", 240, fps=240)


def _avi(streams: int, packet: bytes) -> bytes:
    """An AVI of `streams` streams of text, with one packet."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)

    kind = b"vids" if not packet else b"txts"
    header = struct.pack(
        "<4s4sIHHIIIIIIII4H", kind, b"MJPG", 0, 0, 0, 0, 1, 25, 0, 50, 0, 0, 0, 0, 0, 64, 48
    )
    bitmap = struct.pack("<IiiHH4sIiiII", 40, 64, 48, 1, 24, b"MJPG", 9216, 0, 0, 0, 0)
    stream = chunk(b"LIST", b"strl" + chunk(b"strh", header) + chunk(b"strf", bitmap))
    main = struct.pack("<14I", 40_000, 0, 0, 0x10, 50, 0, streams, 0, 64, 48, 0, 0, 0, 0)
    movie = b"movi" + (chunk(b"00tx", packet) if packet else b"")
    return chunk(
        b"RIFF",
        b"AVI "
        + chunk(b"LIST", b"hdrl" + chunk(b"avih", main) + stream * streams)
        + chunk(b"LIST", movie),
    )
