"""Apply every mutant to a copy of the project and see its tests fail.

python tests/mutants/run.py                 # all; exit status 1 if one survives
python tests/mutants/run.py shift sinkhorn  # those whose file or description contains a word
python tests/mutants/run.py --write         # all, and write docs/dev/mutants.md
"""

import gc
import importlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "dev" / "mutants.md"
LIBRARIES = (
    "torch",
    "transformers.models.clip.modeling_clip",
    "PIL.Image",
    "safetensors.torch",
    "beartype",
    "jaxtyping",
    "hypothesis.strategies",
    "anyio.pytest_plugin",
    "xdist.plugin",
    "_pytest.doctest",
)
# transformers has loaded a library that is also a plugin of pytest's, which would like to have been
# first.
OPTIONS = (
    "-x",
    "-q",
    "-p",
    "no:cacheprovider",
    "--tb=no",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)
FAILED = 1  # pytest's status for failing tests; other statuses are errors of the run itself
HEADER = """# Mutants

Wrong versions of the core, made by hand, each with a test that fails on it. One line is changed at a time in a copy of
the project (without the sibling folder of fixtures) and the named test runs against it, after it was seen to pass
on the untouched copy.

    python tests/mutants/run.py            # all of them; status 1 if one survives
    python tests/mutants/run.py --write    # rewrites this page from tests/mutants/mutants.toml
    python tests/mutants/run.py sinkhorn   # those whose file or description contains a word

| what is broken | where | killed by |
|---|---|---|
"""


@dataclass(frozen=True)
class Mutant:
    """One wrong edit: what it breaks in words, where, and the test that should fail."""

    breaks: str
    file: str
    old: str
    new: str
    test: str


def load_mutants() -> list[Mutant]:
    with (Path(__file__).resolve().parent / "mutants.toml").open("rb") as file:
        return [Mutant(**entry) for entry in tomllib.load(file)["mutant"]]


def copy_project(target: Path) -> None:
    """The copy keeps the times of the files, so what is compiled already is not compiled again."""
    for name in ("src", "research", "tests"):
        shutil.copytree(ROOT / name, target / name)
    shutil.copy(ROOT / "pyproject.toml", target)


def place_of(mutant: Mutant, project: Path) -> Path:
    """The file that a mutant changes, in a checkout or a copy of one."""
    return (
        project if mutant.file.startswith("research/") else project / "src" / "finereel"
    ) / mutant.file


def mutated(source: str, mutant: Mutant) -> str:
    """The source with the wrong edit; ValueError when the place is gone or ambiguous."""
    if source.count(mutant.old) != 1:
        raise ValueError(
            f"{mutant.file}: {mutant.old!r} stands there {source.count(mutant.old)} times, "
            "expected once"
        )
    return source.replace(mutant.old, mutant.new)


def run_tests(project: Path, tests: list[str], log: Path, keep_bytecode: bool = False) -> int:
    """The exit status of pytest over `tests` in the copy, in a fork that shares the libraries
    loaded here.

    Nothing of finereel may be loaded before: the fork has to import the copy. `keep_bytecode` lets
    later forks import what this one compiled. It is for the untouched copy only: a mutant's file
    has another time than its bytecode, so it is compiled again.
    """
    child = multiprocessing.get_context("fork").Process(
        target=_pytest_here, args=(project, tests, log, keep_bytecode)
    )
    child.start()
    child.join()
    assert child.exitcode is not None
    return child.exitcode


def _pytest_here(project: Path, tests: list[str], log: Path, keep_bytecode: bool) -> None:
    import pytest

    gc.freeze()  # what was loaded before the fork stays: no collection looks through it
    os.chdir(project)
    sys.path.insert(0, str(project / "src"))  # before an installed finereel
    sys.dont_write_bytecode = not keep_bytecode
    with log.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        status = pytest.main([*tests, *OPTIONS])
        sys.stdout.flush()
        os._exit(int(status))


def write_at(file: Path, text: str, second: int) -> None:
    """Bytecode belongs to a time in seconds: that of the clean file is used again, a mutant's file
    has another one.
    """
    file.write_text(text, encoding="utf-8")
    os.utime(file, (second, second))


def survives(mutant: Mutant, project: Path) -> str:
    """Empty when the mutant's test fails on it, else what was seen instead; the copy is clean again
    afterwards.
    """
    file, log = place_of(mutant, project), project / "log"
    clean, second = file.read_text(encoding="utf-8"), int(file.stat().st_mtime)
    write_at(file, mutated(clean, mutant), second + 1)
    try:
        status = run_tests(project, [mutant.test], log)
    finally:
        write_at(file, clean, second)
    return (
        ""
        if status == FAILED
        else f"status {status}: {log.read_text(encoding='utf-8').strip()[-300:]}"
    )


def chosen(words: list[str]) -> list[Mutant]:
    return [
        each
        for each in load_mutants()
        if not words or any(word in f"{each.file} {each.breaks}" for word in words)
    ]


def run(mutants: list[Mutant]) -> list[Mutant]:
    """The mutants that survive, after seeing that the tests pass on the untouched copy."""
    survivors = []
    with tempfile.TemporaryDirectory(prefix="finereel-mutants-") as folder:
        project = Path(folder) / "project"
        copy_project(project)
        tests = sorted({mutant.test for mutant in mutants})
        if run_tests(project, tests, project / "log", keep_bytecode=True):
            raise SystemExit(
                "the tests fail without any "
                f"mutant:\n{(project / 'log').read_text(encoding='utf-8')}"
            )
        for mutant in mutants:
            seen = survives(mutant, project)
            print(
                f"{mutant.file}: {mutant.breaks}: {'SURVIVES, ' + seen if seen else 'killed'}",
                flush=True,
            )
            survivors += [mutant] if seen else []
    return survivors


def document(mutants: list[Mutant]) -> str:
    rows = [
        f"| {each.breaks} | `{each.file}` | `{each.test.removeprefix('tests/')}` |"
        for each in mutants
    ]
    return HEADER + "\n".join(rows) + f"\n\n{len(rows)} mutants.\n"


def main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        DOCUMENT.write_text(document(load_mutants()), encoding="utf-8")
        return 0
    for library in LIBRARIES:  # once, for every fork
        importlib.import_module(library)
    mutants = chosen(arguments)
    if not mutants:
        raise SystemExit(f"no mutant's file or description contains {' or '.join(arguments)}")
    survivors = run(mutants)
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} mutants killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
