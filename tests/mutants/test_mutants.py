"""The list of mutants fits the sources (always), and every one of them is killed (slow)."""

import subprocess
import sys

import pytest
import run
from run import Mutant

MUTANTS = run.load_mutants()
MANY = 20


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.breaks)
def test_a_mutant_has_its_place(mutant: Mutant) -> None:
    source = run.place_of(mutant, run.ROOT).read_text(encoding="utf-8")
    compile(run.mutated(source, mutant), mutant.file, "exec")
    file, test = mutant.test.split("::")
    assert f"def {test}(" in (run.ROOT / file).read_text(encoding="utf-8")


def test_the_page_lists_every_mutant() -> None:
    assert len(MUTANTS) >= MANY
    assert run.DOCUMENT.read_text(encoding="utf-8") == run.document(MUTANTS), (
        "python tests/mutants/run.py --write"
    )


def test_a_lost_place_is_noticed() -> None:
    with pytest.raises(ValueError, match="stands there 0 times"):
        run.mutated("nothing", MUTANTS[0])


@pytest.mark.slow
def test_every_mutant_is_killed() -> None:
    # A process of its own: this one has imported the package as it is.
    done = subprocess.run(
        [sys.executable, run.__file__], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
