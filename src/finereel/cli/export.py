"""`export`: take the clips of an answer along, as a list, a timeline or clip files."""

import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finereel.cli.opening import open_library
from finereel.cli.output import (
    DEFAULT_LIBRARY,
    JsonOption,
    LibraryOption,
    print_json,
    short_path,
    shown,
)
from finereel.cli.query_options import AS_USUAL, CLOSEST, QueryOptions, with_query_options
from finereel.cli.search import LateBars, in_words, notes_on_stderr, why_nothing
from finereel.imports import without_collection

if TYPE_CHECKING:
    from finereel.export.clip_files import MissingClip, WrittenClip
    from finereel.export.moments import ExportList
    from finereel.index.facts import FileFacts


class ExportKind(StrEnum):
    """What `--format` accepts, see `finereel.export.FORMATS`; `clips` are video files."""

    csv = "csv"
    json = "json"
    edl = "edl"
    otio = "otio"
    fcpxml = "fcpxml"
    clips = "clips"


STDOUT = "-"
_ON_STDOUT = (ExportKind.csv, ExportKind.json, ExportKind.edl)


@with_query_options
def export(
    form: Annotated[
        ExportKind,
        typer.Option(
            "--format",
            help="csv or json: a list; edl, otio or fcpxml: a timeline for video editors; clips: a "
            "video file for each.",
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            metavar="PATH",
            help="The file to write, or for clips the folder; - is standard output (csv, json, "
            "edl).",
        ),
    ],
    text: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="What happens in the clip, as for `search`."),
    ] = None,
    library: LibraryOption = DEFAULT_LIBRARY,
    asked: QueryOptions = AS_USUAL,
    hits: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Instead of TEXT: what `search --json` or `--json-version 2` printed, also after "
            "lines were taken out.",
        ),
    ] = None,
    clips: Annotated[
        list[str] | None,
        typer.Option(
            "--clip",
            metavar="ID",
            help="Instead of TEXT: the clip with this clip_id; may be given several times.",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--fps",
            min=1.0,
            max=1000.0,
            show_default="that of most videos",
            help="Frames per second of the timeline (edl, fcpxml).",
        ),
    ] = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Encode clip files again, from exactly the first frame on; otherwise they are "
            "copied and begin at the keyframe before it.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Leave clip files that exist, and write only the others."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take the clips of an answer along: as a list, a timeline for video editors, or video files.

    Example: finereel export "a dog jumps" --top 20 --format clips --out dogs

    The clips are those that `search` shows for the same TEXT and options. Times are seconds in csv
    and json, frames from the beginning of each file in timelines. Files that exist stay, unless
    --force is given. Each export is noted in audit.jsonl in the library's folder.
    """
    given = [bool(text), hits is not None, bool(clips)]
    if sum(given) != 1:
        raise typer.BadParameter("give either TEXT, --from FILE or --clip ID")
    if not text and asked != AS_USUAL:
        raise typer.BadParameter(
            "options that choose clips go with TEXT, not with --from or --clip"
        )
    if out == STDOUT and form not in _ON_STDOUT:
        raise typer.BadParameter(
            f"{form} needs a {'folder' if form == ExportKind.clips else 'file'}", param_hint="--out"
        )
    if force and resume:
        raise typer.BadParameter("--force replaces files, --resume leaves them: give one of them")
    job = _Job(form, out, " ".join(text or ()), rate, exact, force, resume, as_json)
    with notes_on_stderr(), without_collection():
        chosen = (
            _from_file(hits, library) if hits is not None else _answered(job, library, asked, clips)
        )
    if not chosen.moments:
        raise typer.Exit(1)
    if form == ExportKind.clips:
        _write_clips(job, chosen, library)
    else:
        _write_list(job, chosen, library)


@dataclass(frozen=True)
class _Job:
    """What was asked for, but for what chooses the clips."""

    form: ExportKind
    out: str
    text: str
    rate: float | None
    exact: bool
    force: bool
    resume: bool
    as_json: bool


def _from_file(hits: Path, library: Path) -> "ExportList":
    from finereel.export.moments import ExportList, read_hits
    from finereel.index.presence import is_library

    document = read_hits(hits)
    if not document["hits"]:
        typer.echo(f"{shown(str(hits))} holds no hits", err=True)
    paths = [hit["video"] for hit in document["hits"]]
    if is_library(library):
        with closing(open_library(library)) as opened:
            return ExportList.of(document, opened.facts(paths))
    return ExportList.of(document, _probed(paths))


def _probed(paths: list[str]) -> "Mapping[str, FileFacts]":
    from finereel.index.lookup import probed
    from finereel.video.reader import DiskSource

    source = DiskSource()
    with closing(source):
        return {path: probed(path, source) for path in dict.fromkeys(paths)}


def _answered(
    job: _Job, library: Path, asked: QueryOptions, clips: list[str] | None
) -> "ExportList":
    from finereel.export.moments import ExportList
    from finereel.index.as_json import answer_as_json
    from finereel.index.query import Answer, Query

    query = Query("") if clips else asked.query(job.text)
    with closing(open_library(library)) as opened:
        answer = (
            Answer(query, None, opened.clips(clips))
            if clips
            else opened.answer(query, on_progress=LateBars())
        )
        if not answer.hits:
            typer.echo(why_nothing(query), err=True)
        hits = answer.hits
        if answer.confidence is not None and answer.nothing_fits:
            hits = hits[:CLOSEST] if asked.top is None else hits
            closest = f"the closest {len(hits)} are exported" if len(hits) > 1 else "it is exported"
            typer.echo(f"{in_words(answer.confidence)}; {closest}", err=True)
        document = answer_as_json(Answer(query, answer.confidence, hits))
        return ExportList.of(document, opened.facts([hit.video for hit in hits]))


def _note(job: _Job, chosen: "ExportList", library: Path, count: int) -> None:
    from finereel.index.audit import note
    from finereel.index.presence import is_library

    if is_library(library):
        with notes_on_stderr():
            note(
                library.expanduser(),
                "export",
                format=str(job.form),
                count=count,
                query=chosen.query,
                out=job.out if job.out == STDOUT else str(Path(job.out).absolute()),
            )


def _write_list(job: _Job, chosen: "ExportList", library: Path) -> None:
    from fractions import Fraction

    from finereel.errors import StorageError
    from finereel.export import exported
    from finereel.export.timecode import rate_of
    from finereel.io.atomic import storage_errors, write_file

    path = Path(job.out).expanduser()
    if job.out != STDOUT and path.is_file() and not job.force:
        raise StorageError(f"{path} exists; choose another file, or replace it with --force")
    rate: Fraction | None = None if job.rate is None else rate_of(job.rate)
    made = exported(chosen, job.form, rate)
    content = made.text.encode("utf-8", "backslashreplace")
    if job.out == STDOUT:
        sys.stdout.buffer.write(content)
    else:
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path.resolve(), content)  # /dev/stdout is a link
    for line in made.notes:
        typer.echo(f"note: {line}", err=True)
    _note(job, chosen, library, len(chosen.moments))
    if job.as_json and job.out != STDOUT:
        print_json({"out": str(path.absolute()), "clips": len(chosen.moments)})
    elif job.out != STDOUT:
        typer.echo(f"{_counted(len(chosen.moments))} written to {shown(short_path(str(path)))}")


def _write_clips(job: _Job, chosen: "ExportList", library: Path) -> None:
    from finereel.cli.progress import ClipBar
    from finereel.export.clip_files import (
        ClipOutcome,
        ClipSettings,
        KeptClip,
        MissingClip,
        WrittenClip,
        write_clips,
    )
    from finereel.io.signals import stop_on_interrupt

    folder = Path(job.out).expanduser()
    written: list[WrittenClip] = []
    missing: list[MissingClip] = []
    kept: list[KeptClip] = []
    total = len(chosen.moments)
    with stop_on_interrupt() as stop, ClipBar(total) as view:
        work = write_clips(
            chosen,
            folder,
            ClipSettings(job.exact, job.force, job.resume),
            stop=stop.is_set,
            on_progress=view,
        )
        try:
            for outcome in work:
                if isinstance(outcome, WrittenClip):
                    written.append(outcome)
                    if not job.as_json:
                        view.tell(_told(outcome))
                elif isinstance(outcome, KeptClip):
                    kept.append(outcome)
                else:
                    missing.append(outcome)
                    typer.echo(f"not written: {shown(outcome.reason)}", err=True)
        finally:
            if written:
                _note(job, chosen, library, len(written))
            outcomes: list[ClipOutcome] = [*written, *missing, *kept]
            ranks = {one.rank for one in outcomes}
            left = [rank for rank in range(1, total + 1) if rank not in ranks]
            if left and (written or stop.is_set()):
                typer.echo(
                    f"{len(written) + len(kept)} of {total} clips are written, each as a whole; "
                    f"missing: {_shortly(left)}; write them with --resume",
                    err=True,
                )
    _finish(job, folder, written, missing)
    if stop.is_set() and left:
        typer.echo("stopped", err=True)
        raise typer.Exit(130)
    if missing:
        raise typer.Exit(1)


def _finish(
    job: _Job, folder: Path, written: "list[WrittenClip]", missing: "list[MissingClip]"
) -> None:
    if job.as_json:
        print_json(
            {
                "folder": str(folder.absolute()),
                "clips": [_as_json(clip) for clip in written],
                "missing": [
                    {"rank": one.rank, "video": one.video, "reason": one.reason} for one in missing
                ],
            }
        )
        return
    size = sum(clip.path.stat().st_size for clip in written if clip.path.exists())
    where = shown(short_path(str(folder.absolute())))
    typer.echo(f"{_counted(len(written))} written to {where}, {size / 1e6:.1f} MB", err=True)
    if any(clip.earlier >= 0.05 for clip in written):
        typer.echo(
            "copied clips begin at the keyframe before the moment; for the exact frame: --exact",
            err=True,
        )


def _as_json(clip: "WrittenClip") -> dict[str, Any]:
    told = {"path": str(clip.path.absolute()), "rank": clip.rank}
    return {**told, "start": clip.start, "end": clip.end, "earlier": round(clip.earlier, 3)}


def _told(clip: "WrittenClip") -> str:
    begins = f"  (begins {clip.earlier:.1f} s earlier)" if clip.earlier >= 0.05 else ""
    return f"{shown(clip.path.name)}{begins}"


def _shortly(ranks: list[int]) -> str:
    """Some ranks in words.

    >>> _shortly([3, 4]), _shortly(list(range(1, 15)))
    ('number 3, 4', 'number 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 4 more')
    """
    named = ", ".join(map(str, ranks[:10]))
    return f"number {named}" + (f" and {len(ranks) - 10} more" if len(ranks) > 10 else "")


def _counted(count: int) -> str:
    return f"{count} clip{'' if count == 1 else 's'}"
