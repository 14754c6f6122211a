"""Measure evaluation from cached features: time per text-video pair and peak memory, one thread.

    python research/benchmarks/evaluation.py            # 200 texts x 200 videos
    python research/benchmarks/evaluation.py --full     # 1,000 x 1,000

The features are synthetic but like CLIP's: 512-d, 12 frames, 48 patches, 32 words of which 12 on
average are real (start and end tokens included; deviation 4), cosines around 0.2, learned matrices
moved off the identity. Times are CPU time of this process, which other work on the machine disturbs
less. Rows:

    product alone      only the words x patches matrix product of `published exact`, a lower
                       bound for exact scores
    published exact    padding takes part, raw patches: the released arithmetic
    masked             the default: padding masked and left out, cosine patches
    max                masked, every aggregation replaced by the maximum
    kernel ...         the same scores by finereel-kernels, where it is installed
    int16              masked, patch_word from int16 words and patches
    cascade 10 %       masked, patch_word for the best tenth of every text and of every clip; 5 %
                       likewise
    repaired           int16, and in single precision every pair that could change a rank, with the
                       check on a sample

The rows from `published exact` to `max` are torch alone. The ratio column is relative to 224 µs per
pair, the measured cost of the released evaluation loop on one thread.
"""

import argparse
import os
import resource
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from rich.console import Console
from rich.table import Table
from torch.nn.functional import normalize

from finereel.config import ModelConfig
from finereel.data.base import Caption, Split
from finereel.evaluation.gallery import Coverage, EncodedSplit
from finereel.evaluation.scoring import Staged, cascade_scores, int16_parts, repaired_scores
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.heads import compiled
from finereel.models.heads.ucofia import UcofiaHead

DIM, NORM = 512, 10.0  # width and length of CLIP's features
RELEASED = 224.0  # µs per pair
SCALE = torch.tensor(100.0)
MODES = {
    "published exact": ModelConfig(patch_units="inner_product", mask_padding=False),
    "masked": ModelConfig(),
    "max": ModelConfig(aggregation="max"),
}


def make_features(num: int) -> tuple[TextFeatures, VideoFeatures]:
    """`num` captions and clips that share one direction, as CLIP's features do; tokens of a clip
    are alike.
    """
    generator, config = torch.Generator().manual_seed(0), ModelConfig()

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, DIM, generator=generator) / DIM**0.5

    shared, sentence, clip = 0.5 * noise(), noise(num), noise(num)
    lengths = (12 + 4 * torch.randn(num, 1, generator=generator)).round().clamp(3, config.max_words)
    text = TextFeatures(
        NORM * (shared + sentence),
        NORM * (shared + 0.5 * sentence[:, None] + noise(num, config.max_words)),
        torch.arange(config.max_words) < lengths,
    )
    frames = NORM * (shared + clip[:, None] + 0.5 * noise(num, config.max_frames))
    patches = NORM * (shared + 0.7 * clip[:, None] + 0.7 * noise(num, config.num_patches))
    real = torch.ones(num, config.num_patches, dtype=torch.bool)
    pooled = normalize(frames.mean(1), dim=-1)
    return text, VideoFeatures(pooled, frames, patches, real[:, : config.max_frames], real)


def make_head(config: ModelConfig) -> UcofiaHead:
    """A head as training leaves it: near the identity, and not on it."""
    head, generator = UcofiaHead(config, DIM).eval(), torch.Generator().manual_seed(0)
    for parameter in head.parameters():
        parameter.add_(0.1 / len(parameter) * torch.randn(parameter.shape, generator=generator))
    return head


def product(text: TextFeatures, video: VideoFeatures) -> None:
    """The words of 32 texts at a time times the patches of 16 videos at a time."""
    words, patches = text.words.split(32), video.patches.split(16)
    for left in words:
        for right in patches:
            torch.mm(right.flatten(0, 1), left.flatten(0, 1).T)


def staged(text: TextFeatures, video: VideoFeatures) -> Staged:
    """The masked head and a split of the features."""
    names = [str(number) for number in range(len(text))]
    split = Split("made", tuple(names), tuple(Caption(name, name, name) for name in names))
    coverage = Coverage(split.hash, len(names), len(names), {}, 0)
    return Staged(make_head(MODES["masked"]), SCALE, EncodedSplit(split, text, video, coverage))


def cheaper(text: TextFeatures, video: VideoFeatures) -> dict[str, Callable[[], object]]:
    """The rows that take the compiled kernels, none where they are not installed."""
    if compiled.state() in ("off", "not installed"):
        return {}
    split = staged(text, video)
    heads = {name: make_head(MODES[name]) for name in ("published exact", "masked")}
    rows: dict[str, Callable[[], object]] = {
        f"kernel {name}": partial(head.score, text, video, SCALE) for name, head in heads.items()
    }
    return rows | {
        "int16": lambda: int16_parts(split),
        "cascade 10 %": lambda: cascade_scores(split, 0.1, {}),
        "cascade 5 %": lambda: cascade_scores(split, 0.05, {}),
        "repaired": lambda: repaired_scores(split, int16_parts(split) or {}),
    }


def cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    """The least CPU time of a few runs."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def peak_mib() -> float:
    """Peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def costs(text: TextFeatures, video: VideoFeatures, repeats: int) -> Iterator[tuple[str, float]]:
    """Every row's name and CPU seconds, one after the other."""
    rows: dict[str, Callable[[], object]] = {"product alone": lambda: product(text, video)}
    rows |= {
        name: partial(make_head(config).score, text, video, SCALE) for name, config in MODES.items()
    }
    rows |= cheaper(text, video)
    switch = os.environ.get(compiled.SWITCH, "")
    for name, work in rows.items():
        os.environ[compiled.SWITCH] = "off" if name in MODES else switch
        yield name, cpu_seconds(work, repeats)
    os.environ[compiled.SWITCH] = switch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=200, help="captions, and as many clips")
    parser.add_argument("--full", action="store_true", help="1,000 x 1,000")
    parser.add_argument("--repeats", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    num = 1000 if arguments.full else arguments.size
    text, video = make_features(num)
    before = peak_mib()
    table = Table(
        "scoring",
        "CPU s",
        "µs per pair",
        "ratio to 224",
        "peak MiB",
        "over features",
        title=f"{num} x {num}",
    )
    for name, cost in costs(text, video, arguments.repeats):
        each = 1e6 * cost / num**2
        peak = peak_mib()
        table.add_row(
            name,
            f"{cost:.1f}",
            f"{each:.1f}",
            f"{RELEASED / each:.1f}x",
            f"{peak:.0f}",
            f"{peak - before:.0f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
