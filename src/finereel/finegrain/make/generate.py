"""Write negatives of captions to a file, in parallel; a stopped run can be continued, and the
result is the same every time.

Captions are read twice: once for what they say as a whole, once to be worked on in batches.
Finished batches go to OUT.part in order, and OUT.state says how far they reach; when all are done,
OUT.part becomes OUT. A run with the same captions and settings goes on from there; with others it
starts anew.
"""

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import IO, Protocol, runtime_checkable

from finereel.data.base import Caption
from finereel.errors import ConfigError, DataError, FinereelError
from finereel.finegrain.blind.balance import BalanceSettings, balance
from finereel.finegrain.files import jsonl, write_negatives
from finereel.finegrain.files.base import check_target
from finereel.finegrain.files.jsonl import line_of
from finereel.finegrain.make.clean import CleanGenerator
from finereel.finegrain.make.context import Context
from finereel.finegrain.make.paper import PaperGenerator, Vocabulary, harvest
from finereel.finegrain.make.settings import GeneratorSettings
from finereel.finegrain.make.swaps import SwapGenerator
from finereel.finegrain.types import Negative
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.tagging import AgreeingTaggers
from finereel.finegrain.words.tagging.words import Token
from finereel.io.atomic import storage_errors, sync_file, sync_folder, write_file, writes
from finereel.types import OnProgress, no_progress

# The generators by name, and how each is made ready for a collection of captions.
# So many captions, evenly spaced, give the vocabulary of the paper's generator.
HARVESTED = 5000


@runtime_checkable
class Generator(Protocol):
    """Makes the negatives of a caption from its tokens, the same in whatever order captions
    come.
    """

    def negatives(self, row: Caption, tokens: Sequence[Token]) -> list[Negative]:
        """The negatives of one caption; ids are `CAPTION/PART_OF_SPEECH/NUMBER`."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a generator needs, the same in every process. vocabulary: of the paper's generator
    only.
    """

    context: Context
    settings: GeneratorSettings
    vocabulary: Vocabulary


def prepare(context: Context, settings: GeneratorSettings) -> Prepared:
    """What has to be found out once, before captions are taken one by one."""
    harvested = (
        harvest(map(AgreeingTaggers(settings.taggers), context.sample(HARVESTED)))
        if settings.mode == "paper"
        else {}
    )
    return Prepared(context, settings, harvested)


def _clean(prepared: Prepared) -> Generator:
    if prepared.settings.propose:
        from finereel.finegrain.make.proposals.generator import generator_for

        return generator_for(prepared.context, prepared.settings)
    return CleanGenerator(prepared.context, prepared.settings)


def _paper(prepared: Prepared) -> Generator:
    return PaperGenerator(prepared.context, prepared.settings, prepared.vocabulary)


def _swap(prepared: Prepared) -> Generator:
    return SwapGenerator(prepared.context, prepared.settings)


MODES: Mapping[str, Callable[[Prepared], Generator]] = MappingProxyType(
    {"clean": _clean, "paper": _paper, "swap": _swap}
)


BATCH = 200
BATCH_OF_MODEL = 8  # a language model takes seconds for a caption: what is done should show
VERSION = "1"

Finish = Callable[[Path, Path], "Summary"]  # takes the whole unfinished file, writes the other
Batch = tuple[bytes, dict[str, int], dict[str, int]]  # lines, rows and captions per part of speech


@dataclass
class Summary:
    """What a run made: captions read, and per part of speech negatives and captions that
    have some.
    """

    captions: int = 0
    negatives: Counter[str] = field(default_factory=Counter)
    covered: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        pos = {
            name: {"negatives": count, "captions": self.covered[name]}
            for name, count in self.negatives.items()
        }
        return {"captions": self.captions, "negatives": self.negatives.total(), "pos": pos}


