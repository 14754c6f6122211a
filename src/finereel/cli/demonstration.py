"""Carry out `finereel demo`: search real pictures, then render drawn scenes whose captions differ in
one word, index and search them, check the answers, draw pictures, and suggest next steps.
"""

import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from finereel.cli.contact_sheet import ContactSheetRow, draw_contact_sheet
from finereel.cli.demo_pictures import search_pictures
from finereel.cli.demo_search import (
    DemoSearch,
    Search,
    ask,
    command,
    heading,
    index_videos,
    mark,
    say,
    show_searches,
)
from finereel.cli.reelworld import render
from finereel.errors import ConfigError, DataError
from finereel.io.atomic import replace_folder, storage_errors
from finereel.library import Library

POS_ORDER = ("verb", "preposition", "adverb", "adjective", "noun")


@dataclass(frozen=True)
class DemoTwin:
    """The same scene with one word's meaning changed: its part of speech, its caption, its video,
    both words.
    """

    pos: str
    caption: str
    video: str
    source: str
    replacement: str


@dataclass(frozen=True)
class DemoClip:
    """A rendered scene: its video (relative to the folder), a caption that is true of it, its
    twins.
    """

    video: str
    caption: str
    twins: tuple[DemoTwin, ...]


@dataclass(frozen=True)
class DemoPair:
    """A clip and its twin, each asked for with its own caption; the captions differ in one word."""

    twin: DemoTwin
    clip: DemoSearch
    other: DemoSearch

    @property
    def flips(self) -> bool:
        """Whether the word decides: each caption puts its own video before the other one."""
        return self.clip.prefers_right_to(self.other.right) and self.other.prefers_right_to(
            self.clip.right
        )


def read_clips(folder: Path) -> list[DemoClip]:
    """The clips of a ReelWorld folder as its captions.jsonl lists them."""
    clips = []
    for number, line in enumerate(
        (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines(), 1
    ):
        try:
            record = json.loads(line)
            twins = tuple(
                DemoTwin(**{name: twin[name] for name in DemoTwin.__match_args__})
                for twin in record["twins"]
            )
            clips.append(DemoClip(record["video"], record["caption"], twins))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{folder / 'captions.jsonl'}, line {number} is not a ReelWorld clip ({error!r}); "
                f"remove {folder} and run the demo again"
            ) from error
    return clips


def ask_pair(search: Search, clip: DemoClip, twin: DemoTwin, folder: Path) -> DemoPair:
    """Search for a clip's caption and for its twin's."""
    return DemoPair(
        twin,
        ask(search, clip.caption, clip.video, folder),
        ask(search, twin.caption, twin.video, folder),
    )


def tell_tale(pairs: Sequence[DemoPair]) -> DemoPair | None:
    """The pair to show: one whose word decides, and whose two videos come first; verbs before
    nouns.
    """

    def telling(pair: DemoPair) -> tuple[int, int]:
        return pair.clip.rank + pair.other.rank, POS_ORDER.index(pair.twin.pos)

    return min((pair for pair in pairs if pair.flips), key=telling, default=None)


def count_by_pos(pairs: Sequence[DemoPair]) -> dict[str, tuple[int, int]]:
    """Per part of speech: pairs whose word decides, and all pairs."""
    groups = {pos: [pair for pair in pairs if pair.twin.pos == pos] for pos in POS_ORDER}
    return {
        pos: (sum(pair.flips for pair in group), len(group))
        for pos, group in groups.items()
        if group
    }


MODEL = "reelworld-tiny"
SPLIT = "test_seen"
SEED = 0
PLAIN = 3


def demonstrate(folder: Path, scenes: int) -> None:
    """All of it, in `folder`; what an earlier run left there is used again."""
    began = time.perf_counter()
    real = search_pictures(folder.absolute())
    videos, library = folder.absolute() / "videos", folder.absolute() / "library"
    clips = _render(videos, scenes)
    with closing(Library.open(library, model=MODEL)) as opened:
        index_videos(opened, videos)
        search = partial(opened.search, top=opened.status().clips)
        found = [ask(search, clip.caption, clip.video, videos) for clip in clips[:PLAIN]]
        pairs = [ask_pair(search, clip, twin, videos) for clip in clips for twin in clip.twins]
    show_searches(found)
    _show_pairs(pairs)
    draw_contact_sheet(_picture_rows(found, pairs), folder / "searches.png")
    _say_what_next(folder, clips[0], time.perf_counter() - began, real)


def _render(videos: Path, scenes: int) -> list[DemoClip]:
    """The clips of the demo, rendered unless an earlier run did."""
    if videos.exists():
        clips = read_clips(videos)
        if len(clips) != scenes:
            raise ConfigError(
                f"{videos} holds a demo of {len(clips)} scenes, asked for {scenes}: choose another "
                "folder, or remove it"
            )
        heading("videos", f"rendered before, in {videos}")
        return clips
    heading(
        "videos",
        f"rendering {scenes} scenes and their twins (same scene, one word different) in {videos}",
    )
    # Under another name until complete: a demo that was stopped here starts over.
    with storage_errors(videos):
        videos.parent.mkdir(parents=True, exist_ok=True)
        with replace_folder(videos) as fresh:
            render(fresh, scenes, SEED, SPLIT)
    return read_clips(videos)


def _show_pairs(pairs: Sequence[DemoPair]) -> None:
    heading("one word", "each clip against its twin: does each caption put its own video first?")
    pair = tell_tale(pairs)
    if pair is None:
        say("  no single word flips a ranking in this library: the model misses them all")
    else:
        for side, rival in ((pair.clip, pair.other), (pair.other, pair.clip)):
            say(f"  “{side.query}”")
            for name in sorted((side.right, rival.right), key=side.names.index):
                mark(f"       {name:<28} {side.score_of(name):8.3f}", name == side.right)
    for pos, (flipped, total) in count_by_pos(pairs).items():
        say(f"  {pos:<12} {flipped} of {total} pairs told apart both ways")


def _picture_rows(found: Sequence[DemoSearch], pairs: Sequence[DemoPair]) -> list[ContactSheetRow]:
    pair = tell_tale(pairs)
    plain = [asked for asked in found if pair is None or asked.right_path != pair.clip.right_path]
    rows = [ContactSheetRow(asked.query, asked.hits, asked.right_path) for asked in plain[:2]]
    if pair is not None:
        rows.append(
            ContactSheetRow(pair.clip.query, pair.clip.hits, pair.clip.right_path, pair.twin.source)
        )
        rows.append(
            ContactSheetRow(
                pair.other.query, pair.other.hits, pair.other.right_path, pair.twin.replacement
            )
        )
    return rows


def _say_what_next(folder: Path, clip: DemoClip, seconds: float, real: bool) -> None:
    library = folder / "library"
    heading("done", f"in {seconds:.0f} s")
    say(f"  videos    {folder / 'videos'}")
    say(f"  library   {library}")
    say(f"  picture   {folder / 'searches.png'}")
    if real:
        say(f"  picture   {folder / 'real.png'}    (of the real pictures)")
    heading("next", "")
    seen = folder / "real-library" if real else library
    say(
        f"  {command()} serve --library {seen}    (a page in the browser: search, see why, play the "
        "moment, take it along)"
    )
    say(f'  {command()} search "{clip.caption}" --library {library}')
    say(f"  {command()} status --library {library}")
    say(f"  {command()} demo --videos ~/Videos    (your own, with queries of your own: --query)")
    say(f"  {command()} index ~/Videos    (`{command()} models` says which model answers)")
