"""Jobs in several processes: when one ends in an error, all end."""

import time
from multiprocessing import active_children
from pathlib import Path

import pytest
from research.benchmark_sets import BenchmarkOptions
from research.jobs import Job, in_processes
from research.variants import Variant

from finereel.config import ModelConfig

LONG = 600


def work(job: Job) -> None:
    """The first job fails while another is running and more are waiting."""
    (job.options.work / str(job.seed)).touch()
    if job.seed == 0:
        while not (job.options.work / "1").exists():
            time.sleep(0.05)
        raise ValueError("the first")
    time.sleep(LONG)


def test_when_one_fails_the_others_are_stopped_and_none_is_begun(tmp_path: Path) -> None:
    variant = Variant("a", ModelConfig())
    jobs = [Job("no benchmark", BenchmarkOptions(tmp_path), variant, seed) for seed in range(8)]
    begun = time.monotonic()
    with pytest.raises(ValueError, match="the first"):
        list(in_processes(work, jobs, 2))
    assert time.monotonic() - begun < LONG
    assert active_children() == []
    assert not (tmp_path / "7").exists()
