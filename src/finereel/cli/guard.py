"""Turn errors a user can cause into one message and an exit status; programming errors keep their
traceback.

Exit status: 0 done; 1 an error, or nothing of what was asked could be done; 2 wrong usage; 130
interrupted by Ctrl-C (128 + the signal where another one stopped a training); 141 the reader of the
output closed it, as for any Unix tool.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from finereel.errors import FinereelError

BROKEN_PIPE = 128 + signal.SIGPIPE
_USAGE_ERROR: Any = typer.BadParameter.__mro__[2]
"""Click's ClickException, wherever this version of Typer keeps it."""


class Command(TyperCommand):
    """A command whose `FinereelError` and `OSError` end as a message on stderr and status 1, Ctrl-C
    as 130.

    With `--json` the message is one line of JSON: `{"error": {"type": "ModelNotFoundError",
    "message": "..."}}`.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command; see the class."""
        with guarded(as_json=bool(ctx.params.get("as_json"))):
            return super().invoke(ctx)


class Program(TyperGroup):
    """All commands. Wrong usage is two lines, what is wrong and where to read on, and status 2."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Parse, run, and end the process with the status (standalone mode), as Click does."""
        standalone = options.pop("standalone_mode", True)
        quiet: dict[str, Any] = options | {"standalone_mode": False}
        if not standalone:
            return super().main(*arguments, **quiet)
        try:
            status = super().main(*arguments, **quiet)
        except _USAGE_ERROR as error:
            _report_usage(error)
            sys.exit(error.exit_code)
        except typer.Abort:
            sys.exit(STATUS)
        sys.exit(status if isinstance(status, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name; Ctrl-C before it has begun ends as `guarded`
        says.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _stop()


@contextmanager
def guarded(as_json: bool = False) -> Iterator[None]:
    """Ends `FinereelError`, `OSError` and Ctrl-C within the block as `Command` says, by
    typer.Exit.
    """
    with noted_interrupts() as interrupts:
        try:
            yield
            sys.stdout.flush()
        except BrokenPipeError:
            discard_output()
            raise typer.Exit(BROKEN_PIPE) from None
        except KeyboardInterrupt:
            _stop()
        except Exception as error:
            if interrupts.came and not isinstance(error, typer.Exit | FinereelError):
                _stop()
            if not isinstance(error, FinereelError | OSError):
                raise
            _report(error, as_json)
            _tell_launcher(str(error))
            raise typer.Exit(1) from None


def _stop() -> NoReturn:
    typer.echo("stopped", err=True)
    raise typer.Exit(STATUS) from None


def _report(error: Exception, as_json: bool) -> None:
    if as_json:
        typer.echo(
            json.dumps({"error": {"type": type(error).__name__, "message": str(error)}}), err=True
        )
        return
    _say_error(str(error))


def _tell_launcher(message: str) -> None:
    """The message for the table of failed processes that torchrun prints, which calls it a
    traceback.
    """
    if named := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        with suppress(OSError):  # the message stands on stderr anyway
            told = {"message": f"error: {printable(message)}", "timestamp": str(int(time.time()))}
            Path(named).write_text(json.dumps(told), encoding="utf-8")


def _report_usage(error: Any) -> None:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" or context is None:
        error.show()
        return
    message = " ".join(error.format_message().split())
    wanted = getattr(error, "option_name", "")
    if (
        wanted.startswith("-")
        and not getattr(error, "possibilities", None)
        and context.command.name == "search"
    ):
        message += '. A text that begins with "-" goes after --, as in: finereel search -- "-text"'
    _say_error(message)
    typer.echo(
        f"usage: {context.command.get_usage(context).removeprefix('Usage: ')} (more: --help)",
        err=True,
    )


def _say_error(message: str) -> None:
    typer.secho("error: ", err=True, nl=False, fg="red", bold=True)
    typer.echo(printable(message), err=True)


def printable(message: str) -> str:
    """A message without what could steer a terminal; its line breaks stay.

    >>> printable("no file a\\x1b[2J.mp4")
    'no file a\\ufffd[2J.mp4'
    """
    return "".join(
        letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in message
    )


# Ctrl-C at any moment: exit status 130 and at most one word, also in the middle of an import.
STATUS = 128 + signal.SIGINT


@dataclass
class Interrupts:
    """Whether Ctrl-C came: an import can turn its KeyboardInterrupt into another error."""

    came: bool = False


@contextmanager
def noted_interrupts() -> Iterator[Interrupts]:
    """Within the block Ctrl-C is noted, then handled as before; outside of the main thread nothing
    changes.
    """
    noted = Interrupts()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        # callable: not ignored, as for a command that a shell started in the background
        yield noted
        return

    def note(number: int, frame: FrameType | None) -> None:
        noted.came = True
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


def discard_output() -> None:
    """Point stdout at nothing: its reader is gone, and flushing at exit would fail again."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
