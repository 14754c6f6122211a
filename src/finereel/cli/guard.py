"""Turns what a user can cause into one message and an exit status; programming errors keep their traceback."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand

from finereel.errors import FinereelError


class Command(TyperCommand):
    """A command whose `FinereelError` and `OSError` end as a message on stderr and status 1, Ctrl-C as 130.

    With `--json` the message is one line of JSON: `{"error": {"type": "ModelNotFoundError", "message": "..."}}`.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command; see the class."""
        with guarded(as_json=bool(ctx.params.get("as_json"))):
            return super().invoke(ctx)


@contextmanager
def guarded(as_json: bool = False) -> Iterator[None]:
    """Ends `FinereelError`, `OSError` and Ctrl-C within the block as `Command` says, by typer.Exit."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (FinereelError, OSError) as error:
        _report(error, as_json)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        raise typer.Exit(130) from None


def _report(error: Exception, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"error": {"type": type(error).__name__, "message": str(error)}}), err=True)
        return
    typer.secho("error: ", err=True, nl=False, fg="red", bold=True)
    typer.echo(str(error), err=True)
