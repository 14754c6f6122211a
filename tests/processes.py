"""Work done by several gloo processes, forks of the one that asks: everything is loaded, so they
cost little.
"""

import multiprocessing
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from finereel.training import distributed
from finereel.training.distributed import Shard, start

SECONDS = 120
Work = Callable[[Shard], Any]


def run(world: int, work: Work, folder: Path) -> list[Any]:
    """What `work` returns in each of `world` processes, by rank; the first failure is
    raised here.
    """
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=_child, args=(Shard(rank, world), work, folder))
        for rank in range(world)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(SECONDS)
        if child.is_alive():
            child.kill()
    failures = [path.read_text() for path in sorted(folder.glob("failed-*"))]
    assert not failures, failures[0]
    return [torch.load(folder / f"done-{rank}", weights_only=True) for rank in range(world)]


def _child(shard: Shard, work: Work, folder: Path) -> None:
    try:
        torch.set_num_threads(1)
        os.environ |= {"RANK": str(shard.rank), "WORLD_SIZE": str(shard.world)}
        assert start(f"file://{folder}/meeting") == shard
        torch.save(work(shard), folder / f"done-{shard.rank}")
        dist.barrier()
        distributed.finish()
        os._exit(0)
    except BaseException:
        (folder / f"failed-{shard.rank}").write_text(traceback.format_exc())
        os._exit(1)
