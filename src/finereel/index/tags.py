"""Tags: a person's own words for video files, by which a search can be restricted."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from finereel.errors import ConfigError, LibraryError
from finereel.index.facts import FileFacts
from finereel.index.folders import is_below
from finereel.index.migration import offer
from finereel.index.query import same_tag
from finereel.index.store import ClipStore
from finereel.io.storage.places import Place

LONGEST = 100
"""Letters of a tag."""


def checked_tags(names: Iterable[str]) -> tuple[str, ...]:
    """Tags without spaces around them. Raises ConfigError unless each is a short line of text.

    >>> checked_tags([" New York ", "2026"])
    ('New York', '2026')
    """
    tags = tuple(name.strip() for name in names)
    for tag in tags:
        if not tag or len(tag) > LONGEST or not tag.isprintable():
            raise ConfigError(
                f"a tag is a line of 1 to {LONGEST} printable letters, got {tag[: LONGEST + 1]!r}"
            )
    return tags


def tag_files(
    library: Place, store: ClipStore, roots: Sequence[str], tags: Sequence[str], remove: bool
) -> int:
    """Give all files at or below `roots` these tags, or take them away, in one commit; returns the
    number of files. The caller holds the lock.
    """
    snapshot = store.snapshot()
    if not snapshot.has_facts:
        advice = offer(library, snapshot) or f"run `finereel migrate --library {library}` first"
        raise LibraryError(f"{library} was made by a former version and has no tags yet; {advice}")
    files = [
        file
        for path, file in snapshot.files().items()
        if any(is_below(path, root) for root in roots)
    ]
    known, changed = snapshot.facts(), {}
    for file in files:
        facts = known.get(file.file_id, FileFacts())
        fresh = _without(facts.tags, tags) if remove else _with(facts.tags, tags)
        if fresh != facts.tags:
            changed[file.file_id] = replace(facts, tags=fresh)
    if changed:
        store.describe(changed)
        store.tidy()
    return len(files)


def carry_tags(old: ClipStore, new: ClipStore) -> None:
    """Give the files of an index the tags that they have in another one, by path."""
    if not new.snapshot().has_facts:
        return
    tags, known = old.snapshot().tags(), new.snapshot().facts()
    changed = {
        file.file_id: replace(known[file.file_id], tags=tags.get(path, ()))
        for path, file in new.files().items()
        if known[file.file_id].tags != tags.get(path, ())
    }
    if changed:
        new.describe(changed)


def _with(tags: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    known = {same_tag(tag): tag for tag in (*more, *tags)}
    return tuple(sorted(known.values()))


def _without(tags: Sequence[str], fewer: Sequence[str]) -> tuple[str, ...]:
    gone = {same_tag(tag) for tag in fewer}
    return tuple(tag for tag in tags if same_tag(tag) not in gone)
