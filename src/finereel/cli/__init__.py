"""The command line: parse, one call of the library, print. A command imports what it needs when it
runs.

stdout carries results and nothing else, so `--json` output can be piped; progress and errors go to
stderr. The exit statuses are those of `finereel.cli.guard`.
"""

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from finereel import __version__
from finereel.cli import (
    ask,
    compare,
    compression,
    data,
    demo,
    evaluate,
    explain,
    export,
    finegrain,
    import_,
    index,
    manage,
    mcp,
    models,
    negatives,
    publish,
    reelworld,
    report,
    search,
    serve,
    similar,
    train,
    watch,
)
from finereel.cli.guard import Command, Program

app = typer.Typer(
    name="finereel",
    cls=Program,
    help="Search video by what happens in it, down to the word.",
    epilog="Start here: finereel demo",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

# In the order a newcomer needs them; `finereel --help` keeps it.
COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo.demo,
    "index": index.index,
    "watch": watch.watch,
    "search": search.search,
    "explain": explain.explain,
    "describe": search.describe,
    "ask": ask.ask,
    "similar": similar.similar,
    "serve": serve.serve,
    "export": export.export,
    "status": manage.status,
    "doctor": manage.doctor,
    "remove": manage.remove,
    "tag": manage.tag,
    "feedback": manage.feedback,
    "rebuild": index.rebuild,
    "migrate": manage.migrate,
    "normalize": manage.normalize,
    "compression": compression.compression,
    "mcp": mcp.mcp,
    "models": models.models,
    "import": import_.import_,
    "reelworld": reelworld.reelworld,
    "train": train.train,
    "evaluate": evaluate.evaluate,
    "compare": compare.compare,
    "report": report.report,
    "publish": publish.publish,
}
# Commands of two words, `finereel data check`.
GROUPS: dict[str, tuple[str, dict[str, Callable[..., None]]]] = {
    "data": (
        "Check data sets and precompute their tokens.",
        data.COMMANDS,
    ),
    "negatives": (
        "Make, measure, review and convert fine-grained negatives: captions with one word changed.",
        negatives.COMMANDS,
    ),
    "finegrain": (
        "Evaluate a model on fine-grained negatives, with chance and text-only baselines.",
        finegrain.COMMANDS,
    ),
}
for _name, _function in COMMANDS.items():
    app.command(_name, cls=Command)(_function)
for _name, (_help, _commands) in GROUPS.items():
    _group = typer.Typer(
        name=_name, help=_help, no_args_is_help=True, pretty_exceptions_show_locals=False
    )
    for _word, _function in _commands.items():
        _group.command(_word, cls=Command)(_function)
    # Without a callback of its own a group of one command would become that command.
    _group.callback()(lambda: None)
    app.add_typer(_group)


def _print_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"finereel {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Search video by what happens in it, down to the word."""


def main() -> None:
    """Entry point of the `finereel` command."""
    # A file name or a caption may hold what the terminal cannot show: print a mark instead of
    # failing.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        app()
    except SystemExit as end:
        if sys.argv[1:2] == ["search"] and not end.code:
            _leave()
        raise


def _leave() -> None:
    """End a search that went well without taking the process apart, which would take a fifth of it;
    nothing is open by then.
    """
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except OSError:  # the reader has gone: Python's own end reports that
        return
    os._exit(0)
