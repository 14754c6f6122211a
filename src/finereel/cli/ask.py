"""`ask`: answer a question about a video with one of several possible answers."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finereel.cli.opening import open_library
from finereel.cli.output import (
    DEFAULT_LIBRARY,
    JsonOption,
    LibraryOption,
    bar,
    print_json,
    share_of,
)
from finereel.cli.search import notes_on_stderr
from finereel.cli.table import Column, print_results

if TYPE_CHECKING:
    from finereel.index.question import LeadConfidence, QuestionAnswer

_LEVELS = {"strong": "a clear answer", "possible": "a possible answer", "none": "no clear answer"}


def ask(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video, in the library or not.")],
    question: Annotated[
        list[str],
        typer.Argument(metavar="QUESTION", help="The question, in plain English."),
    ],
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--options",
            metavar="A,B,...",
            help="The possible answers, with commas between; without them, those that the "
            "question names, or yes and no.",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="TEXT",
            help="A possible answer, which may hold commas; may be given several times.",
        ),
    ] = None,
    library: LibraryOption = DEFAULT_LIBRARY,
    as_json: JsonOption = False,
) -> None:
    """Answer QUESTION about VIDEO with the possible answer that fits best.

    Example: finereel ask holiday.mp4 "is the man running or walking?" --options running,walking

    Every answer is turned into a statement, which is compared with the video. `share` is how the
    model divides the video among these answers: it says which one fits best, and is no probability
    that it is right. Whether the first one leads clearly is told below.
    """
    listed = [part.strip() for text in options or () for part in text.split(",")]
    answers = [*(part for part in listed if part), *(option or ())]
    with closing(open_library(library)) as opened, notes_on_stderr():
        found = opened.ask(video, " ".join(question), answers)
    if as_json:
        print_json(_as_json(found))
        return
    ranked = found.answers
    print_results(
        [
            Column("#", tuple(str(rank) for rank in range(1, len(ranked) + 1)), right=True),
            Column("answer", tuple(answer.option for answer in ranked), shrinks=True),
            Column("statement", tuple(answer.statement for answer in ranked), shrinks=True),
            Column("score", tuple(f"{answer.score:.3f}" for answer in ranked), right=True),
            Column(
                "share",
                tuple(f"{bar(a.share, 1.0)} {100 * a.share:3.0f} %" for a in ranked),
                right=True,
            ),
        ]
    )
    typer.echo(_in_words(found.confidence))


def _in_words(confidence: "LeadConfidence | None") -> str:
    if confidence is None:
        return "how clearly the first answer leads is not known: the library has too few clips"
    return (
        f"{_LEVELS[confidence.level]}: the first one leads the second by more than on "
        f"{share_of(confidence.more_than)} other clips here"
    )


def _as_json(found: "QuestionAnswer") -> dict[str, object]:
    sure = found.confidence
    told = sure and {"level": sure.level, "p": sure.p, "clips": sure.clips}
    return {
        "video": found.video,
        "question": found.question,
        "answers": [asdict(answer) for answer in found.answers],
        "confidence": told,
    }
