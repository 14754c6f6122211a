"""`models`: what `--model` can name on this machine; `models get` downloads one, `models export`
writes one for sentence-transformers.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from finereel.cli.output import JsonOption, console, print_json, shown

if TYPE_CHECKING:
    from finereel.models.choice import ModelEntry

_GET, _EXPORT = "get", "export"


def models(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[get NAME | export NAME DIR]",
            help="Download a model: clip for OpenAI's CLIP ViT-B/32 (600 MB), or a hub id. Or write "
            "a model to a folder that sentence-transformers loads.",
        ),
    ] = None,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="Measure the milliseconds per frame of every model that is here, and keep them.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the models on this machine and the default model, download one, or export one.

    Example: finereel models get clip

    A new library takes a CLIP model that is on this machine already, else the bundled everyday.
    `--model` also takes any directory with a CLIP model (config.json, model.safetensors,
    tokenizer.json). A folder that was exported holds the whole model, but sentence-transformers
    gets one vector for each text and each video: what that loses is printed.
    """
    from finereel.models.choice import models_here

    if words and words[0] == _EXPORT and len(words) == 3:
        _export(words[1], Path(words[2]), as_json)
        return
    if words:
        _get(_requested(words), as_json)
        return
    if measure:
        _measure([entry.name for entry in models_here() if entry.here])
    entries = models_here()
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    console().print(_table(entries))
    from finereel.models.heads.compiled import state

    typer.echo(f"compiled kernels: {state()}", err=True)


def _requested(words: Sequence[str]) -> str:
    if words[0] != _GET or len(words) != 2:
        raise typer.BadParameter(
            "expected nothing, `get` and one name, or `export`, a name and a folder, got "
            f"{' '.join(words)!r}; for example: finereel models get clip"
        )
    return words[1]


def _get(name: str, as_json: bool) -> None:
    from finereel.models.choice import BUNDLED, SHORT_NAMES, models_here
    from finereel.models.hub import download

    name = SHORT_NAMES.get(name, name)
    if name not in BUNDLED:
        typer.echo(f"downloading {shown(name)} from the hub", err=True)
        download(name)
    entries = [entry for entry in models_here() if entry.name == name]
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    for entry in entries:
        taken = "; new libraries take it from now on" if entry.default else ""
        size = f"{entry.megabytes:.1f} MB in {shown(entry.path)}"
        typer.echo(f"{shown(name)} is here: {size}{taken}")
    typer.echo(f"for a library that exists: finereel rebuild --model {name}", err=True)


def _export(name: str, folder: Path, as_json: bool) -> None:
    """Write a model for sentence-transformers, and say what that loses."""
    from finereel.bridges.sentence_transformers import export
    from finereel.cli.opening import check_model
    from finereel.models.choice import BUNDLED
    from finereel.models.saving import load

    check_model(name)
    missing = export(load(name), folder, BUNDLED.get(name, Path(name)))
    if as_json:
        print_json({"model": name, "folder": str(folder), "lost": missing})
        return
    typer.echo(
        f"{shown(str(folder))}: SentenceTransformer({shown(str(folder))!r}, trust_remote_code=True)"
    )
    typer.echo(f"lost there: {missing}", err=True)


def _measure(names: Sequence[str]) -> None:
    from finereel.index.tuning import measure_speed
    from finereel.models.saving import load

    for name in names:
        typer.echo(f"measuring {shown(name)}", err=True)
        measure_speed(load(name))


def _table(entries: Sequence["ModelEntry"]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("model", "kind", "where", "MB", "ms/frame", "languages", "quality", "path"):
        right = column in ("MB", "ms/frame")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for entry in entries:
        speed = entry.milliseconds_per_frame
        table.add_row(
            Text(shown(entry.name + (" (default)" if entry.default else ""))),
            Text(shown(entry.kind)),
            _where(entry),
            f"{entry.megabytes:.1f}" if entry.here else "",
            "" if speed is None else f"{speed:.3g}",
            Text(shown(", ".join(entry.languages))),
            Text(shown(_quality(entry.quality))),
            Text(shown(entry.path)),
        )
    return table


def _where(entry: "ModelEntry") -> str:
    if not entry.here:
        return "not downloaded"
    return "bundled" if entry.bundled else "cached"


def _quality(measured: Any) -> str:
    """What a card says was measured, on one line."""
    if measured is None:
        return ""
    if isinstance(measured, dict):
        return ", ".join(f"{name} {value}" for name, value in measured.items())
    return measured if isinstance(measured, str) else json.dumps(measured)
