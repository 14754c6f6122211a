"""What a review needs while it is served: its page, its videos and the verdict files of its raters."""

import json
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from finereel.errors import ConfigError, StorageError
from finereel.finegrain.review.page import Page, PageSettings, make_page, media_key, stills
from finereel.finegrain.review.verdicts import (
    Item,
    VerdictLog,
    current,
    judgement,
    open_log,
    rater_name,
)


class ReviewSession:
    """What a review needs while it is served: the page, the videos under opaque names, a verdict
    file per rater.

    negatives: the file that is read; verdicts lie beside it. rater: the only one who may judge, ""
    for whoever gives a name. A rater is sent their own verdicts and no others. A rater's file is
    held from first use until `close`; raises ConfigError where another process holds that of
    `rater`.
    """

    def __init__(
        self, items: Sequence[Item], videos: Mapping[str, Path], negatives: Path, rater: str = ""
    ) -> None:
        self.rater = rater_name(rater) if rater else ""
        self.videos = {media_key(video): path for video, path in videos.items()}
        settings = PageSettings("served", negatives.stem, self.rater)
        self.page: Page = make_page(items, dict.fromkeys(self.videos, ()), settings)
        self._items = {item.key: item for item in items}
        self._negatives = negatives
        self._logs: dict[str, VerdictLog] = {}
        self._held = ExitStack()
        self._stills: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()
        if self.rater:
            self.log(self.rater)

    def log(self, name: str) -> VerdictLog:
        """The verdict file of a rater. Raises ConfigError for a name that is none or not the
        expected one, and for a file that another process holds or that cannot be.
        """
        rater = rater_name(name)
        if self.rater and rater != self.rater:
            raise ConfigError(f"this review is for {self.rater}, got {rater}")
        with self._lock:
            if rater not in self._logs:
                try:
                    self._logs[rater] = self._held.enter_context(open_log(self._negatives, rater))
                except StorageError as error:
                    raise ConfigError(
                        f"no verdicts can be kept beside {self._negatives}: {error}"
                    ) from error
            return self._logs[rater]

    def close(self) -> None:
        """Let go of the verdict files."""
        self._held.close()

    def judge(self, body: bytes) -> None:
        """Keep one step. Raises FinereelError for what is no verdict on an item of this review."""
        try:
            event = judgement(json.loads(body))
        except ValueError as error:
            raise ConfigError(str(error)) from None
        item = self._items.get(event.item)
        if item is None:
            raise ConfigError("there is no such item in this review: load the page again")
        self.log(event.rater).add(replace(event, id=item.row.id, pos=item.row.pos))

    def stills(self, key: str) -> tuple[str, ...]:
        """Frames of a video that the browser cannot play, decoded once."""
        with self._lock:
            if key not in self._stills:
                self._stills[key] = stills(self.videos[key])
            return self._stills[key]

    def judged(self) -> dict[str, int]:
        """How many verdicts stand, by rater who was here."""
        return {rater: len(current(log.events)) for rater, log in self._logs.items()}
