"""The options by which `search` and `export` choose clips, in one place."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finereel.cli.option_groups import with_options
from finereel.errors import ConfigError

if TYPE_CHECKING:
    from finereel.index.query import Query

TOP = 10
"""Number of results that nobody chose."""

CLOSEST = 3
"""Hits that are given where nothing clearly fits and nobody chose a number."""


@dataclass(frozen=True)
class QueryOptions:
    """What a person wrote of a query on a command line; every attribute is an option."""

    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            min=1,
            show_default=str(TOP),
            help="Number of results; where nothing clearly fits, 3 unless it is given.",
        ),
    ] = None
    per_video: Annotated[
        int, typer.Option("--per-video", min=1, help="Maximum number of results from one video.")
    ] = 1
    within: Annotated[
        list[Path] | None,
        typer.Option(
            "--in",
            "--folder",
            metavar="PATH",
            help="Only in this folder or file; may be given several times.",
        ),
    ] = None
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="DATE",
            help="Only videos recorded since then: 2026, 2026-05, 2026-05-17 or 2026-05-17T18:30.",
        ),
    ] = None
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="DATE", help="Only videos recorded until then, that day included."
        ),
    ] = None
    min_length: Annotated[
        str | None,
        typer.Option(
            "--min-length",
            metavar="LENGTH",
            help="Only videos at least that long: seconds, M:SS or H:MM:SS.",
        ),
    ] = None
    max_length: Annotated[
        str | None,
        typer.Option("--max-length", metavar="LENGTH", help="Only videos at most that long."),
    ] = None
    tags: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            metavar="NAME",
            help="Only videos with this tag, see `finereel tag`; given several times, with all.",
        ),
    ] = None
    codecs: Annotated[
        list[str] | None,
        typer.Option(
            "--codec",
            metavar="NAME",
            help="Only videos with this picture or sound codec, such as hevc, or none for no "
            "sound; given several times, with one of them.",
        ),
    ] = None
    none_of: Annotated[
        list[str] | None,
        typer.Option(
            "--not",
            metavar="TEXT",
            help="What must not happen in the clip; may be given several times.",
        ),
    ] = None
    either: Annotated[
        list[str] | None,
        typer.Option("--or", metavar="TEXT", help="What may happen in the clip instead of TEXT."),
    ] = None
    all_of: Annotated[
        list[str] | None,
        typer.Option("--and", metavar="TEXT", help="What happens in the same clip as well."),
    ] = None
    versus: Annotated[
        list[str] | None,
        typer.Option(
            "--versus",
            metavar="TEXT",
            help="Compare: list the clips that fit TEXT, then those that fit this one better.",
        ),
    ] = None
    then: Annotated[
        list[str] | None,
        typer.Option(
            "--then",
            metavar="TEXT",
            help="What happens next in the same video, within 30 s; may be given several times.",
        ),
    ] = None
    paragraph: Annotated[
        bool,
        typer.Option(
            "--paragraph",
            help="TEXT is several sentences, which happen one after the other, as with --then.",
        ),
    ] = False
    any_order: Annotated[
        bool,
        typer.Option(
            "--any-order", help="With --then or --paragraph: in any order, close to one another."
        ),
    ] = False
    window: Annotated[
        bool,
        typer.Option(
            "--window", help="Give the times of the indexed clips instead of those of the moments."
        ),
    ] = False

    def query(self, text: str, moments: bool = True) -> "Query":
        """The query for `text`. moments: whether hits may be moments, unless --window was given.

        Raises typer.BadParameter for what no query can be.
        """
        from finereel.index.query import Query, filters_of
        from finereel.text.query import checked_query

        def checked(texts: list[str] | None) -> tuple[str, ...]:
            return tuple(map(checked_query, texts or ()))

        try:
            filters = filters_of(
                recorded=(self.since, self.until),
                length=(self.min_length, self.max_length),
                folders=[
                    os.path.abspath(path.expanduser())  # noqa: PTH100
                    for path in self.within or ()
                ],
                tags=self.tags or (),
                codecs=self.codecs or (),
            )
            return Query(
                checked_query(text),
                filters,
                self.top or TOP,
                self.per_video,
                either=checked(self.either),
                all_of=checked(self.all_of),
                none_of=checked(self.none_of),
                versus=checked(self.versus),
                then=checked(self.then),
                paragraph=self.paragraph,
                any_order=self.any_order,
                moments=moments and not self.window,
            )
        except ConfigError as error:
            raise typer.BadParameter(str(error)) from error


AS_USUAL = QueryOptions()
"""Where nobody chose anything."""


with_query_options = with_options(QueryOptions)
