"""A client for OpenAI-compatible chat endpoints, with the standard library: one POST per question.

Waits are bounded, what may pass is tried again with growing waits, redirects are not followed (they
would carry the key and the caption to another host), and a key never travels over plain HTTP to
another machine.
"""

import http.client
import ipaddress
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from finereel.errors import ConfigError, ProposalError

LARGEST_REPLY = 1 << 20
RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
QUESTION_REFUSED = frozenset({400, 413, 422, 451})
_CHUNK = 1 << 14
_SHOWN = 200

Messages = Sequence[Mapping[str, str]]


class QuestionRefusedError(ProposalError):
    """The endpoint answers, but not this question (a filter, a limit of length)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an endpoint is waited for, in seconds, and how often it is asked.

    timeout: for one whole answer. first_wait doubles with every attempt up to longest_wait; a
    Retry-After header of the endpoint counts up to longest_wait as well.
    """

    timeout: float = 60.0
    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.timeout, self.first_wait, self.longest_wait) <= 0:
            raise ConfigError(
                f"patience: expected attempts of at least 1 and positive seconds, got {self}"
            )

    def wait(self, attempt: int, asked_for: float) -> float:
        """Seconds before the next attempt, after attempt number `attempt` (from 0) failed.

        >>> Patience().wait(2, 0.0), Patience().wait(0, 7.0), Patience().wait(30, 9000.0)
        (4.0, 7.0, 60.0)
        """
        return min(max(self.first_wait * 2.0 ** min(attempt, 30), asked_for), self.longest_wait)


@dataclass(frozen=True)
class Endpoint:
    """Where a model is asked: base URL such as https://host/v1, the model's name there, and the key
    if it wants one.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    patience: Patience = Patience()
    stopped: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"endpoint: expected a base URL such as http://localhost:8000/v1, got {self.url!r}"
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ConfigError(
                "endpoint: expected a base URL without user, password, query or fragment"
            )
        if self.key and parts.scheme == "http" and not _this_machine(parts.hostname):
            raise ConfigError(
                f"endpoint {self.url}: a key does not travel over plain http; use https, or unset "
                "the key"
            )
        if self.key and not (self.key.isascii() and self.key.isprintable()):
            raise ConfigError(
                "endpoint: the key in the environment holds characters no header can carry"
            )
        if not self.model.strip():
            raise ConfigError(
                "endpoint: expected the name of a model before the URL, as in "
                "llm:NAME@https://host/v1"
            )

    def complete(self, messages: Messages, options: Mapping[str, object]) -> str:
        """The text of the model's answer.

        Raises QuestionRefusedError where this question is refused, ProposalError where the endpoint
        fails for good.
        """
        body = json.dumps({"model": self.model, "messages": list(messages), **options}).encode()
        failure, asked_for = "", 0.0
        for attempt in range(self.patience.attempts):
            if self.stopped.wait(self.patience.wait(attempt - 1, asked_for) if attempt else 0.0):
                raise ProposalError(f"{self.url}: stopped before an answer came")
            try:
                return _content(self._post(body))
            except _PassingError as error:
                failure, asked_for = str(error), error.retry_after
        raise ProposalError(
            f"{self.url} failed {self.patience.attempts} times, last with: {failure}. Answers so "
            "far are kept: run the "
            "same command again when the endpoint is back"
        )

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "User-Agent": "finereel"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        address = self.url.rstrip("/").removesuffix("/chat/completions") + "/chat/completions"
        request = urllib.request.Request(address, data=body, headers=headers, method="POST")
        deadline = time.monotonic() + self.patience.timeout
        try:
            with _OPENER.open(request, timeout=self.patience.timeout) as response:
                return _read(response, deadline)
        except urllib.error.HTTPError as error:
            with error:
                raise self._judged(error) from None
        except (OSError, http.client.HTTPException) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            raise _PassingError(str(cause) or type(error).__name__) from error

    def _judged(self, error: urllib.error.HTTPError) -> Exception:
        said = " ".join(error.read(_SHOWN * 4).decode("utf-8", "replace").split())[:_SHOWN]
        message = f"HTTP {error.code} {said}"
        if error.code in RETRIED:
            return _PassingError(message, _seconds(error.headers.get("Retry-After")))
        if error.code in QUESTION_REFUSED:
            return QuestionRefusedError(f"{self.url} refused the question: {message}")
        advice = {
            401: "set FINEREEL_LLM_KEY to a valid key",
            403: "the key may not use this model",
            404: f"is {self.model!r} served there, and does the base URL end before "
            "/chat/completions?",
        }.get(error.code, "look at the endpoint's own log")
        return ProposalError(f"{self.url} answered {message}: {advice}")


class _PassingError(Exception):
    """A failure that may pass; retry_after: seconds the endpoint asked for."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Refuse: the status then ends as an error."""


_OPENER = urllib.request.build_opener(_NoRedirect)


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body, within its size and the deadline: a socket's own timeout starts anew with every
    byte.
    """
    parts, size = [], 0
    while part := response.read1(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > LARGEST_REPLY:
            raise _PassingError(f"a reply of more than {LARGEST_REPLY} bytes")
        if time.monotonic() > deadline:
            raise _PassingError("a reply that did not end in time")
    return b"".join(parts)


def _content(body: bytes) -> str:
    try:
        content = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        content = None
    if not isinstance(content, str):
        start = " ".join(body[:_SHOWN].decode("utf-8", "replace").split())
        raise _PassingError(
            f"expected a chat completion with choices[0].message.content, got {start!r}"
        )
    return content


def _seconds(header: str | None) -> float:
    """Retry-After in seconds; a date or nonsense counts as none."""
    return (
        float(header)
        if header and header.isascii() and header.isdigit() and len(header) < 7
        else 0.0
    )


def _this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
