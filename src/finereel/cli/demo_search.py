"""What the parts of `finereel demo` share: a query and its answer, and how both are shown."""

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from finereel.cli.index import summary
from finereel.cli.output import console, shown
from finereel.cli.progress import IndexProgress
from finereel.library import Library
from finereel.types import Hit

Search = Callable[[str], Sequence[Hit]]
SHOWN = 3


@dataclass(frozen=True)
class DemoSearch:
    """A query, its hits best first with their videos' names, and the name of the video that it
    describes (empty where nobody knows).
    """

    query: str
    right: str
    names: tuple[str, ...]
    hits: tuple[Hit, ...]

    @property
    def rank(self) -> int:
        """Where the right video came, from 1; 0 where it is not among the hits."""
        return self.names.index(self.right) + 1 if self.right in self.names else 0

    @property
    def right_path(self) -> str:
        """The right video as the hits name it."""
        return self.hits[self.rank - 1].video if self.rank else ""

    def score_of(self, name: str) -> float:
        """The score of a video among the hits."""
        return self.hits[self.names.index(name)].score

    def prefers_right_to(self, other: str) -> bool:
        """Whether the right video stands before `other`."""
        return bool(self.rank) and other not in self.names[: self.rank]


def ask(search: Search, query: str, right: str, folder: Path) -> DemoSearch:
    """Search for `query`, the caption of the video `right` (a name relative to `folder`)."""
    hits = tuple(search(query))
    return DemoSearch(query, right, tuple(name_of(hit, folder) for hit in hits), hits)


def name_of(hit: Hit, folder: Path) -> str:
    """The hit's video relative to the folder of the videos."""
    path = Path(hit.video)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else hit.video


def index_videos(library: Library, videos: Path) -> None:
    """Index a folder, with its progress on stderr and what came of it on stdout."""
    heading("index", f"with the model {shown(library.model_name)}")
    library.tune()
    with IndexProgress() as progress:
        report = library.add([videos], on_event=progress)
    say(f"  {summary(report)}")


def show_searches(found: Sequence[DemoSearch]) -> None:
    """Print the best hits of each query, and where the right video came if it was not first."""
    heading(
        "search",
        f"the whole library holds {len(found[0].hits)} clips; the best {SHOWN} of each search",
    )
    for asked in found:
        say(f"  “{shown(asked.query)}”")
        for rank, (name, hit) in enumerate(zip(asked.names[:SHOWN], asked.hits, strict=False), 1):
            mark(f"    {rank}. {shown(name):<28} {hit.score:8.3f}", name == asked.right)
        if asked.right and asked.rank != 1:
            say(f"       missed: the described video {asked.right} has rank {asked.rank or 'none'}")


def command() -> str:
    """How this program was called: `make demo` runs one that is not on the path."""
    if shutil.which("finereel"):
        return "finereel"
    return "python -m finereel" if Path(sys.argv[0]).name == "__main__.py" else sys.argv[0]


def heading(name: str, text: str) -> None:
    """Print the title of a step."""
    console().print(Text.assemble("\n", (name, "bold cyan"), f"  {text}"), soft_wrap=True)


def say(text: str) -> None:
    """Print a line."""
    console().print(Text(text), soft_wrap=True)


def mark(text: str, right: bool) -> None:
    """Print a hit; the right one in colour."""
    console().print(
        Text(text + ("  <- described" if right else ""), style="green" if right else ""),
        soft_wrap=True,
    )
