"""Whole files: the same bytes however they come about; nothing lost when stopped; hostile captions
carried through.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from finereel.data.base import Caption
from finereel.errors import ConfigError, DataError
from finereel.finegrain.files import read_negatives
from finereel.finegrain.make import generate as module
from finereel.finegrain.make.generate import Summary, generate
from finereel.finegrain.make.settings import GeneratorSettings

ROWS = [
    Caption(f"v{i}#{j}", f"v{i}", text)
    for i in range(6)
    for j, text in enumerate(
        (f"a man in a red shirt number {i} sits on a chair", "a dog runs slowly outside")
    )
]
SETTINGS = GeneratorSettings(per_caption=5)


def fresh(
    path: Path,
    rows: Iterable[Caption] = ROWS,
    settings: GeneratorSettings = SETTINGS,
    workers: int = 1,
) -> bytes:
    generate(lambda: list(rows), path, settings, workers)
    return path.read_bytes()


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)


@pytest.mark.usefixtures("small_batches")
def test_workers_do_not_matter(tmp_path: Path) -> None:
    settings = GeneratorSettings(mode="paper", per_caption=4)
    one = fresh(tmp_path / "one.jsonl", settings=settings)
    assert one == fresh(tmp_path / "two.jsonl", settings=settings, workers=2)
    assert {row.pos for row in read_negatives(tmp_path / "one.jsonl")} >= {"noun", "verb", "adverb"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.jsonl", "two.jsonl"]


@pytest.mark.usefixtures("small_batches")
def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    whole, out, seen = fresh(tmp_path / "whole.jsonl"), tmp_path / "out.jsonl", []

    def stop(what: str, done: int, total: int) -> None:
        seen.append(done)
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(lambda: ROWS, out, SETTINGS, on_progress=stop)
    assert not out.exists()
    with (tmp_path / "out.jsonl.part").open("ab") as file:
        file.write(b'{"half a li')
    seen.clear()
    summary = generate(
        lambda: ROWS, out, SETTINGS, on_progress=lambda what, done, total: seen.append(done)
    )
    assert out.read_bytes() == whole
    assert seen[0] == 6
    assert (summary.captions, summary.negatives.total()) == (12, len(whole.splitlines()))
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob("*.state*"))


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("damage", ["settings", "captions", "state", "part"])
def test_what_an_other_run_left_is_not_used(damage: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"

    def stop(what: str, done: int, total: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(lambda: ROWS, out, SETTINGS, on_progress=stop)
    settings, rows = SETTINGS, ROWS
    if damage == "settings":
        settings = GeneratorSettings(per_caption=2)
    elif damage == "captions":
        rows = ROWS[::-1]
    elif damage == "state":
        (tmp_path / "out.jsonl.state").write_text("[]")
    else:
        (tmp_path / "out.jsonl.part").write_bytes(b"")
    assert fresh(out, rows, settings) == fresh(tmp_path / "again.jsonl", rows, settings)


def test_finishing_may_leave_rows_out(tmp_path: Path) -> None:
    def keep_one(part: Path, out: Path) -> Summary:
        out.write_bytes(part.read_bytes().split(b"\n")[0] + b"\n")
        return Summary(1)

    out = tmp_path / "out.jsonl"
    assert generate(lambda: ROWS, out, SETTINGS, finish=keep_one) == Summary(1)
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_ids_must_differ(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'v0#0' occurs twice"):
        fresh(tmp_path / "out.jsonl", [*ROWS, ROWS[0]])
    with pytest.raises(DataError, match="got none"):
        fresh(tmp_path / "out.jsonl", [])
    with pytest.raises(ConfigError, match="workers"):
        fresh(tmp_path / "out.jsonl", workers=0)
    assert not list(tmp_path.iterdir())


SCRIPT = """
from pathlib import Path
from finereel.finegrain.make.generate import generate
from finereel.data.base import Caption
from finereel.finegrain.make.settings import GeneratorSettings

rows = [Caption("v#0", "v", "a red car")]
generate(lambda: rows, Path("out.jsonl"), GeneratorSettings(), workers=2)
"""


def test_a_script_without_a_main_part_ends_with_advice(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    ended = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 1
    assert "ConfigError: a worker process ended" in ended.stderr
    assert '`if __name__ == "__main__":`' in ended.stderr


KILLED = """
import multiprocessing, os
from pathlib import Path
from finereel.finegrain.make.generate import generate
from finereel.data.base import Caption
from finereel.finegrain.make.settings import GeneratorSettings

def die(what, done, total):
    if what == "making negatives" and done:
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        os._exit(9)

if __name__ == "__main__":
    generate(lambda: [Caption("v#0", "v", "a red car")], Path("out.jsonl"), GeneratorSettings(), 2, die)
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks processes up in /proc")
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(KILLED)
    ended = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True, timeout=120
    )
    workers, until = ended.stdout.split(), time.monotonic() + 30
    assert (ended.returncode, bool(workers)) == (9, True)
    while any(Path("/proc", worker).exists() for worker in workers) and time.monotonic() < until:
        time.sleep(0.1)
    assert [worker for worker in workers if Path("/proc", worker).exists()] == []


def test_nothing_is_done_for_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    def never() -> list[Caption]:
        raise AssertionError("read before it was clear that there is a place for the result")

    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    places = [
        tmp_path / "folder",
        tmp_path / "file" / "out.jsonl",
        Path("/proc/out.jsonl"),
        Path("/dev/null"),
    ]
    for place in places:
        with pytest.raises(DataError, match=r"expected a file to write|cannot be written"):
            generate(never, place, SETTINGS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
    assert not list((tmp_path / "folder").iterdir())


HOSTILE = [
    " ",
    "=HYPERLINK('x') a red car",
    "<script>alert('a man')</script> a man",
    "a man\x00\x1b[31m\x07\u2028 sits\non a chair",
    "א איש 犬 🐕 a dog",
    "a red dog " * 3_400,
    "\ud800 a man",
    "a " + "x" * 5_000 + " man",
]


@pytest.mark.parametrize("mode", ["clean", "paper"])
def test_hostile_captions(mode: str, tmp_path: Path) -> None:
    rows = [Caption(f"{i}\t\"'<b>", str(i), text) for i, text in enumerate(HOSTILE)]
    fresh(tmp_path / "out.jsonl", rows, GeneratorSettings(mode=mode, per_caption=2))
    lines = [
        json.loads(line)
        for line in (tmp_path / "out.jsonl")
        .read_bytes()
        .decode(errors="surrogatepass")
        .splitlines()
    ]
    texts = {row.id: row.text for row in rows}
    assert len(lines) > 5
    for line in lines:
        caption = texts[line["caption_id"]]
        assert line["caption"] == caption
        assert caption[line["start"] : line["end"]] == line["source"]
        assert line["negative"].endswith(caption[line["end"] :])


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"mode": "other"}, "clean"),
        ({"per_caption": 0}, "1 or more"),
        ({"max_words": 2}, "3 tokens"),
    ],
)
def test_settings_outside_their_range(values: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        GeneratorSettings(**values)


def test_rows_are_read_as_they_come(tmp_path: Path) -> None:
    def stream() -> Iterator[Caption]:
        yield from ROWS

    generate(stream, tmp_path / "out.jsonl", SETTINGS)
    assert (tmp_path / "out.jsonl").read_bytes() == fresh(tmp_path / "list.jsonl")
