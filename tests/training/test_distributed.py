"""Several gloo processes train as one: their gradients are those of one process with the whole
batch.

The processes are forked from this one, which has everything loaded, so they cost little; each has
one thread.
"""

import multiprocessing
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from finereel.errors import ConfigError
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.retrieval import RetrievalModel
from finereel.training import distributed
from finereel.training.caching import Rows, cached_backward
from finereel.training.distributed import (
    Shard,
    anywhere,
    average_gradients,
    broadcast,
    from_first,
    gather,
    start,
)
from finereel.training.learner import symmetric_infonce
from processes import SECONDS, run
from tiny_models import FRAMES, IMAGE, WORDS, random_text, random_video, tiny_model

pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)  # Python 3.12
ROWS, SAMPLES = 8, 4


def exact_model() -> RetrievalModel:
    """In float64: two softmaxes of a temperature of 0.01 blow float32 rounding up to 1e-5."""
    return tiny_model().double().train()


def sides(model: RetrievalModel, rows: slice) -> tuple[Rows[TextFeatures], Rows[VideoFeatures]]:
    """These rows of the one batch, their texts cut to the longest among them."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([3, 4, 3, 2, 6, 5, 2, 3])
    ids = torch.randint(1, 500, (ROWS, WORDS), generator=generator)
    ids[torch.arange(ROWS), lengths - 1] = 529
    words = torch.arange(WORDS)[None] < lengths[:, None]
    frames = torch.randn(ROWS, FRAMES, 3, IMAGE, IMAGE, generator=generator).double()
    noise = torch.randn(ROWS, FRAMES, SAMPLES, 9, generator=generator)
    mask = torch.arange(FRAMES)[None] < torch.tensor([1, 2, 3, 4, 4, 3, 2, 1])[:, None]
    width = int(lengths[rows].max())
    ids, words, frames, noise, mask = (
        ids[rows, :width],
        words[rows, :width],
        frames[rows],
        noise[rows],
        mask[rows],
    )
    return (
        Rows(lambda some: model.text_features(ids[some], words[some]), len(ids)),
        Rows(
            lambda some: model.video_features(frames[some], mask[some], noise[some].flatten(0, 1)),
            len(ids),
        ),
    )


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {
        name: parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def trained(shard: Shard, chunk: int = 0) -> dict[str, Tensor]:
    """Gradients of one batch of ROWS rows, this process having its share of them."""
    model = exact_model()

    def loss_of(text: TextFeatures, video: VideoFeatures) -> Tensor:
        return symmetric_infonce(
            model.score(gather(text, shard), gather(video, shard), 1 << 14).fused
        )

    loss = cached_backward(*sides(model, shard.rows(ROWS)), chunk, loss_of)
    average_gradients(model.parameters(), shard)
    return {"loss": loss, **gradients(model)}


@pytest.mark.parametrize(("world", "chunk"), [(2, 0), (4, 0), (2, 3)])
def test_gradients_are_those_of_one_process(world: int, chunk: int, tmp_path: Path) -> None:
    """Of encoder, scorer, temporal encoder, head with its ISA matrices and logit scale; also with
    gradient caching.
    """
    wanted = trained(Shard())
    matrices = [name for name in wanted if "mixing" in name]
    assert len(matrices) == 5
    assert all(
        wanted[name].any()
        for name in [*matrices, "encoder.clip.logit_scale", "patches.scorer.output.weight"]
    )
    rounding = 1e-12 * max(float(gradient.abs().max()) for gradient in wanted.values())
    for found in run(world, lambda shard: trained(shard, chunk), tmp_path):
        assert set(found) == set(wanted)
        for name, gradient in wanted.items():
            assert (found[name] - gradient).abs().max() <= 1e-9 * gradient.abs().max() + rounding, (
                name
            )


def ragged(shard: Shard) -> dict[str, Tensor]:
    text = random_text(2, seed=shard.rank, words=3 + shard.rank)
    video = random_video(2, seed=shard.rank)
    all_texts, all_videos, numbers = (
        gather(text, shard),
        gather(video, shard),
        gather(torch.arange(2), shard),
    )
    return {
        "words": all_texts.words, "word_mask": all_texts.word_mask, "sentence": all_texts.sentence,
        "frames": all_videos.frames, "contextual": all_videos.contextual, "numbers": numbers,
    }  # fmt: skip


def test_rows_come_in_order_of_ranks_and_ragged_words_are_filled_up(tmp_path: Path) -> None:
    first, second = run(2, ragged, tmp_path)
    assert all(torch.equal(first[name], second[name]) for name in first)
    texts = [random_text(2, seed=rank, words=3 + rank) for rank in range(2)]
    assert torch.equal(first["sentence"], torch.cat([text.sentence for text in texts]))
    assert torch.equal(first["words"][:2, :3], texts[0].words)
    assert torch.equal(first["words"][2:], texts[1].words)
    assert torch.equal(first["word_mask"][:2, :3], texts[0].word_mask)
    assert not first["word_mask"][:2, 3].any()
    assert torch.equal(
        first["frames"], torch.cat([random_video(2, seed=rank).frames for rank in range(2)])
    )
    assert first["contextual"].shape == (4, 0, 32)
    assert first["numbers"].tolist() == [0, 1, 0, 1]
    assert first["numbers"].dtype == torch.int64


def unequal(shard: Shard) -> str:
    try:
        gather(random_text(2 + shard.rank), shard)
    except ConfigError as error:
        return str(error)
    return "nothing"


def test_unequal_batches_are_refused_everywhere(tmp_path: Path) -> None:
    said = run(2, unequal, tmp_path)
    assert all("same number of rows" in message for message in said), said


def averaged(shard: Shard) -> list[Tensor | None]:
    shapes = [(3,), (2, 2), (5,), ()]
    parameters = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
    frozen, unused = nn.Parameter(torch.zeros(2), requires_grad=False), nn.Parameter(torch.zeros(2))
    for number, parameter in enumerate(parameters):
        if number != 2 or shard.rank == 1:  # the third has a gradient in one process only
            parameter.grad = torch.full(shapes[number], float((number + 1) * (shard.rank + 1)))
    average_gradients([*parameters, frozen, unused], shard)
    assert frozen.grad is None
    return [*(parameter.grad for parameter in parameters), unused.grad]


@pytest.mark.parametrize("bucket", [1, 20, 1 << 20])
def test_the_mean_over_processes(
    bucket: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In buckets of any size; a gradient that one process lacks is 0 there, one that all lack stays
    None.
    """
    monkeypatch.setattr(distributed, "_BUCKET_BYTES", bucket)
    for found in run(2, averaged, tmp_path):
        wanted = [
            torch.full((3,), 1.5),
            torch.full((2, 2), 3.0),
            torch.full((5,), 3.0),
            torch.tensor(6.0),
        ]
        assert all(
            torch.equal(tensor, want) for tensor, want in zip(found[:4], wanted, strict=True)
        )
        assert found[4] is None


