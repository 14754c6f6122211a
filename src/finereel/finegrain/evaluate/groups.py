"""Group a clip, its true caption and its negatives of one part of speech. Nothing here imports
torch.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from finereel.errors import DataError
from finereel.finegrain.types import Negative, label_of

ALL = "all"
"""What the row over every part of speech is called."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """One clip and the texts that are scored against it; in a `Group`'s the true caption comes
    first.
    """

    video_id: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A caption and its n >= 1 negatives of one part of speech (or of what `label_of` says)."""

    caption_id: str
    video_id: str
    pos: str
    caption: str
    negatives: tuple[str, ...]

    @property
    def candidates(self) -> Candidates:
        """1 + n texts, the true one first."""
        return Candidates(self.video_id, (self.caption, *self.negatives))


def groups_of(rows: Iterable[Negative]) -> tuple[Group, ...]:
    """Negatives as groups, one for each caption and part of speech, in the order of their first
    rows.

    Raises DataError for no rows, and for a caption id that stands for two captions or videos.

    >>> row = Negative("n0", "v1", "v1#0", "a man walks", "a dog walks", "noun", 2, 5, "man", "dog", "sister")
    >>> [(group.caption_id, group.pos, group.negatives) for group in groups_of([row])]
    [('v1#0', 'noun', ('a dog walks',))]
    """
    found: dict[tuple[str, str], list[str]] = {}
    facts: dict[str, tuple[str, str]] = {}
    for row in rows:
        known = facts.setdefault(row.caption_id, (row.video_id, row.caption))
        if known != (row.video_id, row.caption):
            raise DataError(
                f"negative {row.id!r}: caption id {row.caption_id!r} stands for "
                f"{row.caption[:60]!r} of "
                f"{row.video_id!r} here and for {known[1][:60]!r} of {known[0]!r} before; give "
                "every caption its own id"
            )
        if label_of(row) == ALL:
            raise DataError(
                f"negative {row.id!r}: {ALL!r} is the name of the total; name its method otherwise"
            )
        found.setdefault((row.caption_id, label_of(row)), []).append(row.negative)
    if not found:
        raise DataError("expected at least one negative, got none; check the file")
    return tuple(
        Group(name, facts[name][0], pos, facts[name][1], tuple(texts))
        for (name, pos), texts in found.items()
    )


@dataclass(frozen=True)
class GroupCoverage:
    """The groups whose clip can be read, and what is missing: why, by video id."""

    groups: tuple[Group, ...]
    captions: int
    """Distinct captions asked for, readable or not."""
    videos: int
    missing: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.videos - len(self.missing)}/{self.videos}"


def readable(groups: Sequence[Group], problems: Mapping[str, str]) -> GroupCoverage:
    """The groups without those of videos that have a problem. Raises DataError when none is
    left.
    """
    videos = dict.fromkeys(group.video_id for group in groups)
    missing = {video: problems[video] for video in videos if video in problems}
    kept = tuple(group for group in groups if group.video_id not in missing)
    if not kept:
        first = next(f"{video}: {reason}" for video, reason in missing.items())
        raise DataError(
            f"none of the {len(videos)} videos of these negatives can be read ({first}); check the "
            "folder"
        )
    return GroupCoverage(kept, len({group.caption_id for group in groups}), len(videos), missing)


def groups_hash(groups: Sequence[Group]) -> str:
    """12 hex characters over ids and texts in order: two results compare only where it agrees."""
    digest = hashlib.blake2b(digest_size=6)
    for group in groups:
        head = (group.caption_id, group.video_id, group.pos, group.caption)
        for part in (*head, str(len(group.negatives)), *group.negatives):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()
