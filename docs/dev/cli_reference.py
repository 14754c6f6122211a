"""Write the command line reference from the commands themselves.

`mkdocs.yml` names this file as a hook.
"""

from typing import Any

import click
from mkdocs.structure.files import File, Files
from typer.main import get_command

from finereel.cli import app

PAGE = "reference/cli.md"


def on_files(files: Files, config: Any) -> Files:
    """Add the reference page to the site."""
    files.append(File.generated(config, PAGE, content=cli_reference()))
    return files


def cli_reference() -> str:
    """All commands with their help, arguments and options, as Markdown."""
    lines = [
        "# Command line",
        "",
        "Results go to stdout, everything else to stderr; `--json` prints one JSON value.",
        "",
    ]
    for name, command in _commands(get_command(app), ()):
        lines += _section(name, command)
    return "\n".join(lines)


def _commands(command: Any, path: tuple[str, ...]) -> list[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        return [("finereel " + " ".join(path), command)]
    return [
        found for name, sub in command.commands.items() for found in _commands(sub, (*path, name))
    ]


def _section(name: str, command: Any) -> list[str]:
    context = click.Context(command, info_name=name)
    lines = [
        f"## `{name}`",
        "",
        (command.help or "").strip(),
        "",
        f"    {command.get_usage(context)}",
        "",
    ]
    rows = [record for parameter in command.params if (record := _row(parameter, context))]
    if rows:
        table = [f"| `{given}` | {about} |" for given, about in rows]
        lines += ["| argument or option | meaning |", "|---|---|", *table, ""]
    return lines


def _row(parameter: Any, context: click.Context) -> tuple[str, str] | None:
    record = parameter.get_help_record(context)
    if record is None:
        return None
    given, about = (" ".join(text.split()).replace("|", "\\|") for text in record)
    return given, about
