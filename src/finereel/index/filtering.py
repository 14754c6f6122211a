"""Apply `Filters` to the rows of a table: exactly, and on values whose checksums were verified.

Lance could filter by itself, but a value that changed on the disk would hide a clip before anybody
could notice.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool

from finereel.index.checksums import MEDIA_COLUMNS
from finereel.index.folders import is_below
from finereel.index.query import Filters, same_tag
from finereel.index.schema import decode_path
from finereel.video.files import shown

Mask = Bool[np.ndarray, " N"]


@dataclass(frozen=True)
class _Rule:
    """The columns that a filter reads, and which rows pass it. A row without the first column's
    value passes no filter by facts.
    """

    columns: tuple[str, ...]
    passes: Callable[[pa.Table, Filters], pa.ChunkedArray]


def columns_of(filters: Filters) -> list[str]:
    """The columns that some filters read."""
    return sorted({name for rule in _given(filters) for name in rule.columns})


def needs_facts(filters: Filters) -> bool:
    """Whether a filter reads what a table of version 1 does not have."""
    return bool(set(columns_of(filters)) & set(MEDIA_COLUMNS))


def passing(rows: pa.Table, filters: Filters) -> Mask:
    """Which rows pass all filters."""
    mask = np.ones(len(rows), dtype=bool)
    for rule in _given(filters):
        mask &= _true(rule.passes(rows, filters))
    return mask


def unknown(rows: pa.Table, filters: Filters) -> Mask:
    """Which rows lack a fact that a filter reads; a video that was never tagged lacks nothing."""
    mask = np.zeros(len(rows), dtype=bool)
    for name in set(columns_of(filters)) - {"tags"}:
        mask |= _true(pc.is_null(rows[name]))
    return mask


def _true(values: pa.Array | pa.ChunkedArray) -> Mask:
    """Where values are true; null is not."""
    mask: Mask = pc.fill_null(values, False).to_numpy(zero_copy_only=False).astype(bool)
    return mask


def _in_folders(rows: pa.Table, filters: Filters) -> pa.ChunkedArray:
    below = [
        path
        for path in pc.unique(rows["path"]).to_pylist()
        if any(is_below(decode_path(path), root) for root in filters.folders)
    ]
    return pc.is_in(rows["path"], pa.array(below, rows["path"].type))


def _tagged(rows: pa.Table, filters: Filters) -> pa.ChunkedArray:
    """Rows with all tags."""
    tags = rows["tags"].combine_chunks()
    places = pc.list_parent_indices(tags).to_numpy(zero_copy_only=False)
    values = tags.flatten()
    named = {name: same_tag(name) for name in pc.unique(values).to_pylist()}
    mask = np.ones(len(rows), dtype=bool)
    for tag in map(same_tag, filters.tags):
        same = [name for name, key in named.items() if key == tag]
        has = np.zeros(len(rows), dtype=bool)
        has[places[_true(pc.is_in(values, pa.array(same, pa.string())))]] = True
        mask &= has
    return pa.chunked_array([pa.array(mask)])


def _with_codec(rows: pa.Table, filters: Filters) -> pa.ChunkedArray:
    names = pa.array(filters.codec_names, pa.string())
    return pc.or_(
        pc.is_in(rows["video_codec"], names),
        pc.is_in(rows["audio_codec"], names),
    )


def _moment(value: object, rows: pa.Table) -> pa.Scalar:
    return pa.scalar(value, rows["taken_at"].type)


_RULES: dict[str, _Rule] = {
    "folders": _Rule(("path",), _in_folders),
    "since": _Rule(
        ("taken_at",),
        lambda rows, filters: pc.greater_equal(rows["taken_at"], _moment(filters.since_utc, rows)),
    ),
    "until": _Rule(
        ("taken_at",),
        lambda rows, filters: pc.less(rows["taken_at"], _moment(filters.until_utc, rows)),
    ),
    "min_length": _Rule(
        ("duration",),
        lambda rows, filters: pc.greater_equal(rows["duration"], filters.min_length),
    ),
    "max_length": _Rule(
        ("duration",),
        lambda rows, filters: pc.less_equal(rows["duration"], filters.max_length),
    ),
    "tags": _Rule(("tags",), _tagged),
    "codecs": _Rule(("video_codec", "audio_codec"), _with_codec),
}
"""By the name of the filter."""


def _given(filters: Filters) -> list[_Rule]:
    return [rule for name, rule in _RULES.items() if getattr(filters, name) not in (None, ())]


# Why nothing was found.
_NAMED = 8
"""So many tags or codecs are named."""


def why_nothing(rows: pa.Table, filters: Filters) -> str:
    """How many videos pass each filter by itself, for the error when none passes all.

    rows: `path` and the columns of the filters, of all clips that can be found.
    """
    paths = rows["path"]
    counts = []
    for words, part in filters.parts().items():
        count = pc.count_distinct(paths.filter(pa.array(passing(rows, part)))).as_py()
        counts.append(f"{count} {shown(words)}{_choices(rows, part) if not count else ''}")
    total = pc.count_distinct(paths).as_py()
    return f"no video passes the filters; of {total} videos, {'; '.join(counts)}"


def _choices(rows: pa.Table, part: Filters) -> str:
    if part.tags:
        known = pc.unique(rows["tags"].combine_chunks().flatten()).to_pylist()
    elif part.codecs:
        both = [
            *rows["video_codec"].unique().to_pylist(),
            *rows["audio_codec"].unique().to_pylist(),
        ]
        known = list({name for name in both if name is not None})
    else:
        return " (index it first, or name another place)" if part.folders else ""
    named = ", ".join(sorted(known)[:_NAMED]) or "none"
    return f" (known: {named}{', ...' if len(known) > _NAMED else ''})"
