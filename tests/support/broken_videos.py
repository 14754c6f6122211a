"""A folder of files that are no good as videos, each in its own way, and what reading them should
come to.

    for bad in broken_videos(folder):
        bad.path, bad.outcomes

Everything is made from a few kilobytes encoded on the spot; the same seed gives the same bytes.
"""

import os
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.media import Recipe, make_sound, make_video

NOT_A_VIDEO, BROKEN, LIMIT, CLIPS = "NotAVideoError", "BrokenVideoError", "VideoLimitError", "clips"
"""Names of the errors of `finereel.errors`, and CLIPS: at least one clip (with a warning or
without).
"""


@dataclass(frozen=True)
class BadFile:
    """A file, why it is bad, and the outcomes that are right for it (damage may be hit or
    missed).
    """

    path: Path
    why: str
    outcomes: frozenset[str]


def broken_videos(
    folder: Path, truncations: int = 20, flips: int = 60, seed: int = 0
) -> list[BadFile]:
    """Fill `folder` with bad files: truncated, flipped, empty, not videos, huge claims, loops, odd
    names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    good = folder.parent / f"{folder.name}-good"
    good.mkdir(exist_ok=True)
    return [
        *truncated(folder, good, truncations),
        *flipped(folder, good, flips, seed),
        *not_videos(folder, good),
        *huge_claims(folder, good),
        *odd_names(folder, good),
    ]


def truncated(folder: Path, good: Path, count: int) -> Iterator[BadFile]:
    """One video in five containers, cut at `count` evenly spread lengths (the whole length not
    among them).
    """
    sources = [
        make_video(good / "index-last.mp4", Recipe(options={"g": "10"})),
        make_video(good / "index-first.mp4", Recipe(container_options={"movflags": "faststart"})),
        make_video(good / "cut.mkv", Recipe(options={"g": "10"})),
        make_video(good / "cut.avi", Recipe(codec="mpeg4")),
        make_video(good / "cut.ts", Recipe(codec="mpeg2video")),
    ]
    for index in range(count):
        source = sources[index % len(sources)]
        data = source.read_bytes()
        path = folder / f"truncated-{index:02d}{source.suffix}"
        path.write_bytes(data[: max(1, len(data) * (index + 1) // (count + 1))])
        yield BadFile(path, "truncated", frozenset({BROKEN, NOT_A_VIDEO, CLIPS}))


def flipped(folder: Path, good: Path, count: int, seed: int) -> Iterator[BadFile]:
    """Videos with one to thirty-two bits flipped, a third of them in the first kilobyte."""
    chance = random.Random(seed)
    sources = [
        make_video(good / "flip.mp4", Recipe()),
        make_video(good / "flip.mkv", Recipe(codec="libvpx-vp9")),
        make_video(good / "flip.avi", Recipe(codec="mpeg4", sound=True)),
        make_video(good / "flip.gif", Recipe(frames=10, codec="gif", pixels="rgb8")),
    ]
    for index in range(count):
        source = sources[index % len(sources)]
        data = bytearray(source.read_bytes())
        for _ in range(2 ** chance.randrange(6)):
            place = chance.randrange(min(1024, len(data)) if index % 3 == 0 else len(data))
            data[place] ^= 1 << chance.randrange(8)
        path = folder / f"flipped-{index:02d}{source.suffix}"
        path.write_bytes(data)
        yield BadFile(path, "bits flipped", frozenset({BROKEN, NOT_A_VIDEO, LIMIT, CLIPS}))


def not_videos(folder: Path, good: Path) -> Iterator[BadFile]:
    """Empty, tiny, text, sound, playlists that name a real video, links that lead nowhere or to
    themselves.
    """
    canary = make_video(good / "canary.mp4", Recipe(colour=(230, 20, 20)))
    contents = {
        "zero-bytes.mp4": b"",
        "one-byte.mp4": b"\0",
        "text.mp4": b"This is a letter, not a video.\n" * 50,
        "zeros.mkv": bytes(4096),
        "playlist.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{canary}\n#EXT-X-ENDLIST\n".encode(),
        "concat.mkv": f"ffconcat version 1.0\nfile '{canary}'\n".encode(),
        "session.avi": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "manifest.webm": _manifest(canary),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
        yield BadFile(folder / name, "not a video", frozenset({NOT_A_VIDEO}))
    make_sound(folder / "sound-only.mp4")
    yield BadFile(folder / "sound-only.mp4", "sound only", frozenset({NOT_A_VIDEO}))
    links = {"loop.mp4": folder / "loop.mp4", "dangling.mp4": folder / "nowhere.mp4"}
    for name, target in links.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)
        yield BadFile(folder / name, "link", frozenset({NOT_A_VIDEO}))


def huge_claims(folder: Path, good: Path) -> Iterator[BadFile]:
    """Headers that promise 65535 x 65535 pixels, a hundred years, or ten thousand streams."""
    size = struct.pack("<HH", 65535, 65535)
    gif = bytearray(
        make_video(good / "size.gif", Recipe(frames=3, codec="gif", pixels="rgb8")).read_bytes()
    )
    gif[6:10] = size
    mp4 = bytearray(make_video(good / "size.mp4", Recipe(codec="mpeg4")).read_bytes())
    place = mp4.index(b"mp4v") + 28
    mp4[place : place + 4] = size
    claims = {
        "huge-size.gif": bytes(gif),
        "huge-size.mp4": bytes(mp4),
        "huge-duration.mp4": _long_mp4(make_video(good / "long.mp4", Recipe()).read_bytes()),
        "huge-duration.mkv": _long_mkv(make_video(good / "long.mkv", Recipe()).read_bytes()),
        "many-streams.avi": many_streams(10_000),
    }
    for name, data in claims.items():
        (folder / name).write_bytes(data)
        outcomes = (
            {LIMIT, CLIPS} if name == "huge-size.mp4" else {LIMIT}
        )  # the pictures inside may say better
        yield BadFile(folder / name, "huge claim", frozenset(outcomes))


def odd_names(folder: Path, good: Path) -> Iterator[BadFile]:
    """Good videos under names that break careless programs; one picture is a video too."""
    source = make_video(good / "one-frame.mp4", Recipe(frames=1)).read_bytes()
    names = [
        b"one-frame.mp4",
        b"-rf.mp4",
        b"new\nline.mp4",
        b"caf\xe9.mp4",
        b"$(id) ;&|'\".mp4",
        b"pipe:0.mp4",
    ]
    names += [
        "\u202egnp.mp4".encode(),
        "\U0001f3ac.mp4".encode(),
        b"x" * 251 + b".mp4",
        b"%s%n.mp4",
        b"https:__a.mp4",
    ]
    for name in names:
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        path.write_bytes(source)
        yield BadFile(path, "odd name", frozenset({CLIPS}))


def many_streams(count: int) -> bytes:
    """An AVI header with `count` picture streams and no pictures."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return name + struct.pack("<I", len(body)) + body

    header = struct.pack(
        "<4s4sIHHIIIIIIII4H", b"vids", b"MJPG", 0, 0, 0, 0, 1, 25, 0, 50, 0, 0, 0, 0, 0, 64, 48
    )
    bitmap = struct.pack("<IiiHH4sIiiII", 40, 64, 48, 1, 24, b"MJPG", 9216, 0, 0, 0, 0)
    stream = chunk(b"LIST", b"strl" + chunk(b"strh", header) + chunk(b"strf", bitmap))
    main = struct.pack("<14I", 40_000, 0, 0, 0x10, 50, 0, count, 0, 64, 48, 0, 0, 0, 0)
    lists = chunk(b"LIST", b"hdrl" + chunk(b"avih", main) + stream * count) + chunk(
        b"LIST", b"movi"
    )
    return chunk(b"RIFF", b"AVI " + lists)


