"""Training that is killed at random moments, and at every operation of a save, ends as if nobody
had disturbed it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(TESTS),
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
}

# Batches come from a worker of the same process group, which the signal reaches too.
IN_A_GROUP = """
import sys
from dataclasses import replace
from pathlib import Path
from finereel.training.prefetch import prefetched
from finereel.io.signals import Stopped
from finereel.training.trainer import train
from tiny_models import tiny_model
from tiny_runs import SETTINGS, batch_at, rising
if __name__ == "__main__":
    settings = replace(SETTINGS, steps=100_000, validate_every=100_000, checkpoint_every=100_000)
    try:
        with prefetched(batch_at) as at:
            train(tiny_model(), at, rising(), settings, Path(sys.argv[1]), lambda p: print(p.step, flush=True))
    except Stopped as stopped:
        print("stopped", stopped.step, flush=True)
        sys.exit(128 + stopped.signum)
"""


@pytest.mark.slow
def test_fifty_kills_change_nothing(tmp_path: Path) -> None:
    script = Path(__file__).with_name("kills.py")
    command = [sys.executable, str(script), str(tmp_path), "50", str(time.time_ns() % 1000)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["different"] == [], command
    assert found["kills"] == 50
    assert found["points"] > 12  # before every rename, sync and half way through a write


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_process_group_with_workers_writes_a_checkpoint(
    tmp_path: Path, number: signal.Signals
) -> None:
    script, out = tmp_path / "run.py", tmp_path / "out"
    script.write_text(IN_A_GROUP)
    command = [sys.executable, str(script), str(out)]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        assert run.stdout is not None
        while (line := run.stdout.readline().strip()) and line != "3":
            pass
        assert line == "3"
        os.killpg(run.pid, number)
        said = run.stdout.read().split()
        assert run.wait() == 128 + number
    assert said[-2] == "stopped"
    saved = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import sys, torch; print(torch.load(sys.argv[1], weights_only=True)['state']['step'])",
            str(out / "checkpoint.pt"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert saved.stdout.strip() == said[-1]
    assert int(said[-1]) >= 3