def agreed(shard: Shard) -> list[Any]:
    model = nn.BatchNorm1d(2)
    nn.init.constant_(model.weight, 1.0 + shard.rank)
    model.running_mean.fill_(float(shard.rank))
    broadcast(model, shard)
    flags = [anywhere(shard.rank == 1, shard), anywhere(False, shard), anywhere(True, shard)]
    return [
        model.weight.tolist(),
        model.running_mean.tolist(),
        flags,
        from_first(0.1 + shard.rank, shard),
    ]


def test_all_agree(tmp_path: Path) -> None:
    for found in run(2, agreed, tmp_path):
        assert found == [[1.0, 1.0], [0.0, 0.0], [True, False, True], 0.1]


def test_one_process_is_left_alone() -> None:
    text, alone = random_text(2), Shard()
    assert gather(text, alone) is text
    average_gradients([nn.Parameter(torch.zeros(2))], alone)
    broadcast(nn.Linear(2, 2), alone)
    assert (anywhere(True, alone), anywhere(False, alone), from_first(2.5, alone)) == (
        True,
        False,
        2.5,
    )
    assert not dist.is_initialized()


def started_by_torchrun(shard: Shard, port: int) -> None:
    os.environ |= {"RANK": str(shard.rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(shard.rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    good = start() == shard and gather(torch.tensor([shard.rank]), shard).tolist() == [0, 1]
    distributed.finish()
    os._exit(0 if good else 1)


def test_the_environment_of_torchrun_is_enough() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=started_by_torchrun, args=(Shard(rank, 2), port))
        for rank in range(2)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(SECONDS)
        child.kill()
    assert [child.exitcode for child in children] == [0, 0]


def test_without_torchrun_one_process_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert start() == Shard(0, 1)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert start() == Shard(0, 1)
    assert not dist.is_initialized()


@pytest.mark.parametrize(("rank", "world"), [("2", "2"), ("-1", "2"), ("one", "2"), ("0", "")])
def test_an_environment_that_contradicts_itself_is_named(
    rank: str, world: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", world)
    with pytest.raises(ConfigError, match=r"torchrun|within 0"):
        start()


def test_rows_divide_evenly() -> None:
    assert [Shard(rank, 4).rows(8) for rank in range(4)] == [
        slice(0, 2),
        slice(2, 4),
        slice(4, 6),
        slice(6, 8),
    ]
    with pytest.raises(ConfigError, match="batch of 9 rows"):
        Shard(0, 4).rows(9)