def generate(
    captions: Callable[[], Iterable[Caption]],
    out: Path,
    settings: GeneratorSettings,
    workers: int = 1,
    on_progress: OnProgress = no_progress,
    finish: Finish | None = None,
) -> Summary:
    """Write the negatives of all captions to `out`, native form (JSONL), in the order of the
    captions.

    captions: gives the rows from the start each time it is called. workers: processes; the result
    is the same.
    on_progress: called with what is done, how far, and of how many. finish: writes `out` from the
    file of all negatives, as `balance_file` does; without it that file becomes `out`. Raises
    ConfigError for fewer than one worker, DataError where a caption id occurs twice, there is no
    caption, or `out` cannot be written. What was written stays when it is stopped, and the same
    call goes on from there.
    """
    if workers < 1:
        raise ConfigError(f"workers: expected 1 or more, got {workers}")
    check_target(out)
    context, digest = _survey(captions(), on_progress)
    prepared = prepare(context, settings)
    part, state = _open_part(out, f"{VERSION} {digest} {_print_of(settings)}")
    summary = state.summary
    rest = islice(captions(), summary.captions, None)
    with part.open("ab") as file, _batches(prepared, rest, workers) as results:
        on_progress("making negatives", summary.captions, context.captions)
        for count, batch in results:
            state.append(file, count, batch)
            on_progress("making negatives", summary.captions, context.captions)
    if finish is None:
        _put(part, out)
    else:
        summary = finish(part, out)
    with storage_errors(out):
        part.unlink(missing_ok=True)
        state.path.unlink()
    return summary


def _survey(captions: Iterable[Caption], on_progress: OnProgress) -> tuple[Context, str]:
    """The context of all captions, and a digest of them."""
    digest, seen = hashlib.blake2b(digest_size=16), set[str]()

    def checked() -> Iterator[Caption]:
        for number, row in enumerate(captions, 1):
            if row.id in seen:
                raise DataError(
                    f"the caption id {row.id!r} occurs twice (second as caption {number}): ids "
                    "must differ"
                )
            seen.add(row.id)
            digest.update(json.dumps([row.id, row.video_id, row.text]).encode())
            if number % 1000 == 0:
                on_progress("reading captions", number, 0)
            yield row

    context = Context(checked(), Lexicon.load())
    if not context.captions:
        raise DataError("expected captions to make negatives of, got none")
    return context, digest.hexdigest()


def _print_of(settings: GeneratorSettings) -> str:
    """Fingerprint of everything but the captions that affects the output: settings, word sets and
    the package's own source.
    """
    values = {key: str(value) for key, value in asdict(settings).items() if key != "propose_cache"}
    digest = hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8)
    folder = Path(__file__).parents[1]
    for path in sorted(
        path for name in ("blind", "make", "words") for path in (folder / name).rglob("*")
    ):
        if path.suffix in (".toml", ".py"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


@dataclass
class _State:
    """How far a file has come: bytes written, and what they hold."""

    path: Path
    key: str
    written: int
    summary: Summary

    @writes("self.path")
    def append(self, file: IO[bytes], captions: int, batch: Batch) -> None:
        """Add a batch and note it, in that order: after a crash, bytes past `written` are
        cut off.
        """
        lines, rows, covered = batch
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())
        self.written += len(lines)
        self.summary.captions += captions
        self.summary.negatives.update(rows)
        self.summary.covered.update(covered)
        kept = {"key": self.key, "written": self.written, **vars(self.summary)}
        write_file(self.path, json.dumps(kept))


def _rows(part: Path) -> Iterator[Negative]:
    return map(jsonl.negative_of, jsonl.read_rows(part))


def balance_file(
    part: Path, out: Path, captions: Sequence[Caption], settings: BalanceSettings
) -> Summary:
    """Write the negatives of `part` that `finereel.finegrain.blind.balance` keeps to `out`, with
    their scores.
    """
    selection = balance(_rows(part), captions, settings)
    summary = Summary(len(captions))
    seen: set[tuple[str, str]] = set()

    def counted() -> Iterator[Negative]:
        for row in selection.kept(_rows(part)):
            summary.negatives[row.pos] += 1
            summary.covered[row.pos] += (row.caption_id, row.pos) not in seen
            seen.add((row.caption_id, row.pos))
            yield row

    write_negatives(counted(), out)
    return summary


