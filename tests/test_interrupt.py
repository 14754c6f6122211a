"""Ctrl-C while the command line is still loading: the process ends with a word, never with a
traceback.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

START = """
import sys
from finereel.__main__ import main
sys.argv = ["finereel", *sys.argv[1:]]
print("up", flush=True)
main()
"""


@pytest.mark.parametrize("delay", [0.03, 0.08, 0.15, 0.4, 1.0, 2.5])
def test_ctrl_c_while_loading_gives_no_traceback(tmp_path: Path, delay: float) -> None:
    arguments = ["index", tmp_path, "--library", tmp_path / "library", "--model", "reelworld-tiny"]
    command = [sys.executable, "-c", START, *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert "Traceback" not in errors
    assert process.returncode in (-signal.SIGINT, 130, 1)
    if process.returncode == 130:
        assert errors.endswith("stopped\n")
