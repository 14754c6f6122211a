"""Published checkpoints with their exact arithmetic: load, compare, import.

    from finereel import official

    model = official.load("ucofia", state, max_words=32, max_frames=12, variant="eval")
    scores = model.scores(input_ids, text_mask, pixels, frame_mask)

KINDS lists the kinds of checkpoints. The numbers agree with those of the released code to 1e-5
relative, including behaviour that Finereel changes by default; the docstring of each head describes
these differences.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from finereel.errors import CheckpointError, ConfigError, FinereelError, unknown_name
from finereel.models.published import clip4clip, drl, geometry, names, ts2net, ucofia, xclip
from finereel.models.published.checkpoint import read_state
from finereel.models.published.geometry import Options
from finereel.models.published.plan import ImportPlan, ImportReport, carry_out
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import save
from finereel.models.weights import refusals
from finereel.normalization import published_sinkhorn
from finereel.text import Tokenizer

__all__ = [
    "KINDS",
    "ImportReport",
    "OfficialModel",
    "Options",
    "drl",
    "geometry",
    "import_checkpoint",
    "import_reported",
    "load",
    "names",
    "sinkhorn",
    "ucofia",
    "xclip",
]

Matrix = TypeVar("Matrix")

KINDS: dict[str, Callable[[Mapping[str, Tensor], Options], ImportPlan]] = {
    "ucofia": ucofia.plan,
    "xclip": xclip.plan,
    "clip4clip": clip4clip.plan,
    "ts2net": ts2net.plan,
    "drl": drl.plan,
}


@dataclass(frozen=True, eq=False)
class OfficialModel:
    """A published network.

    Attributes:
        model: The same weights as a `RetrievalModel`, configured as published.
        report: What became of each tensor of the checkpoint.
    """

    model: RetrievalModel
    report: ImportReport | None = None

    @torch.no_grad()
    def scores(
        self,
        input_ids: Int64[Tensor, "T W"],
        text_mask: Bool[Tensor, "T W"],
        pixels: Float[Tensor, "V F 3 H H"],
        frame_mask: Bool[Tensor, "V F"],
        noise: Float[Tensor, "B S M"] | None = None,
    ) -> dict[str, Float[Tensor, "T V"]]:
        """Score texts against clips as the released code does.

        Args:
            input_ids: (T, W) token ids, padded to the checkpoint's number of words.
            text_mask: (T, W), True on tokens of the text.
            pixels: (V, F, 3, H, H), normalised, padded to the checkpoint's number of frames.
            frame_mask: (V, F), True on real frames.
            noise: (V * F, S, N - 1), noise of the official stochastic patch selection; None selects
                the best patches, in ascending order.

        Returns:
            One (T, V) matrix per granularity, and `fused`, the official logits.

        Raises:
            ConfigError: If the numbers of words or frames are not those of the checkpoint.
        """
        self._check(input_ids, frame_mask)
        text = self.model.text_features(input_ids, text_mask)
        video = self.model.video_features(pixels, frame_mask, noise)
        scores = self.model.score(text, video)
        return {**scores.parts, "fused": scores.fused}

    def _check(self, input_ids: Tensor, frame_mask: Tensor) -> None:
        given, wanted = (
            (input_ids.shape[1], frame_mask.shape[1]),
            (self.model.config.max_words, self.model.num_frames),
        )
        if given != wanted:
            raise ConfigError(
                f"this checkpoint takes exactly {wanted[0]} words and {wanted[1]} frames, got "
                f"{given[0]} and "
                f"{given[1]}: pad or cut to that"
            )


def load(kind: str, state: Mapping[str, Tensor], **options: Any) -> OfficialModel:
    """Load the published network of an official state dict; its sizes are read from tensor shapes.

    Args:
        kind: A key of KINDS.
        state: Tensors by their official names.
        **options: The fields of `Options`: max_words, max_frames, variant, temporal, interaction,
            allow.

    Returns:
        The network.

    Raises:
        CheckpointError: If tensors are missing, unexpected or of another shape.
        ConfigError: If a name is unknown.
    """
    plan, chosen = _planner(kind), _options(options)
    origin = f"the official {kind} state dict"
    with refusals(origin, FinereelError):
        if not all(
            isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()
        ):
            raise CheckpointError(
                "expected tensors by name: the official state dict and nothing else"
            )
        plain = names.without_shift_wrapper(state)
        planned = plan(plain, chosen)
        with refusals(origin):
            return OfficialModel(*carry_out(planned, plain, chosen))


def sinkhorn(matrix: Matrix, n_iters: int = 4) -> tuple[Matrix, Matrix]:
    """Compute the published biases of a similarity matrix.

    Args:
        matrix: (T, V) similarities, numpy or torch.
        n_iters: Number of iterations.

    Returns:
        Row and column biases, see `finereel.normalization.published_sinkhorn`.

    Source:
        UCoFiA (ICCV 2023), released code.
    """
    return published_sinkhorn(matrix, n_iters)


def import_checkpoint(
    path: str | Path,
    out_dir: str | Path,
    kind: str = "ucofia",
    tokenizer: str | Path | None = None,
    **options: Any,
) -> RetrievalModel:
    """Convert a published checkpoint into a model directory and return the model.

    Args:
        path: The checkpoint: .bin, .pt or .safetensors.
        out_dir: The model directory to write.
        kind: A key of KINDS.
        tokenizer: A directory with the tokenizer of the checkpoint.
        **options: As for `load`.

    Returns:
        The model; `import_reported` also returns the report on its tensors.

    Raises:
        ModelNotFoundError: If there is no such file.
        CheckpointError: If the file cannot be read or does not fit.
    """
    return import_reported(path, out_dir, kind, tokenizer, **options).model


def import_reported(
    path: str | Path,
    out_dir: str | Path,
    kind: str = "ucofia",
    tokenizer: str | Path | None = None,
    **options: Any,
) -> OfficialModel:
    """Convert a published checkpoint into a model directory and report every tensor.

    A checkpoint contains no vocabulary. Without `tokenizer`, the directory encodes token ids but no
    strings, and its card says so. Safetensors are read directly; a pickle is rewritten by a
    sandboxed process and never runs in this one.

    Args:
        path: The checkpoint: .bin, .pt or .safetensors.
        out_dir: The model directory to write.
        kind: A key of KINDS.
        tokenizer: A directory with the tokenizer of the checkpoint, such as any CLIP model
            directory for the published ones.
        **options: As for `load`.

    Returns:
        The network and the report on its tensors.

    Raises:
        ModelNotFoundError: If there is no such file.
        CheckpointError: If the file cannot be read or does not fit.
    """
    _planner(kind), _options(options)  # what was asked for is refused before a large file is read
    loaded = load(kind, read_state(path), **options)
    model, report = loaded.model, loaded.report
    assert report is not None
    if tokenizer is not None:
        model.tokenizer = _fitting_tokenizer(tokenizer, model)
    model.name = str(out_dir)
    model.card = {
        "trained": True,
        "source": f"{Path(path).name}, a published {kind} checkpoint",
        "note": model.card["note"]
        + (
            ""
            if model.tokenizer
            else " No tokenizer came with it: put CLIP's tokenizer.json into this directory."
        ),
    }
    if report.missing:
        model.card["untrained"] = sorted(name for name in report.missing)
    save(model, out_dir)
    return loaded


def _fitting_tokenizer(directory: str | Path, model: RetrievalModel) -> Tokenizer:
    tokenizer = Tokenizer.load(directory)
    known = model.encoder.vocab_size
    if tokenizer.vocab_size != known:
        raise CheckpointError(
            f"the tokenizer in {directory} has {tokenizer.vocab_size} tokens, the checkpoint's "
            f"text tower {known}: "
            "give the one it was trained with"
        )
    return tokenizer


def _planner(kind: str) -> Callable[[Mapping[str, Tensor], Options], ImportPlan]:
    if kind not in KINDS:
        raise unknown_name("kind of checkpoint", kind, KINDS)
    return KINDS[kind]


def _options(values: Mapping[str, Any]) -> Options:
    known = Options.__dataclass_fields__
    for name in values:
        if name not in known:
            raise unknown_name("option", name, known)
    return Options(**values)
