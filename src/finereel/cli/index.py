"""`index`: put videos into a library. `rebuild`: change its model."""

from contextlib import closing
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finereel.cli.opening import announce_download, check_model, check_sources, open_library
from finereel.cli.output import (
    DEFAULT_LIBRARY,
    JsonOption,
    LibraryOption,
    ModelOption,
    library_option,
    print_json,
    shown,
)

if TYPE_CHECKING:
    from finereel.index.events import AddReport


class DecodeMode(StrEnum):
    """What `--mode` accepts, see `finereel.video.plan.MODES`."""

    auto = "auto"
    exact = "exact"
    keyframes = "keyframes"


class TokenFormatName(StrEnum):
    """What `--tokens` accepts, see `finereel.codecs.CODECS`."""

    fp16 = "fp16"
    int8 = "int8"
    two_bit = "2bit"


class PresetName(StrEnum):
    """What `--preset` accepts, see `finereel.index.presets.PRESETS`."""

    exact = "exact"
    fast = "fast"


PresetOption = Annotated[
    PresetName | None,
    typer.Option(
        "--preset",
        show_default="the library's own, fast for a new one",
        help="exact takes every frame at its own time and encodes it in float32; fast takes "
        "keyframes where they are close, reuses features of equal frames, and encodes in int8 where "
        "finereel[fast] is installed. The library keeps it.",
    ),
]


