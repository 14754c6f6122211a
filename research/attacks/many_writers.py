"""Four processes append to one library in an object store at once."""

import sys
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from finereel.index.events import AddEvent, AddSettings, FileIndexed
from finereel.io.storage.places import StorePath
from finereel.library import Library
from index.doubles import write_video
from research.attacks.base import Result, counting
from research.attacks.stores import SERVERS, installed
from research.attacks.toy_library import opened
from support.object_store import BUCKET, known
from support.processes import FORK

WRITERS = 4
NEVER = "an announced video lost or doubled, a writer that ends with an error"


def many_writers(scratch: Path, count: int, seed: int) -> list[Result]:
    """`count` appends of one video each to each of the servers that this machine has."""
    del seed
    results = []
    for number, name in enumerate(name for name in SERVERS if installed(name)):
        folder = scratch / str(number)
        folder.mkdir()
        with SERVERS[name](folder) as url, known(url):
            results.append(_appended(name, url, folder, count))
    return results


def _appended(name: str, url: str, folder: Path, count: int) -> Result:
    place = StorePath(f"s3://{BUCKET}/appended")
    videos = [write_video(folder / f"{number}.toy", f"word{number}") for number in range(count)]
    announced, ends = Counter[str](), []
    with counting(f"appends to {name}", count) as advance:
        for told in _writing(url, str(place), videos):
            if isinstance(told, int):
                ends.append(told)
            else:
                announced[told] += 1
                advance()
    wrong = [f"a writer ended with {end}" for end in ends if end]
    wrong += _wrong(opened(place), videos, announced)
    return Result(
        f"appends by {WRITERS} writers at once to {name}",
        count,
        len(wrong),
        NEVER,
        tuple(wrong[:5]),
    )


def _writing(url: str, place: str, videos: list[Path]) -> Iterator[str | int]:
    """The paths that the writers announce as they come, and the exit status of each at its end."""
    writers = {}
    for number in range(WRITERS):
        ours, theirs = FORK.Pipe(duplex=False)
        share = videos[number::WRITERS]
        process = FORK.Process(target=_write, args=(url, place, share, theirs))
        process.start()
        theirs.close()
        writers[ours] = process
    while writers:
        for pipe in wait(list(writers)):
            assert isinstance(pipe, Connection)
            try:
                path: str = pipe.recv()
            except EOFError:
                process = writers.pop(pipe)
                process.join()
                yield process.exitcode or 0
            else:
                yield path


def _write(url: str, place: str, videos: list[Path], told: Connection) -> None:
    def tell(event: AddEvent) -> None:
        if isinstance(event, FileIndexed):
            told.send(event.path)

    with known(url):
        opened(StorePath(place)).add(
            videos, settings=AddSettings(commit_clips=1, batch_clips=1), on_event=tell
        )


def _wrong(library: Library, videos: list[Path], announced: Counter[str]) -> list[str]:
    """What is not as it must be, in words."""
    rows = library._existing().snapshot().rows(["path"])["path"].to_pylist()
    stored = Counter(Path(str(path)).name for path in rows)
    wrong = [f"{path} announced {n} times" for path, n in announced.items() if n != 1]
    wrong += [
        f"{video.name} stored {stored[video.name]} times, announced {announced[str(video)]} times"
        for video in videos
        if stored[video.name] != 1 or announced[str(video)] != 1
    ]
    wrong += [f"{problem.path}: {problem.error}" for problem in library.doctor(verify=True)]
    last = videos[-1]
    best = library.search(f"word{last.stem}")[0]
    return wrong if best.video == str(last) else [*wrong, f"a search for {last} found {best.video}"]
