"""The route that searches: `/api/search`."""

import os
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from finereel.errors import ConfigError
from finereel.index.as_json import answer_as_json
from finereel.index.query import Answer, filters_of
from finereel.index.query import Query as LibraryQuery
from finereel.serve.state import Served, noted
from finereel.text.query import checked_query

router = APIRouter()

MOST = 1_000
"""Hits that may be asked for at a time."""


class SearchParameters(BaseModel):
    """What may be asked; the names are those of `finereel search`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    q: str
    none_of: list[str] = Field([], alias="not")
    either: list[str] = Field([], alias="or")
    all_of: list[str] = Field([], alias="and")
    versus: list[str] = []
    then: list[str] = []
    since: str | None = None
    until: str | None = None
    folder: list[str] = []
    min_s: float | None = None
    max_s: float | None = None
    tag: list[str] = []
    codec: list[str] = []
    top: int = Field(10, ge=1, le=MOST)
    per_video: int = Field(1, ge=1, le=MOST)
    paragraph: bool = False
    any_order: bool = False
    window: bool = False

    def query(self) -> LibraryQuery:
        """The same as a query of the library. Raises ConfigError or QueryError."""
        filters = filters_of(
            recorded=(self.since or None, self.until or None),
            length=(_length(self.min_s), _length(self.max_s)),
            folders=[_folder(path) for path in self.folder],
            tags=self.tag,
            codecs=self.codec,
        )
        return LibraryQuery(
            checked_query(self.q),
            filters,
            self.top,
            self.per_video,
            either=_checked(self.either),
            all_of=_checked(self.all_of),
            none_of=_checked(self.none_of),
            versus=_checked(self.versus),
            then=_checked(self.then),
            paragraph=self.paragraph,
            any_order=self.any_order,
            moments=not self.window,
        )


@router.get("/api/search")
async def search(served: Served, given: Annotated[SearchParameters, Query()]) -> dict[str, Any]:
    """Find the clips in which `q` happens, best first.

    The answer is version 2 of the JSON of `finereel search`, and besides: `clip_id` and `file_id`
    of every hit, `count` of hits, `commit` (the number of the committed state of the library that
    answered), `took_ms`, and `notes` about how the texts are read.
    """
    query, began = given.query(), time.monotonic()

    def work() -> tuple[Answer, list[str]]:
        with noted() as notes:
            return served.library.answer(query), notes

    answer, notes = await served.searches.run(work)
    for found in answer.hits:
        served.thumbnails.put(found.clip_id, found.thumbnail)
    told = answer_as_json(answer)
    for hit in told["hits"]:
        hit["file_id"] = hit["clip_id"].rpartition("-")[0]
    return {
        **told,
        "count": len(answer.hits),
        "commit": answer.commit,
        "took_ms": round(1000 * (time.monotonic() - began), 1),
        "notes": notes,
    }


def _checked(texts: list[str]) -> tuple[str, ...]:
    return tuple(map(checked_query, texts))


def _length(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:f}"


def _folder(path: str) -> str:
    if not os.path.isabs(path):  # noqa: PTH117 - a name to compare with, of no file here
        raise ConfigError(f"folder is an absolute path of a folder of the library, got {path!r}")
    return os.path.normpath(path)
