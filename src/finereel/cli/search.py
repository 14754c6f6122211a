"""`search`: find clips by text. `describe`: rank captions for a video."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finereel.cli.captions import read_captions
from finereel.cli.guard import printable
from finereel.cli.opening import open_library
from finereel.cli.output import (
    DEFAULT_LIBRARY,
    JsonOption,
    LibraryOption,
    moment,
    print_json,
    share_of,
    short_path,
)
from finereel.cli.query_options import AS_USUAL, CLOSEST, QueryOptions, with_query_options
from finereel.cli.table import Column, part_columns, print_results
from finereel.imports import without_collection

if TYPE_CHECKING:
    from finereel.cli.progress import StageBars
    from finereel.index.evidence import WordEvidence
    from finereel.index.query import Answer, Query
    from finereel.library import Library
    from finereel.types import Hit, MatchConfidence

    Words = Sequence[Sequence[WordEvidence]]


PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


@with_query_options
def search(
    text: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT", help="What happens in the clip, in plain English; quotes are optional."
        ),
    ],
    library: LibraryOption = DEFAULT_LIBRARY,
    asked: QueryOptions = AS_USUAL,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="FILE",
            help="Also draw the best five clips to FILE (.png, .jpg or .webp).",
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Also tell, word by word, what each clip bears out; see `explain`."
        ),
    ] = False,
    as_json: JsonOption = False,
    json_version: Annotated[
        int | None,
        typer.Option(
            "--json-version",
            min=1,
            max=2,
            help="Form of the JSON: 1 is the list of hits, 2 also holds the query and how clearly "
            "the best hit fits.",
            show_default="1",
        ),
    ] = None,
) -> None:
    """Find the clips in which TEXT happens, best first.

    Example: finereel search "a man folds a paper plane" --top 5 --in ~/Videos/holiday

    The column `best` gives the time of the best frame. The columns after the score are its parts
    and add up to it: the whole clip compared with the sentence, its frames with the sentence, and
    its image patches with single words; with several texts, a part for each of them.

    Words that are said, by the subtitles of a video, are found too. Quotation marks within TEXT ask
    for exactly these words: finereel search '"good morning"'

    A "not" within TEXT is not understood: name what must not happen with --not.
    """
    from finereel.index.query import Answer

    query = asked.query(" ".join(text), moments=not as_json or json_version == 2)
    if picture is not None and picture.suffix.lower() not in PICTURES:
        known = ", ".join(PICTURES)
        raise typer.BadParameter(
            f"the file must end in one of {known}, got {str(picture)!r}", param_hint="--picture"
        )
    with notes_on_stderr(), without_collection():
        opened = open_library(library)
        as_json = as_json or json_version is not None
        if as_json and json_version != 2:
            answer = Answer(query, None, opened.search(query))
        else:
            answer = opened.answer(query, on_progress=LateBars())
        hits = answer.hits
        more = not as_json and _more_per_video(opened, answer)
        words = opened.words(query.text, hits) if explain else []
    if picture is not None:
        from finereel.cli.contact_sheet import ContactSheetRow, draw_contact_sheet

        draw_contact_sheet(
            [ContactSheetRow(query.text, hits)], picture, kind=PICTURES[picture.suffix.lower()]
        )
    if as_json:
        _print_as_json(answer, json_version, words)
        return
    if not hits:
        typer.echo(why_nothing(query), err=True)
        return
    folded = asked.top is None and answer.nothing_fits
    _print_answer(answer, words, hits[:CLOSEST] if folded else hits)
    if more and not folded:
        each = asked.per_video
        most = f"{each} moment{'' if each == 1 else 's'}"
        typer.echo(f"{most} of each video; more of them with: --per-video {query.top}", err=True)


def _more_per_video(library: "Library", answer: "Answer") -> bool:
    """Whether the videos of an answer that is not full have further moments."""
    query, count = answer.query, len(answer.hits)
    each = query.per_video or query.top
    if query.versus or query.sequence or not 0 < count < query.top or each >= query.top:
        return False
    return len(library.search(replace(query, top=count + 1, per_video=each + 1))) > count


def why_nothing(query: "Query") -> str:
    """Why there is no hit."""
    if query.versus:
        return "nothing found: no clip fits one of the texts clearly; search for each by itself"
    if query.sequence:
        return "nothing found: no video has two frames within 30 s of each other"
    return "nothing found: the library has no clips yet; add some with: finereel index PATH"


def _print_as_json(answer: "Answer", version: int | None, words: "Words") -> None:
    """As a list of hits, or whole in version 2. version: None where nobody chose one."""
    if version is None:
        typer.echo(
            "note: this list of hits is version 1 of the JSON, and a later release prints version "
            "2; choose one with --json-version 1 or 2",
            err=True,
        )
    from finereel.index.as_json import answer_as_json, hits_as_json

    print_json(answer_as_json(answer, words) if version == 2 else hits_as_json(answer, words))


def _print_answer(answer: "Answer", words: "Words", shown: Sequence["Hit"]) -> None:
    """Those hits that are to be shown, and how clearly the best one fits: first of all, if not."""
    sure = answer.confidence
    if sure is not None and answer.nothing_fits:
        typer.echo(f"{in_words(sure)}; the closest {len(shown) if len(shown) > 1 else 'one'}:")
    _print_hits(shown, words)
    told = [_says(answer.said)] if answer.said else []
    if sure is not None and not answer.nothing_fits:
        told.append(f"{'by the picture, ' if told else ''}{in_words(sure)}")
    if told:
        typer.echo("; ".join(told))
    if left := len(answer.hits) - len(shown):
        typer.echo(f"{left} more that fit less, with: --top {answer.query.top}", err=True)


LATE_SECONDS = 1.0
"""What takes longer gets a bar."""

_LEVELS = {
    "strong": "a clear match",
    "possible": "a possible match",
    "none": "nothing clearly fits",
}


def _says(count: int) -> str:
    """How many hits were found by their words.

    >>> _says(1), _says(2)
    ('in 1 of these clips the words are said', 'in 2 of these clips the words are said')
    """
    return f"in {count} of these clips the words are said"


def in_words(confidence: "MatchConfidence") -> str:
    """How clearly the best picture fits."""
    line = (
        f"{_LEVELS[confidence.level]}: the best one is stronger than "
        f"{share_of(confidence.stronger_than)} unrelated descriptions here"
    )
    if confidence.right is not None:
        from finereel.index.feedback import BY

        tenths = round(10 * confidence.right) or "less than 1"
        by = "by your feedback" if confidence.by == BY else f"on {confidence.by}"
        line += f"; {by} such an answer is right in {tenths} of 10"
    return line


def _print_hits(hits: Sequence["Hit"], words: "Words") -> None:
    columns = [
        Column("#", tuple(str(rank) for rank in range(1, len(hits) + 1)), right=True),
        Column("video", tuple(short_path(hit.video) for hit in hits), shrinks=True),
        Column("time", tuple(f"{moment(hit.start)}-{moment(hit.end)}" for hit in hits)),
        Column("best", tuple(moment(hit.best_frame) for hit in hits), extra=True),
        *([Column("fits", tuple(hit.fits for hit in hits))] if hits[0].fits else []),
        *(
            [Column("found by", tuple(map(_found_by, hits)))]
            if any(hit.said for hit in hits)
            else []
        ),
        Column("score", tuple(f"{hit.score:.3f}" for hit in hits), right=True),
        *part_columns([hit.parts for hit in hits]),
    ]
    quoted = [f"“{hit.said}”" if hit.said else "" for hit in hits]
    notes = [
        "; ".join(filter(None, (line, copies_of(hit.copies))))
        for line, hit in zip(quoted, hits, strict=True)
    ]
    for number, judged in enumerate(words[: len(hits)]):
        said = "; ".join(f"{word.word} {word.said}" for word in judged)
        notes[number] = "; ".join(note for note in (said, notes[number]) if note)
    print_results(columns, notes)


def _found_by(hit: "Hit") -> str:
    return {"seen": "picture", "said": "words"}.get(hit.source, "both")


def copies_of(paths: Sequence[str]) -> str:
    """The other files with the content of a hit, in words; empty for none."""
    if not paths:
        return ""
    count = f"{len(paths)} cop{'y' if len(paths) == 1 else 'ies'}"
    return f"and {count}: {', '.join(map(short_path, paths))}"


@contextmanager
def notes_on_stderr() -> Iterator[None]:
    """What the library remarks about a query, one line each."""
    logger, handler = logging.getLogger("finereel"), _NoteHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class LateBars:
    """Draws the progress of what a search finds left to do, once that takes long."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._bars: StageBars | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        if self._bars is None and now - self._began >= LATE_SECONDS and done < total:
            from finereel.cli.progress import StageBars

            self._bars = StageBars()
            self._bars.__enter__()
        if self._bars is not None:
            self._bars(what, done, total)
            if done == total:
                self._bars.__exit__(None, None, None)
                self._bars = None


