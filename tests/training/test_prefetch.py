"""Batches made ahead in worker processes are those made on demand."""

import os
import signal
from functools import partial

import numpy as np
import pytest

from finereel.errors import TrainingError
from finereel.reelworld.batches import SceneBatches, make_batch
from finereel.training.prefetch import prefetched

SMALL = SceneBatches(groups=2, twins=1, num_frames=2, image_size=48)


def with_process(step: int) -> tuple[int, int]:
    return step, os.getpid()


def deadly(step: int) -> int:
    if step == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return step


@pytest.mark.parametrize("start", [0, 3])
def test_made_ahead_equals_made_on_demand(start: int) -> None:
    with prefetched(partial(make_batch, SMALL), depth=2) as at:
        for step in range(start, start + 3):
            expected = make_batch(SMALL, step)
            found = at(step)
            assert found.captions == expected.captions
            assert np.array_equal(found.pixels, expected.pixels)


def test_steps_come_in_order_from_several_processes_and_after_a_jump() -> None:
    with prefetched(with_process, workers=2) as at:
        made = [at(step) for step in [0, 1, 2, 3, 9, 10, 4]]
    assert [step for step, _ in made] == [0, 1, 2, 3, 9, 10, 4]
    assert os.getpid() not in {process for _, process in made}


def test_without_workers_it_is_the_function_itself() -> None:
    with prefetched(with_process, workers=0) as at:
        assert at is with_process


def test_a_killed_worker_is_told() -> None:
    with prefetched(deadly) as at, pytest.raises(TrainingError, match="ended by itself"):
        [at(step) for step in range(3)]
