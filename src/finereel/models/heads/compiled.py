"""The compiled form of UCoFiA's patch_word (Bi-ISA), where `finereel-kernels` is installed.

`patch_word` scores all pairs as `UcofiaHead` does, within 1e-5 of similarities; `chosen_pairs` only
those asked for; `int16_pairs` all of them from rounded words and patches. All return None where
they cannot serve: no library, `FINEREEL_KERNELS=off`, gradients, another device, precision or
aggregation, padding before a real word. Then torch, the reference, does the work.
"""

import importlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from jaxtyping import Bool, Float, Float16, Float32, Int16, Int64
from torch import Tensor, nn

from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.heads.weighting import TEMPERATURE, InteractiveSimilarityAggregation

SWITCH = "FINEREEL_KERNELS"
INTERFACE = 2
_PER_UNIT = 1 / (TEMPERATURE * math.log(2))  # e^(x/τ) = 2^(x·144.3)
_REACH = 100.0  # powers of two within 2^±100 need no maximum taken off
_LANES = 16  # numbers of the widest register
# The product of two vectors of this length fits 32 bits (Cauchy-Schwarz), rounded ones too
_LENGTH, _LARGEST = 46_300.0, 32_767.0
_WORTH_A_THREAD = 2_000  # pairs; fewer where the product is compiled too
_PRODUCT_COSTS = 20
_FEW_WORDS = 64  # of all texts; a product of more is faster in torch


def state() -> str:
    """Which instructions score here, or why none do: `avx2`, `off`, `not installed`.

    >>> import os; os.environ["FINEREEL_KERNELS"] = "off"; state()
    'off'
    >>> del os.environ["FINEREEL_KERNELS"]
    """
    if os.environ.get(SWITCH, "").lower() == "off":
        return "off"
    library = _library()
    return "not installed" if library is None else str(library.SETS[0])


@cache
def _library() -> Any:
    """The module `finereel_kernels`; None where it is missing, broken or of another interface."""
    try:
        library = importlib.import_module("finereel_kernels")
    except (ImportError, OSError):
        return None
    return library if getattr(library, "INTERFACE", None) == INTERFACE else None


def own_product() -> bool:
    """Whether the product of many words is compiled too: measured on an EPYC with AVX-512, product
    and Bi-ISA in one pass take 0.42 of the padded product's time, Bi-ISA after torch's 0.56.
    """
    return state() == "avx512"


@dataclass(frozen=True)
class Sides:
    """Prepared texts and clips without padding words.

    words: those of all texts, one text after another. starts: where each text begins, and the end.
    patches: in half precision as a library may have them. counts: how many of a clip are real.
    """

    words: Float32[Tensor, "N D"]
    starts: Int64[Tensor, " T1"]
    patches: Float32[Tensor, "V P D"] | Float16[Tensor, "V P D"]
    counts: Int64[Tensor, " V"]
    most_words: int


def serves(aggregations: Sequence[nn.Module], *features: Tensor) -> bool:
    """Whether scores of such features are computed here."""
    if torch.is_grad_enabled() or state() in ("off", "not installed"):
        return False
    mixings = [getattr(part, "mixing", None) for part in aggregations]
    isa = all(type(part) is InteractiveSimilarityAggregation for part in aggregations)
    kinds = {
        (part.device.type, part.dtype) for part in (*features, *mixings) if isa and part is not None
    }
    return isa and kinds == {("cpu", torch.float32)} and all(type(x) is Tensor for x in features)


def sides_of(
    text: TextFeatures, video: VideoFeatures, aggregations: Mapping[str, nn.Module], masked: bool
) -> Sides | None:
    """What can be scored here of prepared features, None where that is the part of torch."""
    words, patches = text.words, video.patches
    if not serves(tuple(aggregations.values()), words, video.frames) or not (
        patches.device.type == "cpu" and patches.dtype in (torch.float32, torch.float16)
    ):
        return None
    (T, W, D), (V, P, _) = words.shape, patches.shape
    if not (T and V and W and P and D):
        return None
    lengths, counts = torch.full((T,), W), torch.full((V,), P)
    if masked:
        if _gaps(text.word_mask) or _gaps(video.patch_mask):
            return None
        lengths, counts = text.word_mask.sum(1), video.patch_mask.sum(1)
    if not bool(lengths.any()):  # nothing to point at
        return None
    whole = bool((lengths == W).all())
    rows = words.reshape(T * W, D) if whole else words[torch.arange(W) < lengths[:, None]]
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    return Sides(rows.contiguous(), starts, patches.contiguous(), counts.contiguous(), W)


def _gaps(mask: Bool[Tensor, "rows n"]) -> bool:
    """Whether something real stands after padding."""
    return bool((mask[:, 1:] & ~mask[:, :-1]).any())


def frame_sentence(
    text: TextFeatures, video: VideoFeatures, aggregation: nn.Module, masked: bool
) -> Float32[Tensor, "T V"] | None:
    """All pairs of sentences and clips, of prepared features; None where that is the part of
    torch.
    """
    V, F = video.frames.shape[:2]
    counts = video.frame_mask.sum(1) if masked else torch.full((V,), F)
    if not serves([aggregation], text.sentence, video.frames) or not (V and F and len(text)):
        return None
    if masked and _gaps(video.frame_mask):
        return None
    frames = video.frames.contiguous()
    sides = Sides(text.sentence, torch.arange(len(text) + 1), frames, counts.contiguous(), 0)
    return patch_word(sides, {"over_patches": aggregation})