class _NoteHandler(logging.Handler):
    """Prints every note once, however many searches remark the same."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        note = printable(record.getMessage())
        if note not in self._told:
            self._told.add(note)
            typer.echo(f"note: {note}", err=True)


def describe(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video, in the library or not.")],
    captions: Annotated[
        Path,
        typer.Option(
            "--captions",
            metavar="FILE",
            help="One caption per line; or .json (a list), .jsonl or .csv (field 'caption'); - is "
            "standard input.",
        ),
    ],
    library: LibraryOption = DEFAULT_LIBRARY,
    as_json: JsonOption = False,
) -> None:
    """Rank the captions of FILE by how well they describe VIDEO, best first.

    Example: finereel describe holiday.mp4 --captions ideas.txt
    """
    choices = read_captions(captions)
    with closing(open_library(library)) as opened:
        hits = opened.describe(video, choices)
    if as_json:
        print_json([asdict(hit) for hit in hits])
        return
    columns = [
        Column("#", tuple(str(rank) for rank in range(1, len(hits) + 1)), right=True),
        Column("caption", tuple(hit.caption for hit in hits), shrinks=True),
        Column("score", tuple(f"{hit.score:.3f}" for hit in hits), right=True),
        *part_columns([hit.parts for hit in hits]),
    ]
    print_results(columns)
