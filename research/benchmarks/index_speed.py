"""Measure indexing in times real time, for 720p and 1080p H.264, decoding included.

    python research/benchmarks/index_speed.py --seconds 60
    python research/benchmarks/index_speed.py --model everyday --keyframes 250
    python research/benchmarks/index_speed.py --model everyday --video holiday.mp4
    python research/benchmarks/index_speed.py --model random-clip --preset exact fast --rounds 2
    python research/benchmarks/index_speed.py --model random-clip --copies 4
    python research/benchmarks/index_speed.py --clips-together 1 2 4 8

The videos are made with PyAV (libx264, preset veryfast, crf 23): a moving camera over the demo's
photos with grain, another photo every 5 s, 30 frames a second, and a keyframe at each cut and after
`--keyframes` frames. Each is indexed into a new library by `Library.add`, everything on one thread
(the decoding child included, which shares the core where there is only one). Printed per video: its
bit rate, on which decoding depends; seconds of video per second by the clock and per second of the
processor; the processor's seconds per ten seconds of video, of the decoding child (with its start)
and of the rest; and the seconds by the clock that decoding and encoding take. The presets take
turns in every round; in the first one `fast` also prepares and checks int8, where the model has it.
A run of one short video decodes it before it encodes it; `--copies 4` indexes so many copies of each
in one run, in which the next is decoded while one is encoded, as in a folder.
The model `random-clip` is a CLIP ViT-B/32 of random weights. `--clips-together`
measures instead how long a frame takes when the frames of several clips go through the model's
towers in one batch, and by how much the features then differ from those of each clip alone.
"""

import argparse
import json
import os
import resource
import shutil
import struct
import tempfile
import time
from contextlib import closing
from fractions import Fraction
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import av
import numpy as np
import torch
from PIL import Image

from finereel.cli.demo_pictures import MOVES, PICTURES
from finereel.index.events import AddSettings
from finereel.index.presets import DEFAULT_PRESET, PRESETS
from finereel.library import Library
from finereel.models.choice import BUNDLED
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load

SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}
FPS = 30
SHOT_SECONDS = 5
GRAIN = 4.5
REPETITIONS = 3