@writes("out")
def _put(part: Path, out: Path) -> None:
    """Give the whole file its name."""
    sync_file(part)
    part.replace(out)
    sync_folder(out.parent)


@writes("out")
def _open_part(out: Path, key: str) -> tuple[Path, _State]:
    """Where to go on: what an earlier run with the same key left, cut to what is certain; else an
    empty file.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    part, path = out.with_name(out.name + ".part"), out.with_name(out.name + ".state")
    state = _State(path, key, 0, Summary())
    try:
        kept = json.loads(path.read_text())
        if kept["key"] == key and part.stat().st_size >= kept["written"]:
            negatives, covered = Counter(kept["negatives"]), Counter(kept["covered"])
            state = _State(
                path, key, kept["written"], Summary(kept["captions"], negatives, covered)
            )
    except (OSError, ValueError, KeyError, TypeError):
        pass
    with part.open("ab") as file:
        file.truncate(state.written)
    return part, state


class _RowWorker:
    """Turns rows into lines, in this process or in another."""

    def __init__(self, prepared: Prepared) -> None:
        self._tag = AgreeingTaggers(prepared.settings.taggers)
        self._generator = MODES[prepared.settings.mode](prepared)

    def __call__(self, rows: Sequence[Caption]) -> tuple[int, Batch]:
        lines, counts, covered = [], Counter[str](), Counter[str]()
        for row in rows:
            negatives = self._generator.negatives(row, self._tag(row.text))
            lines += [line_of(negative) for negative in negatives]
            counts.update(negative.pos for negative in negatives)
            covered.update({negative.pos for negative in negatives})
        text = "".join(f"{line}\n" for line in lines)
        return len(rows), (text.encode(errors="surrogatepass"), dict(counts), dict(covered))


_worker: _RowWorker | FinereelError | None = None


def _start(prepared: Prepared) -> None:
    import signal

    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        _worker = _RowWorker(prepared)
    except (
        FinereelError
    ) as error:  # raised here, it would reach nobody: the pool would only call itself broken
        _worker = error


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(rows: Sequence[Caption]) -> tuple[int, Batch]:
    assert _worker is not None
    if isinstance(_worker, FinereelError):
        raise _worker
    return _worker(rows)


@contextmanager
def _batches(
    prepared: Prepared, rows: Iterator[Caption], workers: int
) -> Iterator[Iterator[tuple[int, Batch]]]:
    """Batches of captions turned into lines, in order."""
    size = BATCH_OF_MODEL if prepared.settings.propose else BATCH
    batches = iter(lambda: list(islice(rows, size)), [])
    if workers == 1:
        yield map(_RowWorker(prepared), batches)
        return
    others = set(active_children())
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, (prepared,)) as pool:
        try:
            yield _in_order(pool, batches, 2 * workers)
        except BaseException as error:
            for child in set(active_children()) - others:
                child.terminate()
            pool.shutdown(cancel_futures=True)
            if not isinstance(error, BrokenProcessPool):
                raise
            raise ConfigError(
                "a worker process ended before its work was done. Every worker runs the top level "
                "of the script it is "
                'called from: call this below `if __name__ == "__main__":`, or with workers=1. If '
                "it is, memory may "
                "have run out: take fewer workers; the same call goes on from here"
            ) from error


def _in_order(
    pool: ProcessPoolExecutor, batches: Iterator[list[Caption]], ahead: int
) -> Iterator[tuple[int, Batch]]:
    """Results in the order of the batches, of which some are handed out ahead of the one that is
    waited for.
    """
    waiting = deque(pool.submit(_work, batch) for batch in islice(batches, ahead))
    while waiting:
        result = waiting.popleft().result()
        waiting.extend(pool.submit(_work, batch) for batch in islice(batches, 1))
        yield result
