"""What is asked of a library and what comes back: `Query`, a text and how its answer is chosen,
`Filters`, which clips may be found at all, and `Answer`.

Importing this module loads neither a table nor torch.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta

from finereel.errors import ConfigError
from finereel.text.sentences import sentences
from finereel.types import Hit, MatchConfidence

CODECS = {
    "avc": "h264",
    "avc1": "h264",
    "x264": "h264",
    "h265": "hevc",
    "x265": "hevc",
    "hvc1": "hevc",
    "divx": "mpeg4",
    "xvid": "mpeg4",
}
"""Other names of codecs, and FFmpeg's."""

_DAY = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d*)?)|(\d+(?:\.\d*)?)(?: ?s)?")


@dataclass(frozen=True)
class Filters:
    """Which clips may be found: those for which everything that is given here holds.

    A clip of a video of which a filter's fact is not known does not pass that filter.

    Attributes:
        since: Recorded at that time or later; without a time zone, local time.
        until: Recorded before that time.
        folders: Absolute paths of files and folders; the video is one of them or lies in one.
        min_length: Length of the video in seconds, at least.
        max_length: Length of the video in seconds, at most.
        tags: The video has all of these tags; capital and small letters are the same.
        codecs: The picture or the sound has one of these codecs, by FFmpeg's names; `none` is a
            video without sound.

    Raises:
        ConfigError: If nothing could ever pass, or a value is out of its range.

    Example:
        >>> bool(Filters()), bool(Filters(tags=("norway",)))
        (False, True)
        >>> Filters(min_length=60.0, max_length=30.0)
        Traceback (most recent call last):
        finereel.errors.ConfigError: no video is both at least 60 s and at most 30 s long
    """

    since: datetime | None = None
    until: datetime | None = None
    folders: tuple[str, ...] = ()
    min_length: float | None = None
    max_length: float | None = None
    tags: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("folders", "tags", "codecs"):
            value = getattr(self, name)
            if isinstance(value, str) or not all(isinstance(part, str) and part for part in value):
                raise ConfigError(f"{name} are texts that are not empty, got {value!r}")
            object.__setattr__(self, name, tuple(value))
        self._check_times()
        self._check_lengths()

    def _check_times(self) -> None:
        since, until = self.since_utc, self.until_utc
        if since is not None and until is not None and since >= until:
            raise ConfigError(
                f"no video was recorded both since {self.since} and before {self.until}"
            )

    def _check_lengths(self) -> None:
        for name in ("min_length", "max_length"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{name} must be seconds from 0 on, got {value}")
        if (
            self.min_length is not None
            and self.max_length is not None
            and self.min_length > self.max_length
        ):
            raise ConfigError(
                f"no video is both at least {self.min_length:g} s and at most "
                f"{self.max_length:g} s long"
            )

    def __bool__(self) -> bool:
        return any(getattr(self, part.name) not in (None, ()) for part in fields(self))

    @property
    def since_utc(self) -> datetime | None:
        """`since` in UTC."""
        return _utc("since", self.since)

    @property
    def until_utc(self) -> datetime | None:
        """`until` in UTC."""
        return _utc("until", self.until)

    @property
    def codec_names(self) -> tuple[str, ...]:
        """The codecs by FFmpeg's names."""
        return tuple(CODECS.get(codec.lower(), codec.lower()) for codec in self.codecs)

    def parts(self) -> "dict[str, Filters]":
        """Every filter that is given, by itself, by a description."""
        found = {}
        if self.since is not None:
            found[f"since {_shown(self.since)}"] = Filters(since=self.since)
        if self.until is not None:
            found[f"before {_shown(self.until)}"] = Filters(until=self.until)
        if self.folders:
            found[f"in {', '.join(self.folders)}"] = Filters(folders=self.folders)
        if self.min_length is not None:
            found[f"at least {self.min_length:g} s long"] = Filters(min_length=self.min_length)
        if self.max_length is not None:
            found[f"at most {self.max_length:g} s long"] = Filters(max_length=self.max_length)
        for tag in self.tags:
            found[f"with the tag {tag}"] = Filters(tags=(tag,))
        if self.codecs:
            found[f"with the codec {' or '.join(self.codecs)}"] = Filters(codecs=self.codecs)
        return found


_TOGETHER = ("either", "all_of", "none_of")
_ALONE = ("versus", "then")
"""The kinds of further texts of a query: those that go together, and those that stand alone."""


@dataclass(frozen=True)
class Query:
    """A question to a library.

    Texts are put together by what is said of them here and never by words within them: a model
    reads "a dog, not on grass" as a dog on grass.

    Attributes:
        text: What happens in the clip.
        filters: Which clips may be found.
        top: Maximum number of hits.
        per_video: Maximum number of hits per video; None means no limit.
        candidates: Number of clips that get the full score after a coarse search over all clips
            that pass the filters; None scores all of these.
        either: Other texts; it is enough that one of them or `text` happens.
        all_of: Texts that happen in the same clip as well.
        none_of: Texts that must not happen in the clip.
        versus: Texts to compare with `text`; every hit says which one of them it fits.
        then: Texts that happen afterwards in the same video, in this order, each within 30 s of
            the one before it.
        paragraph: Whether `text` is a paragraph: its sentences happen one after the other, as texts
            of `then` do.
        any_order: Whether the texts of `then` or the sentences may happen in any order, all within
            30 s for each but the first.
        moments: Whether a hit's start and end are those of the moment at which it happens, instead
            of those of the clip.

    Raises:
        ConfigError: If a number is below 1, two texts are equal (but for `then`), `versus` or `then`
            is given beside other texts, `paragraph` is given beside any, or `any_order` without a
            sequence.

    Example:
        >>> Query("a dog jumps", Filters(tags=("norway",)), top=3).per_video
        1
        >>> Query("A dog runs. It jumps.", paragraph=True).sequence
        ('A dog runs.', 'It jumps.')
    """

    text: str
    filters: Filters = field(default_factory=Filters)
    top: int = 10
    per_video: int | None = 1
    candidates: int | None = 200
    either: tuple[str, ...] = field(default=(), kw_only=True)
    all_of: tuple[str, ...] = field(default=(), kw_only=True)
    none_of: tuple[str, ...] = field(default=(), kw_only=True)
    versus: tuple[str, ...] = field(default=(), kw_only=True)
    then: tuple[str, ...] = field(default=(), kw_only=True)
    paragraph: bool = field(default=False, kw_only=True)
    any_order: bool = field(default=False, kw_only=True)
    moments: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("top", "candidates", "per_video"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")
        for name in _TOGETHER + _ALONE:
            given = getattr(self, name)
            if isinstance(given, str):
                raise ConfigError(f"{name} is a tuple of texts, got the text {given!r}")
            object.__setattr__(self, name, tuple(given))
        if not self.sequence and len(set(self.texts)) < len(self.texts):
            raise ConfigError(f"the texts of a query differ from each other, got {self.texts}")
        given = [name for name in _TOGETHER + _ALONE if getattr(self, name)]
        alone = [name for name in given if name in _ALONE]
        if alone and len(given) > 1:
            others = " and ".join(name for name in given if name != alone[0])
            raise ConfigError(
                f"{alone[0]} puts all texts of a query together, so ask for {others} in a query of "
                "its own"
            )
        if self.paragraph and given:
            raise ConfigError(
                f"a paragraph holds all texts of a query, so ask for {' and '.join(given)} in a "
                "query of its own"
            )
        if self.any_order and not (self.then or self.paragraph):
            raise ConfigError("any order needs several texts: give then, or a paragraph")

    @property
    def sequence(self) -> tuple[str, ...]:
        """The texts that happen one after the other: `text` and those of `then`, or the sentences
        of a paragraph that has several; empty for any other query.
        """
        found = (self.text, *self.then) if not self.paragraph else sentences(self.text)
        return found if len(found) > 1 else ()

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts, `text` first, then those of each kind in the order of the attributes; of a
        paragraph its sentences.
        """
        if self.paragraph:
            return self.sequence or (self.text,)
        others = (getattr(self, name) for name in _TOGETHER + _ALONE)
        return (self.text, *(text for kind in others for text in kind))

    @property
    def composed(self) -> bool:
        """Whether there is more than one text."""
        return len(self.texts) > 1


@dataclass(frozen=True)
class Answer:
    """What a library answers to a query.

    Attributes:
        query: What was asked.
        confidence: How clearly the picture of the best hit by the picture fits; None where that is
            not known.
        hits: The clips, best first.
        commit: Number of the committed state of the library that answered, see
            `LibraryStatus.version`.
    """

    query: Query
    confidence: MatchConfidence | None
    hits: list[Hit]
    commit: int = 0

    @property
    def said(self) -> int:
        """Number of hits that say the words of the query."""
        return sum(hit.source != "seen" for hit in self.hits)

    @property
    def nothing_fits(self) -> bool:
        """Whether no picture clearly fits and nobody says the words; what is said is said, whatever
        the picture shows.
        """
        return self.confidence is not None and self.confidence.level == "none" and not self.said


def same_tag(tag: str) -> str:
    """Equal for tags that count as the same: capital and small letters do not differ."""
    return tag.casefold()


def _utc(name: str, moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise ConfigError(f"{name} must be a datetime, got {moment!r}")
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise ConfigError(f"{name} must lie in the years 2 to 9998, got {moment}") from error


def _shown(moment: datetime) -> str:
    return moment.isoformat(" ", "minutes" if not moment.second else "seconds")


# What people write: dates and lengths.
def period(text: str) -> tuple[datetime, datetime]:
    """The first moment of a date and the first one after it, in local time; of a time, that moment
    twice.

    >>> [moment.date().isoformat() for moment in period("2026-05")]
    ['2026-05-01', '2026-06-01']
    """
    try:
        match = _DAY.fullmatch(text.strip())
        if match is None:
            moment = datetime.fromisoformat(text.strip())
            return moment, moment
        year, month, day = (int(part) if part else 0 for part in match.groups())
        start = datetime(year, month or 1, day or 1)
        if day:
            return start, start + timedelta(days=1)
        if month:
            return start, datetime(year + month // 12, month % 12 + 1, 1)
        return start, datetime(year + 1, 1, 1)
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"expected a date such as 2026, 2026-05, 2026-05-17 or 2026-05-17T18:30, got {text!r}"
        ) from error


def seconds_of(text: str) -> float:
    """A length in seconds: `90`, `90 s`, `1:30` or `1:02:03`.

    >>> seconds_of("1:30"), seconds_of("2.5"), seconds_of("1:02:03")
    (90.0, 2.5, 3723.0)
    """
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"expected a length such as 90, 1:30 or 1:02:03, got {text!r}")
    hours, minutes, seconds, alone = match.groups()
    if alone is not None:
        return float(alone)
    return 3600.0 * int(hours or 0) + 60 * int(minutes) + float(seconds)


Ends = tuple[str | None, str | None]


def filters_of(
    *,
    recorded: Ends = (None, None),
    length: Ends = (None, None),
    folders: Sequence[str] = (),
    tags: Sequence[str] = (),
    codecs: Sequence[str] = (),
) -> Filters:
    """Filters from what a person wrote. recorded: since and until, where a date includes all of it;
    length: at least and at most.
    """
    (since, until), (shortest, longest) = recorded, length
    return Filters(
        None if since is None else period(since)[0],
        None if until is None else period(until)[1],
        tuple(folders),
        None if shortest is None else seconds_of(shortest),
        None if longest is None else seconds_of(longest),
        tuple(tags),
        tuple(codecs),
    )
