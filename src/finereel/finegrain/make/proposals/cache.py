"""Cache the answers of language models, so that no question is paid for twice and a stopped run can
continue.

One SQLite file; several processes and threads may use it at once. A row holds the whole question
and the answer as it came, with the time, so that every negative can be traced to the words of the
model. No key of an endpoint is in it.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from finereel.errors import DataError
from finereel.io.atomic import writes
from finereel.io.user_cache import user_cache

# A question is what JSON can hold.
Question = Mapping[str, object]

_WAIT_SECONDS = 60.0
_TABLE = (
    "CREATE TABLE IF NOT EXISTS answers "
    "(key TEXT PRIMARY KEY, question TEXT NOT NULL, answer TEXT NOT NULL, made_at TEXT NOT NULL)"
)


def default_cache() -> Path:
    """Where answers lie unless a file is named: below XDG_CACHE_HOME, usually ~/.cache."""
    return user_cache() / "proposals.sqlite"


def key_of(question: Question) -> str:
    """The address of a question: SHA-256 of its canonical JSON.

    >>> key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(_canonical(question).encode()).hexdigest()


class AnswerCache:
    """Questions and answers in one file; the first answer to a question stays.

    The file is opened for every call, so that the object may cross processes and nothing needs
    closing.

    Raises DataError where the file exists and is something else.
    """

    @writes("path")
    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as database:
            # Readers and one writer at a time do not wait for one another.
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(_TABLE)

    def get(self, question: Question) -> str | None:
        """The answer as it came, or None where the question was never answered."""
        with self._open() as database:
            row = database.execute(
                "SELECT answer FROM answers WHERE key = ?", (key_of(question),)
            ).fetchone()
        return None if row is None else str(row[0])

    def put(self, question: Question, answer: str) -> str:
        """Keep an answer and return the one that holds: another process may have been first."""
        # Half a surrogate pair is possible in JSON, and cannot be stored.
        answer = answer.encode("utf-8", "replace").decode()
        row = (
            key_of(question),
            _canonical(question),
            answer,
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
        with self._open() as database:
            database.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", row)
        return self.get(question) or answer

    def __len__(self) -> int:
        with self._open() as database:
            return int(database.execute("SELECT COUNT(*) FROM answers").fetchone()[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=_WAIT_SECONDS)) as database, database:
                yield database
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"{self.path}: expected a cache of proposals that can be read and written, got: "
                f"{error}; name another "
                "file, or move this one away and the answers are asked for again"
            ) from error


def _canonical(question: Question) -> str:
    return json.dumps(question, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
