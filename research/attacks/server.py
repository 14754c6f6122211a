"""A warm process that tries one hostile file after another, each in a forked child with limits on
memory and time.

`python research/attacks/server.py` reads a JSON object per line, {"do": "model", "path": ...}, and
answers each with one, {"kind": "typed", "detail": ...}. `Server` is the other end of the two pipes.
"""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEMORY = 1 << 30
"""Bytes that a child may take beside what the imports took."""
CPU_SECONDS = 2.0
"""Processor time of the child, without imports: on a busy machine the clock on the wall says
nothing.
"""
WALL_SECONDS = 60.0


@dataclass(frozen=True)
class Outcome:
    """What became of one file. kind: `typed`, `loaded`, `untyped`, `hung`, `memory` or `not
    finite`.
    """

    kind: str
    detail: str = ""


class Server:
    """A warm process to try files in; a context manager, which ends it."""

    def __init__(self) -> None:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, str(Path(__file__).resolve())]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def try_out(self, do: str, path: Path, **settings: Any) -> Outcome:
        """Do what is registered as `do` with the file or folder at `path`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, "path": str(path), **settings}) + "\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))


def load_and_encode(path: Path, settings: dict[str, Any]) -> str:
    """Load a model directory, and encode and score with it."""
    import numpy as np

    from finereel.models.saving import load
    from finereel.types import Frames

    model = load(path)
    text = (
        model.text_features(*_some_tokens(model))
        if model.tokenizer is None
        else model.encode_text(["a red car"])
    )
    if hasattr(model.encoder, "geometry"):
        geometry = model.encoder.geometry
        tokens = np.ones((1, 2, geometry.tokens_per_frame, geometry.token_dim), np.float32)
        video = model.encode_clips(tokens, np.ones((1, 2), bool)[:, : model.num_frames])
    else:
        pixels = np.zeros((2, 30, 40, 3), np.uint8)
        video = model.encode_video([Frames(pixels, np.arange(2, dtype=np.float64))])
    fused = model.score(text, video).fused
    return "loaded" if bool(fused.isfinite().all()) else "not finite"


def _some_tokens(model: Any) -> tuple[Any, Any]:
    import torch

    return torch.zeros(1, 2, dtype=torch.int64), torch.ones(1, 2, dtype=torch.bool)


def import_checkpoint(path: Path, settings: dict[str, Any]) -> str:
    """Import a published checkpoint as every kind it may be."""
    from finereel.models import published as official

    official.import_checkpoint(path, Path(f"{path}.model"), settings.get("kind", "ucofia"))
    return "loaded"


def unpickle(path: Path, settings: dict[str, Any]) -> str:
    """Hand a file to the guarded process as if nobody had looked at it before."""
    from finereel.models.published import checkpoint

    checkpoint._convert(path, Path(f"{path}.safetensors"))
    return "loaded"


def make_bases(folder: Path, settings: dict[str, Any]) -> str:
    """A small model of each kind that `load` knows: our own, a plain CLIP directory, one of
    precomputed tokens.
    """
    import torch
    from safetensors.torch import save_file

    from finereel.config import ModelConfig
    from finereel.models.encoders.clip import ClipEncoder, clip_from_config
    from finereel.models.encoders.features import FeatureEncoder, FeatureGeometry
    from finereel.models.encoders.tiny import tiny_clip_values
    from finereel.models.heads import head_config
    from finereel.models.retrieval import RetrievalModel
    from finereel.models.saving import save
    from finereel.text import train_tokenizer

    torch.manual_seed(0)
    tokenizer = train_tokenizer(
        ["a red car jumps over the house", "a small blue fish swims slowly"], 530
    )
    geometry = {"dim": 32, "image_size": 21, "patch_size": 7, "vision_blocks": 2, "text_blocks": 2}
    towers = clip_from_config(tiny_clip_values(tokenizer.vocab_size, **geometry))
    own = ModelConfig(max_words=6, max_frames=4, shifted_blocks=(1,), temporal_layers=1)
    save(RetrievalModel(ClipEncoder(towers, (1,)), own, tokenizer), folder / "own")
    (folder / "clip").mkdir()
    save_file(towers.state_dict(), folder / "clip" / "model.safetensors")
    described = {"model_type": "clip"} | towers.config.describe()
    (folder / "clip" / "config.json").write_text(json.dumps(described), encoding="utf-8")
    tokenizer.save(folder / "clip")
    preprocessor = {
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "size": 21,
        "crop_size": 21,
        "resample": 3,
    }
    (folder / "clip" / "preprocessor_config.json").write_text(
        json.dumps(preprocessor), encoding="utf-8"
    )
    sizes = FeatureGeometry(
        32, 8, 6, tokenizer.vocab_size, hidden=8, text_width=64, text_positions=16
    )
    features = head_config("drl", max_words=6, max_frames=4, temporal_layers=1)
    save(RetrievalModel(FeatureEncoder(sizes), features, tokenizer), folder / "features")
    return "loaded"


def sleep(path: Path, settings: dict[str, Any]) -> str:
    """Hang, as a test of the deadline."""
    time.sleep(WALL_SECONDS)
    return "loaded"


def grow(path: Path, settings: dict[str, Any]) -> str:
    """Take more memory than allowed, as a test of the limit."""
    return "loaded" if bytearray(2 * MEMORY) else ""


TASKS: dict[str, Callable[[Path, dict[str, Any]], str]] = {
    "bases": make_bases,
    "model": load_and_encode,
    "checkpoint": import_checkpoint,
    "unpickle": unpickle,
    "sleep": sleep,
    "grow": grow,
}


def serve() -> None:
    """Answer every line of stdin with one line on stdout."""
    import torch

    import finereel.models.published
    from finereel.models.saving import load

    torch.set_num_threads(1)
    load("reelworld-tiny").encode_text(
        ["warm"]
    )  # what libraries load when first used is no cost of a hostile file
    del finereel
    for line in sys.stdin:
        request = json.loads(line)
        kind, detail = _in_child(request)
        print(json.dumps({"kind": kind, "detail": detail}), flush=True)


def _in_child(request: dict[str, Any]) -> tuple[str, str]:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        with os.fdopen(writer, "w") as answer:
            json.dump(_attempt(request), answer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        ready, _, _ = select.select([answer], [], [], request.get("wall", WALL_SECONDS))
        if not ready:
            os.kill(child, signal.SIGKILL)
        said = answer.read()
    _, status = os.waitpid(child, 0)
    if not ready:
        return "hung", f"nothing after {WALL_SECONDS:.0f} s"
    kind, detail = json.loads(said) if said else ("untyped", f"the process ended with {status}")
    return kind, detail


def _attempt(request: dict[str, Any]) -> tuple[str, str]:
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - of a child that ends soon
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    return judged(request)


def judged(request: dict[str, Any]) -> tuple[str, str]:
    """Carry out a request in this process; the kind of its outcome, see `Outcome`, and a detail."""
    from finereel.errors import FinereelError

    began = time.process_time()
    try:
        kind, detail = TASKS[request["do"]](Path(request["path"]), request), ""
    except FinereelError as error:
        kind, detail = "typed", str(error)
        if any(
            sign in detail
            for sign in ("MemoryError", "needs more memory than there is", "allocate memory")
        ):
            kind = "memory"
    except MemoryError as error:
        kind, detail = "memory", str(error)
    except BaseException as error:
        kind, detail = "untyped", f"{type(error).__name__}: {error}"[:300]
    spent = time.process_time() - began
    if spent > CPU_SECONDS and request["do"] != "bases":
        return "hung", f"{spent:.1f} s of processor time, then {kind} {detail[:100]}"
    return kind, detail[:300]


if __name__ == "__main__":
    serve()
