"""The released negatives of arXiv 2410.12407 and of a thesis based on them; these files contain no
captions and no offsets.

Released: {caption id: {"0": negative, ..., "19": negative}}, one file per part of speech, named in
the file's name (msr1ka_adverb_RE20.json). Thesis: {caption id: [[negative, "NOUN"], ...]}. Ids:
`video7960#7` is caption 7 of a video of MSR-VTT or VATEX, counted from 0 in the order of its
annotations; `VIDEO##*##7` is narrative 7 of VLN.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from finereel.data.base import Caption
from finereel.errors import ConfigError
from finereel.finegrain.files.base import Format, Known, Shape, only_pos, write_text
from finereel.finegrain.files.span import changed_span
from finereel.finegrain.types import Change, Negative
from finereel.io.tables import Row, json_object, keyed_rows, quoted

NAMES: dict[str, Change] = {
    "noun": "noun",
    "verb": "verb",
    "adj": "adjective",
    "adv": "adverb",
    "prep": "preposition",
    "adp": "preposition",
}
"""How the beginning of a word in a file's name says what the file is about."""
UNIVERSAL: dict[str, Change] = {
    "NOUN": "noun",
    "VERB": "verb",
    "ADJ": "adjective",
    "ADV": "adverb",
    "ADP": "preposition",
}
NARRATIVE, CAPTION = "##*##", "#"
KEY = "key"


def video_of(caption_id: str) -> str:
    """The video of a caption by the caption's id.

    >>> video_of("video7960#7"), video_of("--7qK_w-g3Y##*##1")
    ('video7960', '--7qK_w-g3Y')
    """
    mark = NARRATIVE if NARRATIVE in caption_id else CAPTION
    return caption_id.rpartition(mark)[0] or caption_id


def pos_named(path: Path) -> Change | None:
    """The part of speech a file's name speaks of; None where it names none or several.

    >>> pos_named(Path("msr1ka_adverb_RE20.json"))
    'adverb'
    """
    words = re.split(r"[\W_]+", path.stem.lower())
    found = {pos for word in words for start, pos in NAMES.items() if word.startswith(start)}
    return found.pop() if len(found) == 1 else None


def read_released(path: Path, known: Known) -> Iterator[Negative]:
    """The negatives of a released file.

    Raises ConfigError without captions or a part of speech, DataError for an entry of another form
    and for an id that no caption has.
    """
    pos = known.pos or pos_named(path)
    if pos is None:
        raise ConfigError(
            f"the name of {path} contains no part of speech such as adverb: state it (--read-as)"
        )
    for row in keyed_rows(path):
        caption = _caption(row, known, "released")
        entries = Row(path, row.place, json_object(path, row.values["value"], row.place))
        for number, key in enumerate(entries.values):
            extra = {} if key == str(number) else {KEY: key}
            yield _negative("released", caption, (number, entries.raw(key), pos), extra)


def write_released(rows: Iterable[Negative], path: Path) -> None:
    """Write a released file. Raises ConfigError for several parts of speech."""
    entries: dict[str, dict[str, str]] = {}
    for row in only_pos(rows, "released"):
        own = entries.setdefault(row.caption_id, {})
        own[str(row.extra.get(KEY, len(own)) if row.generator == "released" else len(own))] = (
            row.negative
        )
    write_text([json.dumps(entries)], path)


def read_thesis(path: Path, known: Known) -> Iterator[Negative]:
    """The negatives of a thesis file. Raises as `read_released`, and DataError for an unknown part
    of speech.
    """
    for row in keyed_rows(path):
        caption = _caption(row, known, "thesis")
        entries = row.values["value"]
        if not isinstance(entries, list):
            raise row.error(f'expected a list of [negative, "NOUN"], got {quoted(entries)}')
        for number, entry in enumerate(entries):
            if not isinstance(entry, list) or len(entry) != 2:
                raise row.error(
                    f'expected entry {number} to be [negative, "NOUN"], got {quoted(entry)}'
                )
            texts = Row(path, row.place, {"negative": entry[0], "tag": entry[1]})
            negative, tag = texts.raw("negative"), texts.raw("tag")
            if tag not in UNIVERSAL:
                raise row.error(
                    f"expected one of {', '.join(UNIVERSAL)} in entry {number}, got {quoted(tag)}"
                )
            yield _negative("thesis", caption, (number, negative, UNIVERSAL[tag]), {})


def write_thesis(rows: Iterable[Negative], path: Path) -> None:
    """Write a thesis file. Raises ConfigError for what is no word of the five parts of speech."""
    tags = {pos: tag for tag, pos in UNIVERSAL.items()}
    entries: dict[str, list[list[str]]] = {}
    for row in rows:
        if row.pos not in tags:
            raise ConfigError(
                f"a thesis file holds {', '.join(tags)}, got {row.pos}: choose one of them (--pos)"
            )
        entries.setdefault(row.caption_id, []).append([row.negative, tags[row.pos]])
    write_text([json.dumps(entries, indent=4)], path)


def _caption(row: Row, known: Known, form: str) -> Caption:
    name = row.name("id")
    if not known.captions:
        raise ConfigError(
            f"a {form} file holds no captions: give them as well (--captions), a file or a data set"
        )
    if name not in known.captions:
        example = next(iter(known.captions))
        raise row.error(
            f"none of the {len(known.captions):,} captions given has this id; theirs are like "
            f"{quoted(example)}"
        )
    return known.captions[name]


def _negative(
    form: str, caption: Caption, entry: tuple[int, str, Change], extra: dict[str, str]
) -> Negative:
    number, negative, pos = entry
    change = changed_span(caption.text, negative)
    return Negative.of(
        caption,
        change.start,
        change.end,
        id=f"{caption.id}/{pos}/{number}",
        negative=negative,
        pos=pos,
        replacement=change.replacement,
        method=form,
        generator=form,
        extra=extra,
    )


def _fits_released(shape: Shape) -> bool:
    first = shape.first
    return (
        shape.container == "object"
        and isinstance(first, dict)
        and bool(first)
        and all(map(str.isdigit, first))
    )


def _fits_thesis(shape: Shape) -> bool:
    first = shape.first
    pair = first[0] if isinstance(first, list) and first else None
    return shape.container == "object" and isinstance(pair, list) and len(pair) == 2


RELEASED = Format(read_released, write_released, _fits_released)
THESIS = Format(read_thesis, write_thesis, _fits_thesis)