def index(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Videos, or folders to search for videos."),
    ],
    library: LibraryOption = DEFAULT_LIBRARY,
    model: ModelOption = None,
    clip_seconds: Annotated[
        float | None,
        typer.Option(
            "--clip-seconds",
            min=0.1,
            show_default="the library's own, 10 for a new one",
            help="Length of a searchable clip in seconds; all clips of a library share it.",
        ),
    ] = None,
    preset: PresetOption = None,
    mode: Annotated[
        DecodeMode | None,
        typer.Option(
            "--mode",
            show_default="as the preset says",
            help="How to read frames this time: exact decodes every frame that is needed, keyframes "
            "takes the nearest keyframes, auto chooses per video.",
        ),
    ] = None,
    tokens: Annotated[
        TokenFormatName | None,
        typer.Option(
            "--tokens",
            show_default="the library's own, fp16 for a new one",
            help="How tokens are kept: in 16, 8 or 2 bits per number. `finereel compression` says "
            "what each costs; `finereel migrate --tokens` makes those of a library smaller.",
        ),
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try again the files that failed before.")
    ] = False,
    transcribe: Annotated[
        str | None,
        typer.Option(
            "--transcribe",
            metavar="NAME",
            help="Also write down the speech of videos that have no subtitles, with a transcriber "
            "such as whisper-tiny-en (English; needs finereel[transcribe]).",
        ),
    ] = None,
    workers: Annotated[
        str,
        typer.Option(
            "--workers",
            metavar="N|ray|ray://HOST:PORT",
            show_default="this process",
            help="Decode and encode in so many processes, or on a Ray cluster (needs "
            "finereel[cluster]).",
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Make the videos at PATH searchable.

    Example: finereel index ~/Videos

    Run it again whenever files change: unchanged files are skipped and moved files are not encoded
    again. Files that cannot be read do not stop the run; `finereel doctor` lists them. You can
    interrupt it at any time, even in the middle of a film. Videos taken out with `finereel remove`
    stay out unless PATH names them.
    """
    check_model(model)
    check_sources(paths, library)
    announce_download(model)
    from finereel.cli.progress import IndexProgress
    from finereel.index.events import AddSettings
    from finereel.index.tuning import remember_speed
    from finereel.library import Library
    from finereel.models.choice import which_model
    from finereel.models.transcribers import open_transcriber

    settings = AddSettings(
        clip_seconds=clip_seconds,
        preset=preset.value if preset else None,
        mode=mode.value if mode else None,
        tokens=None if tokens is None else tokens.value,
        retry_failed=retry,
        transcriber=open_transcriber(transcribe) if transcribe else None,
        workers=workers,
    )
    with closing(Library.open(library, model=model)) as opened:
        opened.tune()
        name = opened.model_name
        typer.echo(f"model: {shown(which_model(name, library_option(library)))}", err=True)
        with IndexProgress() as progress:
            report = opened.add(paths, on_event=progress, settings=settings)
    remember_speed(name, report)
    _finish(report, as_json)


def rebuild(
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="DIR_OR_ID",
            help="The new model, such as clip; `finereel models` lists the models on this machine.",
        ),
    ],
    library: LibraryOption = DEFAULT_LIBRARY,
    as_json: JsonOption = False,
) -> None:
    """Index every video of a library again with another model.

    The old features answer searches until the new ones are complete. Before it begins, it says how
    long it will take on this machine.
    """
    check_model(model)
    opening = open_library(library)
    announce_download(model)
    from finereel.cli.progress import IndexProgress

    with closing(opening) as opened, IndexProgress() as progress:
        report = opened.rebuild(model, on_event=progress)
    if report.unread:
        waiting = "the old index still answers: some videos could not be read this time"
        typer.echo(
            f"{waiting}; run the same command again, or forget them with finereel remove", err=True
        )
    _finish(report, as_json)


def _finish(report: "AddReport", as_json: bool) -> None:
    if as_json:
        print_json({**asdict(report), "real_time_factor": round(report.real_time_factor, 2)})
    else:
        typer.echo(summary(report))
    if report.migration:
        typer.echo(f"note: {shown(report.migration)}", err=True)
    for place in report.away:
        kept = f"; stopped, nothing lost: {_committed(report)}" if report.left else ""
        typer.echo(
            f"{shown(str(place))}{kept}; connect it and run the same command again", err=True
        )
    if report.interrupted:
        typer.echo(
            f"stopped; nothing lost: {_committed(report)}; run the same command again to go on",
            err=True,
        )
        raise typer.Exit(130)
    reached = report.indexed + report.unchanged + report.renamed + report.copied
    if report.away or (report.failed + report.known_bad and not reached):
        raise typer.Exit(1)


def _committed(report: "AddReport") -> str:
    begun = ", and the first clips of one more" if report.unfinished else ""
    return f"{counted(report.indexed)} committed{begun}"


def counted(videos: int) -> str:
    """A number of videos in words.

    >>> counted(1), counted(2)
    ('1 video', '2 videos')
    """
    return f"{videos} video{'' if videos == 1 else 's'}"


def _times_real_time(factor: float) -> str:
    """How many seconds of video a second of work covers, in words.

    >>> _times_real_time(23.4), _times_real_time(0.53)
    ('23x real time', '0.53x real time')
    """
    return f"{factor:.0f}x real time" if factor >= 10 else f"{factor:.2g}x real time"


def summary(report: "AddReport") -> str:
    """What an `add` did, in some lines."""
    from finereel.video.find import extensions

    speed = report.clips / report.seconds if report.seconds else 0.0
    work = report.decode_seconds + report.encode_seconds
    share = f", decoding {report.decode_seconds / work:.0%} of the work" if work else ""
    lines = [f"indexed {report.indexed} videos, {report.clips} clips in {report.seconds:.1f} s"]
    if report.clips:
        if report.video_seconds:
            lines[0] += f", {_times_real_time(report.real_time_factor)}"
        lines[0] += f" ({speed:.1f} clips/s{share})"
    kinds = ("unchanged", "renamed", "copied", "missing")
    others = [f"{getattr(report, kind)} {kind}" for kind in kinds if getattr(report, kind)]
    if others:
        lines.append(", ".join(others))
    if bad := report.failed + report.known_bad:
        lines.append(f"{bad} could not be read: see finereel doctor")
    if report.unread:
        lines.append(
            f"{report.unread} could not be read this time and will be tried again: see finereel "
            "doctor"
        )
    if report.unfinished and not report.interrupted and not report.away:
        lines.append(
            f"{counted(report.unfinished)} not finished: run the same command again to go on"
        )
    if report.coarse:
        lines.append(
            f"{report.coarse} read by keyframes, because decoding every frame took too long: see "
            "finereel doctor"
        )
    parts = {"reused from equal frames": report.reused, "encoded in int8": report.quantized}
    if any(parts.values()):
        told = ", ".join(f"{count} {what}" for what, count in parts.items() if count)
        lines.append(f"{report.frames} frames: {told}")
    if report.transcribed:
        lines.append(f"the speech of {counted(report.transcribed)} was written down")
    if report.unheard:
        lines.append(f"{counted(report.unheard)} could not be listened to in time")
    if report.unknown:
        files = "1 file" if len(report.unknown) == 1 else f"{len(report.unknown)} files"
        lines.append(
            f"{files} of unknown kind left out ({extensions(report.unknown)}): see finereel doctor"
        )
    lines += [
        f"this folder cannot be read: {shown(path)} ({reason})"
        for path, reason in report.unreadable
    ]
    return "\n".join(lines)
