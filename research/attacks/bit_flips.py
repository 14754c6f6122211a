"""Bit rot: one stored file of a library changes, and no answer may change without an error."""

import multiprocessing
import random
import shutil
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from finereel.errors import FinereelError
from research.attacks.base import Result
from research.attacks.toy_library import (
    CAPTIONS,
    VIDEOS,
    Answer,
    answers,
    opened,
    same_answers,
    settings,
    write_videos,
)

QUERIES = ("dog1", "cat2 dog5", "yak")
APPROXIMATE_VIDEOS = 150
KINDS = {
    "data file": "index-*/clips.lance/data/*",
    "manifest": "index-*/clips.lance/_versions/*",
    "list of deleted rows": "index-*/clips.lance/_deletions/*",
    "transaction": "index-*/clips.lance/_transactions/*",
    "index of vectors": "index-*/clips.lance/_indices/*/*",
    "library.json": "library.json",
    "head.json": "index-*/head.json",
    "bank of captions": "index-*/bank.npz",
    "journal": "index-*/failures.jsonl",
}
"""What is damaged, and where it lies in a library."""
SHARES = {"data file": 4, "manifest": 2, "index of vectors": 2}
"""Kinds that get several times the inputs of the others."""


def bit_flips(scratch: Path, count: int, seed: int) -> list[Result]:
    """Flip a bit, or zero some bytes, of about `count` stored files, and compare all answers with
    those before.
    """
    rng = random.Random(seed)
    made = {
        approximate: _make(scratch / f"made-{approximate}", approximate)
        for approximate in (False, True)
    }
    expected = {approximate: _ask(library, approximate) for approximate, library in made.items()}
    kinds = [kind for kind in KINDS for _ in range(SHARES.get(kind, 1))]
    tried: Counter[str] = Counter()
    wrong: dict[str, list[str]] = {kind: [] for kind in KINDS}
    with _Child() as child:
        for number in range(count):
            kind = kinds[number % len(kinds)]
            approximate = kind == "index of vectors"
            copy = scratch / "copy" / "library"
            shutil.rmtree(copy.parent, ignore_errors=True)
            shutil.copytree(made[approximate], copy)
            damage = _spoil(copy, kind, rng)
            tried[kind] += 1
            outcome = child.verdict(copy, approximate, expected[approximate])
            if outcome:
                wrong[kind].append(f"{damage}: {outcome}")
    never = "a changed answer without a typed error"
    return [
        Result(
            f"bits flipped or zeroed: {kind}",
            tried[kind],
            len(wrong[kind]),
            never,
            tuple(wrong[kind][:3]),
        )
        for kind in KINDS
    ]


def verdict(library: Path, approximate: bool, expected: list[Answer]) -> str:
    """What is wrong with the answers of a damaged library; empty where they are right, or a typed
    error.
    """
    try:
        opened(library).status()
        return "" if same_answers(_ask(library, approximate), expected) else "another answer"
    except FinereelError:
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]


class _Child:
    """Runs verdicts in a child process: a library read from damaged files could take its process
    down.
    """

    def __enter__(self) -> "_Child":
        self._start()
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()

    def verdict(self, library: Path, approximate: bool, expected: list[Answer]) -> str:
        try:
            return self._pool.submit(verdict, library, approximate, expected).result(timeout=60)
        except (BrokenProcessPool, TimeoutError) as error:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._start()
            return f"the process {'died' if isinstance(error, BrokenProcessPool) else 'hung'}"

    def _start(self) -> None:
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


def _make(place: Path, approximate: bool) -> Path:
    """A library with a bank, a removed video and one that changed; with an approximate index, a
    larger one.
    """
    videos, library = place / "videos", place / "library"
    made = opened(library)
    write_videos(videos, APPROXIMATE_VIDEOS if approximate else VIDEOS)
    if approximate:
        made.add([videos], settings=settings(commit_clips=400, ann_threshold=100))
        return library
    made.add([videos], settings=settings())
    made.fit_normalization(CAPTIONS)
    (videos / "v3.toy").write_text("2 cow3\n2 cow4\n2 cow5\n")
    made.add([videos], settings=settings())
    made.remove([videos / "v4.toy"])
    return library


def _ask(library: Path, approximate: bool) -> list[Answer]:
    return (
        answers(library, QUERIES, 20)
        if approximate
        else answers(library, QUERIES) + answers(library, QUERIES, 5)
    )


def _spoil(library: Path, kind: str, rng: random.Random) -> str:
    files = sorted(
        path for path in library.glob(KINDS[kind]) if path.is_file() and path.stat().st_size
    )
    if kind == "manifest" and rng.random() < 0.5:
        files = files[:1]  # the newest, which every reader opens
    path = rng.choice(files)
    content = bytearray(path.read_bytes())
    place = rng.randrange(len(content))
    length = rng.choice([0, 0, 0, 1, 16, 512])
    if length:
        content[place : place + length] = bytes(len(content[place : place + length]))
    else:
        content[place] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    what = f"{length} bytes zeroed" if length else "a bit flipped"
    return f"{path.relative_to(library)}, {what} at {place}"
