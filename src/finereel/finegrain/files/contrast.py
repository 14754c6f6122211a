"""Contrast sets of MSR-VTT (Park et al., NAACL 2022): TSV with clip, five endings and the number of
the true one.

One of the four others is the contrast, written by a person or a language model; three are captions
of other videos. The file does not say which, so the one that shares most words with the truth is
taken for the contrast.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from finereel.errors import ConfigError
from finereel.finegrain.files.base import Format, Known, Shape, write_lines
from finereel.finegrain.files.records import found_caption, negative_between
from finereel.finegrain.types import Negative
from finereel.io.tables import Row, read_lines

ENDINGS = tuple(f"ending{number}" for number in range(5))
COLUMNS = ("clip", *ENDINGS, "label")
CONTRAST, DISTRACTOR = "contrast", "distractor"


def shared_words(first: str, second: str) -> float:
    """The share of words two texts have in common: twice those in both over those in each.

    >>> shared_words("a man runs", "a man walks")
    0.6666666666666666
    """
    ours, theirs = first.lower().split(), second.lower().split()
    return 2 * sum((Counter(ours) & Counter(theirs)).values()) / max(1, len(ours) + len(theirs))


def read(path: Path, known: Known) -> Iterator[Negative]:
    """Four negatives of each row, of method `contrast` or `distractor`, with the share of words as
    a score.
    """
    find = found_caption(known)
    for number, row in enumerate(_rows(path)):
        video, truth = row.name("clip"), _label(row)
        texts = [row.raw(name) for name in ENDINGS]
        shares = {
            place: shared_words(texts[truth], text)
            for place, text in enumerate(texts)
            if place != truth
        }
        nearest = max(shares, key=lambda place: shares[place])
        for place, share in shares.items():
            yield negative_between(
                "contrast",
                row,
                (texts[truth], texts[place]),
                place=f"{number}/{place}",
                video_id=video,
                caption_id=find(video, texts[truth]),
                pos=known.pos or "other",
                method=CONTRAST if place == nearest else DISTRACTOR,
                scores={"shared_words": share},
                extra={"row": number, "ending": place, "label": truth},
            )


def write(rows: Iterable[Negative], path: Path) -> None:
    """Write a contrast set. Raises ConfigError unless every caption comes with four negatives, and
    for a tab in a text.

    Rows that were not read from one get the truth first.
    """
    lines = ["\t".join(COLUMNS)]
    for _, group in groupby(rows, key=lambda row: (row.caption_id, row.extra.get("row"))):
        own = list(group)
        if len(own) != len(ENDINGS) - 1:
            raise ConfigError(
                f"a contrast set has four negatives of each caption, got {len(own)} of "
                f"{own[0].caption_id}"
            )
        texts = _in_order(own)
        if any(character in text for text in (own[0].video_id, *texts) for character in "\t\n\r"):
            raise ConfigError(
                f"a contrast set cannot hold a tab or a line break: caption {own[0].caption_id}"
            )
        lines.append("\t".join((own[0].video_id, *texts, str(texts.index(own[0].caption)))))
    write_lines(lines, path)


def _in_order(rows: list[Negative]) -> list[str]:
    if rows[0].generator != "contrast":
        return [rows[0].caption, *(row.negative for row in rows)]
    texts = {int(row.extra["ending"]): row.negative for row in rows} | {
        int(rows[0].extra["label"]): rows[0].caption
    }
    return [texts[place] for place in sorted(texts)]


def _rows(path: Path) -> Iterator[Row]:
    header, *rows = read_lines(path)
    if header.values["line"].split("\t") != list(COLUMNS):
        raise header.error(f"expected the columns {', '.join(COLUMNS)} between tabs")
    for row in rows:
        fields = row.values["line"].split("\t")
        if len(fields) != len(COLUMNS):
            raise row.error(f"expected {len(COLUMNS)} fields between tabs, got {len(fields)}")
        yield Row(path, row.place, dict(zip(COLUMNS, fields, strict=True)))


def _label(row: Row) -> int:
    label = row.text("label")
    if label not in ("0", "1", "2", "3", "4"):
        raise row.error(f"expected 'label' to be 0 to 4, got {label[:20]!r}")
    return int(label)


def _fits(shape: Shape) -> bool:
    return shape.container == "table" and shape.has(*COLUMNS)


FORMAT = Format(read, write, _fits)
