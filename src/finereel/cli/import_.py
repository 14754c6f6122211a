"""`import`: convert a published checkpoint into a model directory and account for every tensor."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from finereel.cli.output import JsonOption, console, print_json, shown

if TYPE_CHECKING:
    from finereel.models.published import ImportReport

_SHOWN = 12
_BACKBONES = ("open_clip", "dual")
_READ = {"dual": ("text", "dim"), "open_clip": ("tokenizer", "max_frames")}
_READ_BY_HEADS = ("tokenizer", "max_frames", "temporal", "variant", "allow")
"""Options that an import of this kind reads; any other would be passed over in silence."""


def import_(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help="ucofia, xclip, clip4clip, ts2net, drl, open_clip or dual."
        ),
    ],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="The checkpoint: .bin, .pt or .safetensors; for open_clip its folder.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The model directory to write.")],
    tokenizer: Annotated[
        Path | None,
        typer.Option("--tokenizer", metavar="DIR", help="A directory with CLIP's tokenizer.json."),
    ] = None,
    max_words: Annotated[
        int | None,
        typer.Option("--max-words", metavar="N", help="Maximum number of tokens in a text."),
    ] = None,
    max_frames: Annotated[
        int | None, typer.Option("--max-frames", metavar="N", help="Number of frames per clip.")
    ] = None,
    temporal: Annotated[
        str | None,
        typer.Option(
            "--temporal", help="meanP, seqLSTM or seqTransf, if the tensors do not determine it."
        ),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(
            "--variant",
            help="Reproduce what the published code computes in training (train) or in evaluation "
            "(eval, the default).",
        ),
    ] = None,
    interaction: Annotated[
        str | None,
        typer.Option("--interaction", help="For drl only: wti (the default), ti or dp."),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            "--text",
            metavar="DIR",
            help="For dual only: the text backbone, a directory with a BERT-architecture model.",
        ),
    ] = None,
    dim: Annotated[
        int | None,
        typer.Option("--dim", min=1, help="For dual only: width of the shared space (256)."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="NAME",
            help="Accept this tensor as missing or unknown; * matches any characters. Can be "
            "repeated.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Convert a published checkpoint into a model directory for `--model`.

    `dual` joins two backbones, FILE (EfficientNet-Lite0) and --text, into an untrained model.

    Pickled files are read in a sandboxed process and nothing in them is executed. A missing or
    unknown tensor is an error unless --allow names it.
    """
    from finereel.errors import unknown_name
    from finereel.models import published as official
    from finereel.models.published.open_clip import import_open_clip

    if kind not in (*official.KINDS, *_BACKBONES):
        raise unknown_name("kind of checkpoint", kind, (*official.KINDS, *_BACKBONES))
    options: dict[str, Any] = {
        "tokenizer": tokenizer,
        "max_frames": max_frames,
        "temporal": temporal,
        "variant": variant,
        "interaction": interaction,
        "text": text,
        "dim": dim,
        "allow": tuple(allow or ()),
    }
    given = {name: value for name, value in options.items() if value not in (None, ())}
    _refuse_unread(kind, given)
    if kind == "dual":
        _join(file, text, out, dim or 256, max_words, as_json)
        return
    if kind == "open_clip":
        model, report = import_open_clip(file, out, tokenizer, max_words, max_frames)
    else:
        imported = official.import_reported(file, out, kind, max_words=max_words, **given)
        assert imported.report is not None
        model, report = imported.model, imported.report
    if as_json:
        print_json({"out": str(out), "fingerprint": model.fingerprint, **asdict(report)})
        return
    _print_report(report, out)
    if model.tokenizer is None:
        typer.echo(
            "no tokenizer: give --tokenizer DIR, or put CLIP's tokenizer.json into the directory",
            err=True,
        )


def _refuse_unread(kind: str, given: Iterable[str]) -> None:
    """Raises ConfigError for an option that this kind of import does not read."""
    from finereel.errors import ConfigError

    read = _READ.get(kind, (*_READ_BY_HEADS, *(("interaction",) if kind == "drl" else ())))
    unread = [f"--{name.replace('_', '-')}" for name in given if name not in read]
    if unread:
        raise ConfigError(f"import {kind} does not read {', '.join(unread)}: leave it out")


def _join(
    vision: Path, text: Path | None, out: Path, dim: int, max_words: int | None, as_json: bool
) -> None:
    """`import dual`: two backbones become one untrained model directory."""
    from finereel.errors import ConfigError
    from finereel.models.published.backbones import join_backbones

    if text is None:
        raise ConfigError("import dual joins two backbones: give the text backbone with --text DIR")
    model = join_backbones(vision, text, out, dim, max_words or 24)
    if as_json:
        print_json({"out": str(out), "fingerprint": model.fingerprint})
        return
    typer.echo(
        f"{out}: two backbones, untrained; next: finereel train --recipe everyday --model {out}"
    )


def _print_report(report: "ImportReport", out: Path) -> None:
    ours = sum(len(names) for names in report.mapped.values())
    rows = {
        "model directory": str(out),
        "kind": report.kind,
        "patch scorer": report.scorer or "none",
    }
    rows |= {name.replace("_", " "): _value(value) for name, value in report.geometry.items()}
    rows["mapped"] = f"{len(report.mapped)} tensors, {ours} of ours"
    rows["ignored"] = _listed(
        report.ignored, "left out: the published code does not read them, or they were allowed"
    )
    rows["missing"] = _listed(report.missing, "allowed; these parts are untrained")
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in rows.items():
        table.add_row(name, Text(shown(value)))
    console().print(table)


def _value(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _listed(names: Sequence[str], meaning: str) -> str:
    """How many, which, and what that means.

    >>> _listed(["a", "b"], "left out"), _listed([], "left out")
    ('2 (left out): a, b', 'none')
    """
    if not names:
        return "none"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} ({meaning}): {', '.join(names[:_SHOWN])}{more}"
