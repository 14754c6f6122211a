"""Train with several processes as with one: gather the features, average the gradients.

    shard = start()                                  # what torchrun says; alone without it
    text, video = gather(text, shard), gather(video, shard)
    loss_of(text, video).backward()                  # the same loss of the whole batch in every process
    average_gradients(learner.parameters(), shard)   # now those of one process with the whole batch

Every process sees the whole loss, so a gradient of the head arrives whole everywhere, and the mean
over the processes keeps it. A gradient of a feature is summed over the processes on its way back to
the one that made the feature: what arrives at its encoder is world times that process's part, and
the mean over the processes adds up the parts. So encoder and head learn as they do in one process,
for any number of them. (The published AllGather returns only the local slice: there encoders learn
1 / world as fast, while the head does not, and the mix depends on the number of GPUs.)
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.parallel import DistributedDataParallel

from finereel.errors import ConfigError
from finereel.models.features import TextFeatures, VideoFeatures, from_tensors, tensors_of

Gathered = TypeVar("Gathered", TextFeatures, VideoFeatures, Tensor)

_BUCKET_BYTES = 32 << 20  # large enough to hide latency, small beside the model
_ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK")


@dataclass(frozen=True)
class Shard:
    """This process's place among `world` of them; rank 0 is the one that validates, logs
    and saves.
    """

    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise ConfigError(
                f"a rank lies within 0 and the number of processes, got rank {self.rank} of "
                f"{self.world}"
            )

    @property
    def first(self) -> bool:
        """Whether this process speaks for all."""
        return self.rank == 0

    def rows(self, total: int) -> slice:
        """This process's rows of a whole batch; ConfigError where they do not divide evenly.

        >>> Shard(1, 4).rows(12)
        slice(3, 6, None)
        """
        if total % self.world:
            raise ConfigError(
                f"a batch of {total} rows does not divide among {self.world} processes: take a "
                "multiple"
            )
        size = total // self.world
        return slice(self.rank * size, (self.rank + 1) * size)


def start(init_method: str = "env://") -> Shard:
    """Join the processes torchrun started (nccl where there is CUDA, else gloo); Shard(0, 1) where
    it did not.

    Raises ConfigError for an environment that contradicts itself.
    """
    if "RANK" not in os.environ:
        return Shard()
    given = {
        name: os.environ.get(name, "0" if name == "LOCAL_RANK" else "") for name in _ENVIRONMENT
    }
    if not all(value.isdecimal() for value in given.values()):
        raise ConfigError(
            f"expected whole numbers in {', '.join(_ENVIRONMENT)}, got {given}: start with torchrun"
        )
    shard = Shard(int(given["RANK"]), int(given["WORLD_SIZE"]))
    if shard.world > 1:
        cuda = torch.cuda.is_available()
        if cuda:
            torch.cuda.set_device(int(given["LOCAL_RANK"]))
        dist.init_process_group(
            "nccl" if cuda else "gloo",
            init_method=init_method,
            rank=shard.rank,
            world_size=shard.world,
        )
    return shard


def joined() -> Shard:
    """The place that `start` gave this process; Shard(0, 1) before, after and without it."""
    return Shard(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else Shard()


def finish() -> None:
    """Leave the other processes; nothing to do where there are none."""
    if dist.is_initialized():
        dist.destroy_process_group()


def anywhere(flag: bool, shard: Shard) -> bool:
    """Whether the flag is up in any process: all of them get the same answer, as to a wish
    to stop.
    """
    if shard.world == 1:
        return flag
    raised = torch.tensor([flag], dtype=torch.uint8, device=_device())
    dist.all_reduce(raised, dist.ReduceOp.MAX)
    return bool(raised.item())


def from_first(value: float, shard: Shard) -> float:
    """Rank 0's number, in every process."""
    if shard.world == 1:
        return value
    number = torch.tensor([value], dtype=torch.float64, device=_device())
    dist.broadcast(number, src=0)
    return float(number.item())


def broadcast(model: nn.Module, shard: Shard) -> None:
    """Give every process the parameters and buffers of rank 0."""
    if shard.world > 1:
        for tensor in model.state_dict().values():
            dist.broadcast(tensor.detach(), src=0)


def gather(features: Gathered, shard: Shard) -> Gathered:
    """The rows of all processes in the order of their ranks; gradients flow back to where a row
    came from.

    Axis 1 (words, frames) may differ in length: it is filled up with zeros, masks with False. Where
    padding takes part in the scores (`mask_padding` off), cut texts to the model's max_words
    everywhere, or the filling is scored. Raises ConfigError, in every process, where they do not
    all have the same number of rows.
    """
    if shard.world == 1:
        return features
    if isinstance(features, Tensor):
        return _gathered([features], shard)[0]
    tensors = tensors_of(features)
    gathered = _gathered(list(tensors.values()), shard)
    return from_tensors(type(features), dict(zip(tensors, gathered, strict=True)))


