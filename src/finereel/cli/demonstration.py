"""What `finereel demo` does: render, index, search, judge the answers, draw a picture, say what is
next.
"""

import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from rich.text import Text

from finereel.cli.contact_sheet import SheetRow, draw_sheet
from finereel.cli.demo_results import (
    DemoClip,
    DemoPair,
    Finding,
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
from finereel.io.atomic import replace_folder, storage_errors
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
    draw_sheet(_sheet_rows(found, pairs), folder / "searches.png")
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
    with storage_errors(videos):
        videos.parent.mkdir(parents=True, exist_ok=True)
        with replace_folder(videos) as fresh:
            render(fresh, scenes, SEED, SPLIT)
    return read_clips(videos)


def _index(library: Library, videos: Path) -> None:
    _heading("index", f"with the bundled model {MODEL}")
    with IndexProgress() as progress:
        report = library.add([videos], on_event=progress)
    _line(f"  {summary(report)}")


def _show_searches(found: Sequence[Finding]) -> None:
    _heading(
        "search",
        f"the whole library holds {len(found[0].hits)} clips; the best {SHOWN} of each search",
    )
    for finding in found:
        _line(f"  “{finding.query}”")
        for rank, (name, hit) in enumerate(
            zip(finding.names[:SHOWN], finding.hits, strict=False), 1
        ):
            _mark(f"    {rank}. {name:<28} {hit.score:8.3f}", name == finding.right)
        if finding.rank != 1:
            _line(
                f"       a miss: {finding.right}, which it describes, came "
                f"{finding.rank or 'nowhere'}"
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


def _sheet_rows(found: Sequence[Finding], pairs: Sequence[DemoPair]) -> list[SheetRow]:
    pair = tell_tale(pairs)
    plain = [
        finding for finding in found if pair is None or finding.right_path != pair.clip.right_path
    ]
    rows = [SheetRow(finding.query, finding.hits, finding.right_path) for finding in plain[:2]]
    if pair is not None:
        rows.append(
            SheetRow(pair.clip.query, pair.clip.hits, pair.clip.right_path, pair.twin.source)
        )
        rows.append(
            SheetRow(
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
