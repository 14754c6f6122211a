"""Carry out `finereel demo`: render, index, search, check the answers, draw a picture, suggest next
steps.
"""

import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from rich.text import Text

from finereel.cli.contact_sheet import ContactSheetRow, draw_contact_sheet
from finereel.cli.demo_results import (
    DemoClip,
    DemoPair,
    DemoSearch,
    ask,
    ask_pair,
    count_by_pos,
    read_clips,
    tell_tale,
)
from finereel.cli.index import summary
from finereel.cli.output import console
from finereel.cli.progress import IndexProgress
from finereel.cli.reelworld import render
from finereel.errors import ConfigError
from finereel.library import Library

MODEL = "reelworld-tiny"
SPLIT = "test_seen"
SEED = 0
PLAIN = 3
SHOWN = 3


def demonstrate(folder: Path, scenes: int) -> None:
    """All of it, in `folder`; what an earlier run left there is used again."""
    began = time.perf_counter()
    videos, library = folder.absolute() / "videos", folder.absolute() / "library"
    clips = _render(videos, scenes)
    with closing(Library.open(library, model=MODEL)) as opened:
        _index(opened, videos)
        search = partial(opened.search, top=opened.status().clips)
        found = [ask(search, clip.caption, clip.video, videos) for clip in clips[:PLAIN]]
        pairs = [ask_pair(search, clip, twin, videos) for clip in clips for twin in clip.twins]
    _show_searches(found)
    _show_pairs(pairs)
    draw_contact_sheet(_picture_rows(found, pairs), folder / "searches.png")
    _say_what_next(folder, clips[0], time.perf_counter() - began)


def _render(videos: Path, scenes: int) -> list[DemoClip]:
    """The clips of the demo, rendered unless an earlier run did."""
    if videos.exists():
        clips = read_clips(videos)
        if len(clips) != scenes:
            raise ConfigError(
                f"{videos} holds a demo of {len(clips)} scenes, asked for {scenes}: choose another "
                "folder, or remove it"
            )
        _heading("videos", f"rendered before, in {videos}")
        return clips
    _heading(
        "videos",
        f"rendering {scenes} scenes and their twins (same scene, one word different) in {videos}",
    )
    # Under another name until complete: a demo that was stopped here starts over.
    unfinished = videos.with_name("videos.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    render(unfinished, scenes, SEED, SPLIT)
    unfinished.rename(videos)
    return read_clips(videos)


def _index(library: Library, videos: Path) -> None:
    _heading("index", f"with the bundled model {MODEL}")
    with IndexProgress() as progress:
        report = library.add([videos], on_event=progress)
    _line(f"  {summary(report)}")


def _show_searches(found: Sequence[DemoSearch]) -> None:
    _heading(
        "search",
        f"the whole library holds {len(found[0].hits)} clips; the best {SHOWN} of each search",
    )
    for asked in found:
        _line(f"  “{asked.query}”")
        for rank, (name, hit) in enumerate(zip(asked.names[:SHOWN], asked.hits, strict=False), 1):
            _mark(f"    {rank}. {name:<28} {hit.score:8.3f}", name == asked.right)
        if asked.rank != 1:
            _line(
                f"       missed: the described video {asked.right} has rank {asked.rank or 'none'}"
            )


def _show_pairs(pairs: Sequence[DemoPair]) -> None:
    _heading("one word", "each clip against its twin: does each caption put its own video first?")
    pair = tell_tale(pairs)
    if pair is None:
        _line("  no single word flips a ranking in this library: the model misses them all")
    else:
        for side, rival in ((pair.clip, pair.other), (pair.other, pair.clip)):
            _line(f"  “{side.query}”")
            for name in sorted((side.right, rival.right), key=side.names.index):
                _mark(f"       {name:<28} {side.score_of(name):8.3f}", name == side.right)
    for pos, (flipped, total) in count_by_pos(pairs).items():
        _line(f"  {pos:<12} {flipped} of {total} pairs told apart both ways")


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


def _say_what_next(folder: Path, clip: DemoClip, seconds: float) -> None:
    # `make demo` runs a command that is not on the path: name it as it was called.
    command = "finereel" if shutil.which("finereel") else sys.argv[0]
    library = folder / "library"
    _heading("done", f"in {seconds:.0f} s")
    _line(f"  videos    {folder / 'videos'}")
    _line(f"  library   {library}")
    _line(f"  picture   {folder / 'searches.png'}")
    _heading("next", "")
    _line(f'  {command} search "{clip.caption}" --library {library}')
    _line(f"  {command} status --library {library}")
    _line(
        f"  {command} index ~/Videos    (your own; with CLIP ViT-B/32, which knows real pictures)"
    )


def _heading(name: str, text: str) -> None:
    console().print(Text.assemble("\n", (name, "bold cyan"), f"  {text}"), soft_wrap=True)


def _line(text: str) -> None:
    console().print(Text(text), soft_wrap=True)


def _mark(text: str, right: bool) -> None:
    console().print(
        Text(text + ("  <- described" if right else ""), style="green" if right else ""),
        soft_wrap=True,
    )
