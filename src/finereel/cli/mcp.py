"""`mcp`: let an assistant search a library, over stdin and stdout."""

from contextlib import closing

import typer

from finereel.cli.opening import open_library
from finereel.cli.output import DEFAULT_LIBRARY, LibraryOption


def mcp(library: LibraryOption = DEFAULT_LIBRARY) -> None:
    """Serve the library to an MCP client: read-only, on stdin and stdout.

    Example: finereel mcp --library ~/.finereel

    A client starts this command itself: give it the command line in its settings. It offers the
    tools search, evidence and status, takes no paths and runs no commands. Needs `pip install
    'finereel[mcp]'`.
    """
    from finereel.bridges.mcp import make_server

    with closing(open_library(library)) as opened:
        opened.status()
        server = make_server(opened)
        typer.echo("serving MCP on stdin and stdout; Ctrl-C ends it", err=True)
        server.run()