def _gathered(tensors: list[Tensor], shard: Shard) -> list[Tensor]:
    own = torch.tensor(
        [size for tensor in tensors for size in tensor.shape], device=tensors[0].device
    )
    listed = [torch.empty_like(own) for _ in range(shard.world)]
    dist.all_gather(listed, own)
    shapes = [iter(sizes.tolist()) for sizes in listed]
    return [
        _rows_of_all(tensor, [[next(sizes) for _ in tensor.shape] for sizes in shapes])
        for tensor in tensors
    ]


def _rows_of_all(tensor: Tensor, shapes: list[list[int]]) -> Tensor:
    """One tensor of all processes, given its shape in each of them."""
    if len({(shape[0], *shape[2:]) for shape in shapes}) > 1:
        raise ConfigError(
            f"every process needs the same number of rows, of the same kind, got shapes {shapes}: "
            "drop the last, incomplete batch"
        )
    if tensor.ndim > 1:
        missing = max(shape[1] for shape in shapes) - tensor.shape[1]
        tensor = pad(tensor, (0, 0) * (tensor.ndim - 2) + (0, missing))
    if not tensor.numel():
        return tensor.repeat(len(shapes), *[1] * (tensor.ndim - 1))
    if not tensor.is_floating_point():
        whole = _all_rows(tensor.to(torch.int64), len(shapes))  # gloo and nccl know no booleans
        return whole.to(tensor.dtype)
    gathered: Tensor = _AllGather.apply(tensor, len(shapes))  # type: ignore[no-untyped-call]
    return gathered


def _all_rows(tensor: Tensor, world: int) -> Tensor:
    parts = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(world)]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


class _AllGather(torch.autograd.Function):
    """Forward: rows of all ranks. Backward: the gradients of all ranks for the own rows, summed."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, world: int) -> Tensor:
        ctx.rows = len(tensor)
        return _all_rows(tensor, world)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        summed = grads[0].contiguous().clone()
        dist.all_reduce(summed)
        first = dist.get_rank() * ctx.rows
        return summed[first : first + ctx.rows], None


def averaging(module: nn.Module, shard: Shard) -> nn.Module | None:
    """The module in torch's DistributedDataParallel: the mean of a bucket of gradients is taken
    while backward computes the next ones. None for a process alone.

    For one backward pass per step. Its messages have a group of their own, so that they need no
    order among those of `gather`.
    """
    if shard.world == 1:
        return None
    return DistributedDataParallel(
        module,
        process_group=dist.new_group(),
        bucket_cap_mb=_BUCKET_BYTES >> 20,
        forward_sync_buffers=False,
        find_unused_parameters=True,  # a loss may leave out a granularity or a prototype
    )


def average_gradients(parameters: Iterable[nn.Parameter], shard: Shard) -> None:
    """The mean of every gradient over the processes, in place.

    Where only some processes have one, the others count as zeros; where none has, None stays. Call
    it on the gradients as backward left them: before they are unscaled, looked at or clipped, so
    that all processes decide alike.
    """
    if shard.world == 1:
        return
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if not trained:
        return
    present = torch.tensor(
        [p.grad is not None for p in trained], dtype=torch.uint8, device=trained[0].device
    )
    dist.all_reduce(present, dist.ReduceOp.MAX)
    held = [parameter for parameter, here in zip(trained, present.tolist(), strict=True) if here]
    for parameter in held:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    for bucket in _buckets([parameter.grad for parameter in held if parameter.grad is not None]):
        flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
        dist.all_reduce(flat)
        flat /= shard.world
        for gradient, part in zip(
            bucket, torch.split(flat, [gradient.numel() for gradient in bucket]), strict=True
        ):
            gradient.copy_(part.view_as(gradient))


def _buckets(gradients: list[Tensor]) -> Iterator[list[Tensor]]:
    """Runs of gradients of one type, in order, each run no larger than a bucket unless one gradient
    is.
    """
    bucket: list[Tensor] = []
    size = 0
    for gradient in gradients:
        if bucket and (gradient.dtype != bucket[0].dtype or size + gradient.nbytes > _BUCKET_BYTES):
            yield bucket
            bucket, size = [], 0
        bucket.append(gradient)
        size += gradient.nbytes
    if bucket:
        yield bucket


def _device() -> torch.device:
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
