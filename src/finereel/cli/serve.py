"""`serve`: a page and an API for a library, on this machine or in a network."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finereel.cli.opening import needing
from finereel.cli.output import DEFAULT_LIBRARY, LibraryOption
from finereel.errors import ConfigError
from finereel.io.storage.places import place_of

if TYPE_CHECKING:
    from finereel.serve.starting import Started

PORT = 8764


def serve(
    library: LibraryOption = DEFAULT_LIBRARY,
    port: Annotated[
        int, typer.Option("--port", metavar="N", help="Port of the page; 0 takes a free one.")
    ] = PORT,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="Address to listen at; 0.0.0.0 is reached from other machines too.",
        ),
    ] = "127.0.0.1",
    read_only: Annotated[
        bool,
        typer.Option(
            "--read-only",
            "--replica",
            help="Let nobody change anything, only search and look; any "
            "number of such servers may "
            "follow one library.",
        ),
    ] = False,
    roots: Annotated[
        list[Path] | None,
        typer.Option(
            "--root",
            metavar="DIR",
            help="A folder of which the page may index videos; may be given several times.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="A further name of this machine, under which browsers may open the page.",
        ),
    ] = None,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Also answer /metrics, for Prometheus.")
    ] = False,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Do not open the page in a browser.")
    ] = False,
) -> None:
    """Open a page on which to search, look and listen, and an API for programs.

    Example: finereel serve --library holiday.library

    The address that is printed holds a token, without which nobody gets an answer; it is a new one
    at every start, or that of the variable FINEREEL_TOKEN. Ctrl-C ends the server.
    """
    from finereel.index.presence import require_library

    place = place_of(library)
    if isinstance(place, Path):
        place = Path(os.path.abspath(place.expanduser()))  # noqa: PTH100
    elif not read_only:
        raise ConfigError(
            f"{place}: a library in an object store is served read-only, for what people do on the "
            "page is kept in local folders; add --replica"
        )
    if not roots:  # the page may make it by indexing them
        require_library(place)
    with needing("serve", "`finereel serve`"):
        from finereel.serve.settings import ServeSettings, new_token
        from finereel.serve.starting import serve as serve_library
        from finereel.web.running import Address, is_local

    folders = tuple(Path(os.path.abspath(root.expanduser())) for root in roots or ())  # noqa: PTH100
    token = os.environ.get("FINEREEL_TOKEN") or new_token()
    names = (host, *(allow_host or ()))
    settings = ServeSettings(place, names, read_only, folders, metrics, token)

    def started(server: "Started") -> None:
        typer.echo(server.url)
        if not is_local(host):
            typer.echo(
                "note: whoever has this address can search the library from other machines, and the "
                "connection is not encrypted; --read-only lets nobody change anything",
                err=True,
            )
        if not no_open:
            typer.launch(server.url)

    serve_library(settings, Address(host, port), started)