def patch_word(sides: Sides, aggregations: Mapping[str, nn.Module]) -> Float32[Tensor, "T V"]:
    """All pairs, Bi-ISA compiled; the product too of few words, which reads every clip once, as it
    is stored, and where the processor has wide registers. Else the product is one of torch.
    """
    V, P, D = sides.patches.shape
    if sides.most_words and len(sides.words) <= _FEW_WORDS and D % _LANES == 0:
        kind = "halves" if sides.patches.dtype == torch.float16 else "patches"
        given = {kind: sides.patches.data_ptr(), "words": sides.words.data_ptr()}
        return _all_pairs(sides, aggregations, few=1, kept=None, **given)
    if sides.most_words and own_product():
        patches = sides.patches.float()
        pointers = {"words": sides.words.data_ptr(), "patches": patches.data_ptr()}
        return _all_pairs(sides, aggregations, kept=patches, **pointers)
    similarities = sides.words @ sides.patches.reshape(V * P, D).float().T
    return _all_pairs(
        sides, aggregations, similarities=similarities.data_ptr(), row=V * P, kept=similarities
    )


def chosen_pairs(
    sides: Sides, aggregations: Mapping[str, nn.Module], wanted: Bool[Tensor, "T V"]
) -> Float32[Tensor, "T V"]:
    """The pairs that are wanted, 0 elsewhere; the product is compiled too."""
    clips, texts = wanted.T.nonzero(as_tuple=True)
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), wanted.sum(0).cumsum(0)])
    texts, out, patches = texts.contiguous(), torch.empty(len(texts)), sides.patches.float()
    _run(
        sides,
        aggregations,
        out,
        words=sides.words.data_ptr(),
        patches=patches.data_ptr(),
        chosen=texts.data_ptr(),
        chosen_starts=starts.data_ptr(),
        kept=(texts, starts, patches),
    )
    scores = torch.zeros(wanted.shape)
    scores[texts, clips] = out
    return scores


def int16_pairs(sides: Sides, aggregations: Mapping[str, nn.Module]) -> Float32[Tensor, "T V"]:
    """All pairs from words and patches rounded to int16: about 4e-5 off for unit vectors."""
    (words, word_scales), (patches, patch_scales) = (
        rounded(sides.words),
        rounded(sides.patches.float()),
    )
    patch_scales = nn.functional.pad(patch_scales.flatten(), (0, _LANES))
    return _all_pairs(
        sides,
        aggregations,
        words=words.data_ptr(),
        patches=patches.data_ptr(),
        word_scales=word_scales.data_ptr(),
        patch_scales=patch_scales.data_ptr(),
        depth=words.shape[-1] // 2,
        kept=(words, patches, word_scales, patch_scales),
    )


def rounded(
    vectors: Float[Tensor, "*rows D"],
) -> tuple[Int16[Tensor, "*rows E"], Float[Tensor, "*rows"]]:
    """int16 vectors of even length and what 1 in them is worth.

    >>> numbers, worth = rounded(torch.tensor([[3.0, 4.0, 0.0]]))
    >>> numbers.tolist(), (numbers * worth[:, None]).tolist()
    ([[24575, 32767, 0, 0]], [[2.999969482421875, 4.0, 0.0, 0.0]])
    """
    norms, largest = vectors.norm(dim=-1), vectors.abs().amax(-1)
    worth = torch.maximum(norms / _LENGTH, largest / _LARGEST)
    numbers = (vectors / worth.clamp_min(torch.finfo(worth.dtype).tiny)[..., None]).round()
    # NaN stays NaN through its worth, so that a broken feature is still seen in its scores
    numbers = numbers.nan_to_num(0.0, 0.0, 0.0).to(torch.int16)
    return nn.functional.pad(numbers, (0, vectors.shape[-1] % 2)), worth


def _all_pairs(
    sides: Sides, aggregations: Mapping[str, nn.Module], **fields: Any
) -> Float32[Tensor, "T V"]:
    out = torch.empty(len(sides.counts), len(sides.starts) - 1)
    _run(sides, aggregations, out, **fields)
    return out.T


def _run(
    sides: Sides,
    aggregations: Mapping[str, nn.Module],
    out: Tensor,
    kept: object,
    **fields: int,
) -> None:
    """One call of the library. kept: what `fields` point to, alive until it returns."""
    library, matrices = _library(), dict[str, tuple[Tensor, bool]]()
    worth = _WORTH_A_THREAD // (_PRODUCT_COSTS if "words" in fields else 1)
    for name, aggregation in aggregations.items():
        size = sides.most_words if name.endswith("words") else sides.patches.shape[1]
        mixing = aggregation.mixing
        assert isinstance(mixing, Tensor)
        matrices[name] = _padded(mixing[:size, :size], turned=name == "over_words")
    job = library.Job(
        **{
            "texts": len(sides.starts) - 1,
            "clips": len(sides.counts),
            "most_words": sides.most_words,
            "most_patches": sides.patches.shape[1],
            "depth": sides.patches.shape[2],
            "starts": sides.starts.data_ptr(),
            "counts": sides.counts.data_ptr(),
            "out": out.data_ptr(),
            "threads": min(torch.get_num_threads(), 1 + out.numel() // worth),
        }
        | {
            name: library.Mixing(matrix.data_ptr(), matrix.shape[1], wide)
            for name, (matrix, wide) in matrices.items()
        }
        | fields
    )
    library.score(job)


def _padded(mixing: Float32[Tensor, "n n"], turned: bool) -> tuple[Float32[Tensor, "n m"], bool]:
    """A learned matrix in powers of two, centred, in rows of whole registers; and whether some
    entry is beyond _REACH.
    """
    size = len(mixing)
    low, high = torch.aminmax(mixing)
    filled = torch.zeros(size, -(-size // _LANES) * _LANES)
    torch.sub(mixing.T if turned else mixing, (low + high) / 2, out=filled[:, :size])
    return filled.mul_(_PER_UNIT), not bool((high - low) / 2 * _PER_UNIT <= _REACH)
