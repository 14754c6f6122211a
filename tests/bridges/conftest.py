"""Commands run in this process, as in the tests of the command line."""

from cli.conftest import run as run