def make_video(path: Path, size: tuple[int, int], seconds: int, keyframes: int) -> None:
    """Shots of a moving camera over photos, with grain that costs bits as a camera's noise does."""
    random, (width, height) = np.random.default_rng(0), size
    grain = random.normal(0, GRAIN, (4, height, width, 1))
    photos = [Image.open(PICTURES / f"{name}.jpg").convert("RGB") for name in MOVES]
    large = [photo.resize((width * 5 // 4, height * 5 // 4)) for photo in photos]
    options = {"crf": "23", "preset": "veryfast", "g": str(keyframes)}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        for number in range(seconds * FPS):
            shot, step = divmod(number, SHOT_SECONDS * FPS)
            left = round(step / (SHOT_SECONDS * FPS) * width / 4)
            view = large[shot % len(large)].crop(
                (left, height // 8, left + width, height // 8 + height)
            )
            noisy = np.asarray(view, dtype=np.float64) + grain[number % len(grain)]
            frame = av.VideoFrame.from_ndarray(
                np.clip(noisy, 0, 255).astype(np.uint8), format="rgb24"
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def index(video: Path, model: RetrievalModel, preset: str, copies: int = 1) -> dict[str, float]:
    """Index copies of one video into a new library."""
    with tempfile.TemporaryDirectory(prefix="index-speed-") as folder:
        videos = [_copy(video, Path(folder), number) for number in range(copies)]
        before = _processor_seconds()  # of this process, and of the children that have ended
        with closing(Library.open(Path(folder) / "library", model=model)) as library:
            report = library.add(videos, settings=AddSettings(preset=preset))
        own, decoding = (
            after - start for after, start in zip(_processor_seconds(), before, strict=True)
        )
    tens = report.video_seconds / 10
    return {
        "video_seconds": round(report.video_seconds, 1),
        "megabits_per_second": round(
            copies * video.stat().st_size * 8e-6 / report.video_seconds, 1
        ),
        "times_real_time": round(report.real_time_factor, 1),
        "times_real_time_per_processor_second": round(report.video_seconds / (own + decoding), 1),
        "processor_seconds_per_10s": {
            "decoding": round(decoding / tens, 3),
            "the rest": round(own / tens, 3),
        },
        "decode_seconds_per_10s": round(report.decode_seconds / tens, 3),
        "encode_seconds_per_10s": round(report.encode_seconds / tens, 3),
        "milliseconds_per_frame": round(1000 * report.encode_seconds / report.frames, 2),
        "reused": round(report.reused / report.frames, 3),
        "quantized": round(report.quantized / report.frames, 3),
    }


def _copy(video: Path, folder: Path, number: int) -> Path:
    """A copy that is another file to a library: an empty box of MP4 stands at its end."""
    box = struct.pack(">I4sI", 12, b"free", number)
    copied = folder / f"{number}{video.suffix}"
    copied.write_bytes(video.read_bytes() + box)
    return copied


def random_clip(folder: Path) -> Path:
    """A plain directory of CLIP ViT-B/32 with random weights and a small vocabulary."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    CLIPModel(CLIPConfig()).save_pretrained(folder)
    shutil.copy(BUNDLED["reelworld-tiny"] / "tokenizer.json", folder)
    return folder


def _processor_seconds() -> list[float]:
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return [use.ru_utime + use.ru_stime for use in uses]


@torch.no_grad()
def together(model: RetrievalModel, clips: int) -> dict[str, float]:
    """Processor milliseconds per frame, with the frames of several clips in one batch."""
    size, frames = model.encoder.image_size, model.num_frames
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(clips, frames, 3, size, size, generator=generator)
    mask = torch.ones(clips, frames, dtype=torch.bool)
    batch = model.encoder.encode_frames(pixels, mask)
    alone = torch.cat(
        [model.encoder.encode_frames(pixels[i : i + 1], mask[:1]) for i in range(clips)]
    )
    taken = []
    for _ in range(REPETITIONS):
        began = time.process_time()
        model.encoder.encode_frames(pixels, mask)
        taken.append(time.process_time() - began)
    return {
        "clips_together": clips,
        "milliseconds_per_frame": round(1000 * min(taken) / (clips * frames), 2),
        "largest_difference": float((batch - alone).abs().max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="reelworld-tiny")
    parser.add_argument("--seconds", type=int, default=30, help="length of the videos made")
    parser.add_argument(
        "--keyframes", type=int, default=75, help="most frames from one keyframe to the next"
    )
    parser.add_argument("--video", type=Path, nargs="*", default=[], help="these instead")
    parser.add_argument("--preset", nargs="+", choices=PRESETS, default=[DEFAULT_PRESET])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--copies", type=int, default=1, help="of each video, in one run")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clips-together", type=int, nargs="*", default=[])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory(prefix="random-clip-") as folder:
        wanted = random_clip(Path(folder)) if arguments.model == "random-clip" else arguments.model
        model = load(wanted).eval()
    for clips in arguments.clips_together:
        print(json.dumps({"model": arguments.model} | together(model, clips)), flush=True)
    if arguments.clips_together:
        return
    with tempfile.TemporaryDirectory(prefix="index-speed-") as folder:
        videos = {path.name: path for path in arguments.video}
        for name, size in {} if videos else SIZES.items():
            videos[name] = Path(folder) / f"{name}.mp4"
            make_video(videos[name], size, arguments.seconds, arguments.keyframes)
        for name, video in videos.items():
            for preset in arguments.preset * arguments.rounds:
                made = {"model": arguments.model, "video": name, "preset": preset}
                print(json.dumps(made | index(video, model, preset, arguments.copies)), flush=True)


if __name__ == "__main__":
    main()
