"""The first signal is a request, the same one again within a second too; a later one ends the
process.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading

import pytest

from finereel.io.signals import Stopped, stop_requests

TWICE = """
import os, signal, sys, time
from finereel.io.signals import stop_requests
with stop_requests() as request:
    os.kill(os.getpid(), {number})
    os.kill(os.getpid(), {number})
    assert request.made()
    print("survived", flush=True)
    time.sleep(1.2)
    os.kill(os.getpid(), {number})
    print("never", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_is_noted_and_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_requests() as request:
        assert not request.made()
        os.kill(os.getpid(), number)
        assert request.made()
        assert request.signum == number
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_process_but_not_at_once(number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWICE.format(number=int(number))], capture_output=True, text=True
    )
    assert done.stdout.split() == ["survived"], done.stderr
    assert done.returncode == -number


def test_in_another_thread_nothing_is_noted_and_nothing_breaks() -> None:
    found: list[bool] = []

    def run() -> None:
        with stop_requests() as request:
            found.append(request.made())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [False]


def test_stopped_says_how_to_go_on() -> None:
    assert (
        str(Stopped(7, signal.SIGTERM))
        == "stopped by SIGTERM after step 7; the same command goes on from there"
    )


def test_stopped_comes_whole_from_another_process() -> None:
    again = pickle.loads(pickle.dumps(Stopped(7, signal.SIGTERM)))
    assert (str(again), again.step, again.signum) == (
        str(Stopped(7, signal.SIGTERM)),
        7,
        signal.SIGTERM,
    )
