"""Read and write files of negatives in the native format and in those of published sets.
`read_negatives` detects the format.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from finereel.errors import DataError, unknown_name
from finereel.finegrain.files import contrast, jsonl, negclip, published, released
from finereel.finegrain.files.base import UNTOLD, Format, Known
from finereel.finegrain.files.shape import shape_of
from finereel.finegrain.types import Negative

FORMATS: dict[str, Format] = {
    "jsonl": jsonl.FORMAT,
    "released": released.RELEASED,
    "thesis": released.THESIS,
    **published.FORMATS,
    "contrast": contrast.FORMAT,
    "negclip": negclip.FORMAT,
}


def read_negatives(path: Path, form: str | None = None, known: Known = UNTOLD) -> list[Negative]:
    """The negatives of a file in any form of FORMATS.

    form: its name, None to go by what stands in the file. known: what the file does not say, such
    as the captions of a released file. Raises ConfigError for an unknown form, DataError (file and
    place) for what does not parse.
    """
    return list(iter_negatives(path, form, known))


def iter_negatives(
    path: Path, form: str | None = None, known: Known = UNTOLD
) -> Iterator[Negative]:
    """Like `read_negatives`, one by one where the form allows it."""
    return _format(form or recognise(path)).read(path, known)


def write_negatives(rows: Iterable[Negative], path: Path, form: str = "jsonl") -> None:
    """Write negatives in a form of FORMATS; under `path` stands the whole file or what stood there
    before.

    Raises ConfigError for an unknown form, and for rows that the form cannot hold.
    """
    _format(form).write(rows, path)


def recognise(path: Path) -> str:
    """The form of a file. Raises DataError when it is none of FORMATS or could be two."""
    shape = shape_of(path)
    found = [name for name, form in FORMATS.items() if form.fits(shape)]
    if len(found) != 1:
        what = " or ".join(found) if found else "no form of file known here"
        raise DataError(f"{path} looks like {what}: state its format, one of {', '.join(FORMATS)}")
    return found[0]


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise unknown_name("format of negatives", name, FORMATS)
    return FORMATS[name]
