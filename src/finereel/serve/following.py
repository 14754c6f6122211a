"""A library that is asked often while others write to it: its newest state is opened beside the
searches and not by them.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from finereel.asking import OpenedState, StateKey
from finereel.errors import FinereelError, LibraryError
from finereel.index.answering import Answering
from finereel.index.opening import newest_commit, require_same_model
from finereel.index.presence import not_found
from finereel.index.protocols import SearchModel, VideoSource
from finereel.index.search import Searcher
from finereel.index.snapshot import MOST_KEPT
from finereel.io.atomic import first_line
from finereel.io.storage.places import Place, StorePath
from finereel.library import Library

Asked = TypeVar("Asked")

LOOK_SECONDS, LOOK_FAR_SECONDS = 0.25, 2.0
"""How often new commits are looked for; the second in an object store, where a look costs two
requests.
"""
REST, LONGEST_REST = 8.0, 5.0
"""After a state was opened, none is opened for so many times as long, up to so many
seconds: searches need the cores.
"""


@dataclass(frozen=True)
class _Ready:
    """A state that answers, and the model that it was indexed with."""

    state: OpenedState
    model: SearchModel


class FollowedLibrary(Library):
    """A library whose searches are answered by the newest state that is ready: that of the newest
    commit, or of one just before it.

    Every answer is that of one committed state. `follow` looks for new commits until `leave`.
    """

    def __init__(
        self, path: Place, model: str | Path | SearchModel | None, source: VideoSource
    ) -> None:
        super().__init__(path, model, source)
        self._ready: tuple[_Ready, ...] = ()
        self._failed: FinereelError | None = None
        self._opening = threading.Lock()
        self._leaving = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, on_state: Callable[[FinereelError | None], None]) -> None:
        """Look for new commits in a thread. on_state: told of every state that is ready, and what is
        wrong when there is none any more.
        """
        self._thread = threading.Thread(target=self._follow, args=(on_state,), daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Look no more."""
        self._leaving.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def failure(self) -> FinereelError | None:
        """Why there is no state that answers; None where there is one, or it is being opened."""
        return self._failed

    def catch_up(self) -> None:
        """Open the newest state now, if it is not the one that answers.

        Raises FinereelError where it cannot be opened.
        """
        with self._opening:
            found = newest_commit(self.path)
            if found is None:
                raise not_found(self.path)
            ready = self._ready[:1]
            if ready and ready[0].state.key == StateKey.of(self.path / found[0], found[1]):
                return
            store = self._existing()
            if self._wanted is None and ready:
                same = ready[0].model.fingerprint == store.manifest.model.fingerprint
                self._model = self._model if same else None  # the library was rebuilt
            model = self._load_model()
            require_same_model(store, model, self.path)
            fresh = OpenedState.of(store, self.path)
            if fresh.answering.searcher.snapshot.count <= MOST_KEPT:
                fresh.answering.searcher.snapshot.keep_rows()
            with suppress(FinereelError):  # the answers tell
                fresh.answering.prepare(model)
            self._ready = (_Ready(fresh, model), *ready)

    def _follow(self, on_state: Callable[[FinereelError | None], None]) -> None:
        # No lower priority: on a busy machine, searches would wait for the lock of Python that a
        # thread holds which is not let run.
        told: object = None
        pause = 0.0
        look = LOOK_FAR_SECONDS if isinstance(self.path, StorePath) else LOOK_SECONDS
        while not self._leaving.wait(pause):
            began = time.monotonic()
            try:
                self.catch_up()
                self._failed = None
            except FinereelError as error:
                self._failed = error
            except Exception as error:  # the thread must live: whatever it is may pass
                self._failed = LibraryError(first_line(error))
            now = str(self._failed) if self._failed else self._ready[0].state.key
            if now != told:
                told = now
                on_state(self._failed)
            pause = max(look, min(LONGEST_REST, REST * (time.monotonic() - began)))

    def _require(self) -> None:
        """Raise where the library has gone; nothing is opened."""
        if self._failed is not None:
            raise self._failed

    def _of_one_state(self, how: Callable[[Searcher, SearchModel], Asked]) -> Asked:
        """Ask the newest state that is ready; where a writer took its files away, a newer one."""
        self._require()
        if not self._ready:
            self.catch_up()
        try:
            return self._asked_now(how)
        except FinereelError:
            before = self._ready[0]
            self.catch_up()
            if self._ready[0] is before:
                raise
            return self._asked_now(how)

    def _asked_now(self, how: Callable[[Searcher, SearchModel], Asked]) -> Asked:
        ready = self._ready[0]
        return how(ready.state.answering.searcher, ready.model)

    def _answering(self, searcher: Searcher) -> Answering:
        for ready in self._ready:
            if ready.state.answering.searcher is searcher:
                return ready.state.answering
        return super()._answering(searcher)
