"""Words that come with a video as text: files beside it (`film.mp4`, `film.en.srt`), read here, and
tracks within it, read by `finereel.video.tracks`.

A file of subtitles is untrusted. It is bounded in size, and it is read in the decoding child, which
has a deadline, because there are texts for which a parser takes minutes.
"""

import codecs
import html
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from finereel.errors import DataError, NotAVideoError, VideoError
from finereel.video.files import open_regular, shown
from finereel.video.find import EXTENSIONS

FORMATS = {".srt": "srt", ".vtt": "vtt", ".ass": "ass", ".ssa": "ssa"}
"""Extensions of files of subtitles, in small letters, and what pysubs2 calls their format."""

MAX_BYTES = 8 * 2**20
"""Size of the largest file of subtitles that is read; those of a film have 0.1 MiB."""
MAX_CUES = 50_000
"""Cues of a video that are taken; a film has 2,000."""
MAX_LETTERS = 1_000
"""Letters of a line of a file that are read, and of the text of a cue."""
LONGEST_SAID = 20_000
"""Letters that are kept of a clip; in ten seconds nobody says more than 300."""
_ROLLED = 40
"""Words that a cue may repeat of the one before it."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
_MARKS = frozenset({"forced", "sdh", "cc", "hi", "default", "auto", "orig"})
"""What a name may say beside the language: of which kind the subtitles are."""
_LEGACY = {
    **{"ja": "cp932", "jpn": "cp932", "zh": "gb18030", "zho": "gb18030", "chi": "gb18030"},
    **{"ko": "cp949", "kor": "cp949", "ru": "cp1251", "rus": "cp1251", "uk": "cp1251"},
    **{"bg": "cp1251", "el": "cp1253", "ell": "cp1253", "gre": "cp1253", "tr": "cp1254"},
    **{"pl": "cp1250", "cs": "cp1250", "hu": "cp1250", "he": "cp1255", "ar": "cp1256"},
}
"""How subtitles in a language were written before UTF-8; all others in cp1252."""
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_OVERRIDES = re.compile(r"\{[^{}]*\}")
_TAGS = re.compile(r"</?[A-Za-z0-9:.][^<>]*>|</?>")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class Cue:
    """A text and when it is on screen. start, end: seconds, 0 <= start <= end. language: as the
    file names it, mostly a code such as `en`; empty where it does not.
    """

    start: float
    end: float
    text: str
    language: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end < float("inf"):
            raise ValueError(
                f"a cue needs 0 <= start <= end in seconds, got start={self.start}, end={self.end}"
            )

    def overlaps(self, start: float, end: float) -> bool:
        """Whether it is on screen at some time from `start` until before `end`.

        >>> Cue(1.0, 2.0, "Hi").overlaps(2.0, 3.0), Cue(2.0, 2.0, "Hi").overlaps(2.0, 3.0)
        (False, True)
        """
        return self.start < end and (self.end > start or self.start >= start)


@dataclass(frozen=True)
class FileCues:
    """The cues of a video, one track after the other, each in time order. problems: what could not
    be read, and why.
    """

    cues: tuple[Cue, ...] = ()
    problems: tuple[str, ...] = ()


def sidecars(video: Path) -> list[Path]:
    """The files of subtitles beside a video: its name, and mostly a language, then an extension of
    FORMATS.

    One whose name is also that of another video with an ending belongs to that one only.
    """
    try:
        names, stems = _listing(video.parent, video.parent.stat().st_mtime_ns)
    except OSError:
        return []
    beginning = f"{video.stem}."
    found = []
    for name in names[bisect_left(names, beginning) :]:
        if not name.startswith(beginning):
            break
        own = Path(name).stem
        if own == video.stem or (own not in stems and _describes(own[len(beginning) :])):
            found.append(video.parent / name)
    return found


def language_of(video: Path, sidecar: Path) -> str:
    """The language in the name of a file of subtitles.

    >>> language_of(Path("film.mp4"), Path("film.pt-BR.forced.srt"))
    'pt-BR'
    """
    parts = sidecar.stem[len(video.stem) + 1 :].split(".")
    return next((part for part in parts if part and part.lower() not in _MARKS), "")


def read_sidecar(path: Path, language: str = "") -> list[Cue]:
    """The cues of a file of subtitles, in time order.

    Raises DataError when it is no text, has no cue or is too large, VideoError when it cannot be
    read.
    """
    import pysubs2

    try:
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
    except NotAVideoError as error:
        raise DataError(
            f"{shown(path)}: expected a file of subtitles, this is empty or no file"
        ) from error
    if len(content) > MAX_BYTES:
        raise DataError(
            f"{shown(path)}: expected subtitles of at most {MAX_BYTES // 2**20} MiB, the file is "
            "larger"
        )
    text = _decoded(path, content, language)
    kind = FORMATS[path.suffix.lower()]
    lines = (line[:MAX_LETTERS] for line in text.splitlines())
    try:
        events = list(pysubs2.SSAFile.from_string("\n".join(lines), format_=kind))
    except Exception as error:  # of a parser that was not written for hostile files
        raise DataError(f"{shown(path)}: expected subtitles in {kind} ({error!r})") from error
    spans = (
        (event.start / 1000, event.end / 1000, event.plaintext)
        for event in events
        if not event.is_comment and not event.is_drawing
    )
    cues = [cue for cue in (cue_of(*span, language) for span in spans) if cue is not None]
    if not cues:
        raise DataError(
            f"{shown(path)}: expected subtitles in {kind}, the file has no line of them"
        )
    return sorted(cues, key=lambda cue: (cue.start, cue.end))[:MAX_CUES]


def sidecar_cues(video: Path) -> Iterator[list[Cue] | str]:
    """The cues of each file of subtitles beside a video, or why it cannot be read."""
    for path in sidecars(video):
        try:
            yield read_sidecar(path, language_of(video, path))
        except (DataError, VideoError) as error:
            yield str(error)


def plain(text: str) -> str:
    """A text without marks of layout, on one line.

    >>> plain("<i>Hi</i> {\\\\an8}there &amp;\\nyou")
    'Hi there & you'
    """
    bare = _TAGS.sub("", _OVERRIDES.sub("", text[:MAX_LETTERS]))
    bare = html.unescape(bare.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " "))
    printable = "".join(c if c.isprintable() else " " for c in bare)
    return _SPACES.sub(" ", printable).strip()[:MAX_LETTERS]


def cue_of(start: float, end: float, text: str, language: str = "") -> Cue | None:
    """A cue with a plain text; None where there is no text or no such time."""
    words = plain(text)
    if not words or not 0 <= start < float("inf"):
        return None
    return Cue(start, end if start <= end < float("inf") else start, words, language)


def said_within(cues: Iterable[Cue], start: float, end: float) -> str:
    """The texts on screen from `start` until before `end` seconds, a line for each.

    What several tracks say alike comes once, and so does what a cue repeats of the one before:
    automatic subtitles roll, every line of them comes two or three times. Every cue can still be
    read without a gap.

    >>> said_within([Cue(0.0, 1.0, "one two"), Cue(1.0, 2.0, "one two three")], 0.0, 5.0)
    'one two\\nthree'
    """
    lines: list[str] = []
    known: set[str] = set()
    before: list[str] = []
    letters = 0
    for cue in cues:
        if not cue.overlaps(start, end) or cue.text in known:
            continue
        known.add(cue.text)
        words = cue.text.split(" ")
        rest = " ".join(words[_repeated(before, words) :])
        before = words
        letters += len(rest) + 1
        if letters > LONGEST_SAID:
            break
        if rest:
            lines.append(rest)
    return "\n".join(lines)


def _repeated(before: list[str], words: list[str]) -> int:
    """How many of the first words of a cue are the last ones of the cue before it."""
    for count in range(min(len(before), len(words), _ROLLED), 0, -1):
        whole = count in (len(before), len(words))
        if (whole or count > 1) and before[-count:] == words[:count]:
            return count
    return 0


def _decoded(path: Path, content: bytes, language: str) -> str:
    """The text of a file in whatever way it is written."""
    for mark, name in _BOMS.items():
        if content.startswith(mark):
            return content.decode(name, errors="replace")
    if b"\0" in content:
        guessed = _utf16(content)
        if guessed is None:
            raise DataError(f"{shown(path)}: expected subtitles, the file is no text")
        return content.decode(guessed, errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        legacy = _LEGACY.get(language.lower()[:3], _LEGACY.get(language.lower()[:2], "cp1252"))
        return content.decode(legacy, errors="replace")


def _utf16(content: bytes) -> str | None:
    """Which UTF-16 a text without a mark is in, by its zeros; None for anything else."""
    sample = content[: 2**16]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if min(even, odd) * 20 > max(even, odd) or max(even, odd) * 8 < len(sample):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _describes(middle: str) -> bool:
    """Whether a part of a name is a language, with marks or without.

    >>> _describes("en"), _describes("pt-BR.forced"), _describes("part 2"), _describes("2")
    (True, True, False, False)
    """
    parts = middle.split(".")
    others = [part for part in parts if part.lower() not in _MARKS]
    return len(others) <= 1 and all(_LANGUAGE.fullmatch(part) for part in others)


@lru_cache(maxsize=4)
def _listing(folder: Path, mtime_ns: int) -> tuple[list[str], frozenset[str]]:
    """The files of subtitles in a folder, sorted, and the names of its videos without their
    extensions.
    """
    del mtime_ns  # a folder that changed is read again
    names = [path.name for path in folder.iterdir()]
    texts = sorted(name for name in names if Path(name).suffix.lower() in FORMATS)
    return texts, frozenset(_stems(names))


def _stems(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        path = Path(name)
        if path.suffix.lower() in EXTENSIONS:
            yield path.stem
