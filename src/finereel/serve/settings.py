"""What `finereel serve` is told when it starts."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from finereel.errors import ConfigError
from finereel.io.storage.places import Place
from finereel.web.guard import GuardSettings

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""The Content-Security-Policy: what the page may load, all of it from here."""

SHORTEST_TOKEN = 16
FREE = ("/healthz",)


def new_token() -> str:
    """A token that nobody guesses: 192 random bits."""
    return secrets.token_urlsafe(24)


@dataclass(frozen=True)
class ServeSettings:
    """How a library is served.

    library: its folder. names: further names that the server goes by. read_only: whether nothing
    may be changed. roots: folders that clients may have indexed. metrics: whether /metrics answers.
    token: what a client must know.

    Raises ConfigError for a token that could be guessed or that does not fit into a cookie.
    """

    library: Place
    names: tuple[str, ...] = ()
    read_only: bool = False
    roots: tuple[Path, ...] = ()
    metrics: bool = False
    token: str = field(default_factory=new_token, repr=False)

    def __post_init__(self) -> None:
        sound = self.token.isascii() and all(
            letter.isalnum() or letter in "-_." for letter in self.token
        )
        if len(self.token) < SHORTEST_TOKEN or not sound:
            raise ConfigError(
                f"a token is at least {SHORTEST_TOKEN} letters, digits, '-', '_' or '.', so that "
                "nobody guesses it; leave FINEREEL_TOKEN unset for a new one at every start"
            )

    def guard(self, port: int) -> GuardSettings:
        """Who may ask. Cookies do not tell ports apart, so the name of the cookie does."""
        return GuardSettings(
            POLICY,
            tuple(name.lower() for name in self.names),
            self.token,
            f"finereel_{port}",
            read_only=self.read_only,
            free=FREE,
        )