def _long_mp4(data: bytes, years: int = 100) -> bytes:
    """Stretch the time of an mp4: one second per tick, and every sample lasting two years."""
    changed = bytearray(data)
    seconds = years * 365 * 86_400
    media = changed.index(b"mdhd") + 16
    changed[media : media + 8] = struct.pack(">II", 1, seconds)
    table = changed.index(b"stts") + 12
    (count,) = struct.unpack(">I", changed[table : table + 4])
    changed[table + 4 : table + 8] = struct.pack(">I", seconds // count)
    edit = changed.index(b"elst") + 12
    changed[edit : edit + 4] = struct.pack(">I", 2**31 - 1)
    return bytes(changed)


def _long_mkv(data: bytes, years: int = 100) -> bytes:
    """Write another number into the Duration element (0x4489, eight bytes, milliseconds) of a
    Matroska file.
    """
    changed = bytearray(data)
    place = changed.index(b"\x44\x89\x88") + 3
    changed[place : place + 8] = struct.pack(">d", years * 365 * 86_400_000.0)
    return bytes(changed)


def _manifest(target: Path) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
        'type="static"><Period><AdaptationSet>'
        f'<Representation id="1" bandwidth="1"><BaseURL>file://{target}</BaseURL></Representation>'
        f"</AdaptationSet></Period></MPD>"
    ).encode()
