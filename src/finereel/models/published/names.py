"""Translate official parameter names to those of this project, strictly, with one table per part of
the network.

The official repositories build on OpenAI's CLIP code: fused query-key-value matrices, projections
stored as (in, out), blocks called `resblocks`. Ours are those of `transformers`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from finereel.errors import CheckpointError
from finereel.io.foreign_files import brief

_SHIFT_WRAPPER = re.compile(r"(\.resblocks\.\d+\.attn)\.net\.")
_BLOCK = {
    "attn.out_proj.weight": "self_attn.out_proj.weight",
    "attn.out_proj.bias": "self_attn.out_proj.bias",
    "ln_1.weight": "layer_norm1.weight",
    "ln_1.bias": "layer_norm1.bias",
    "ln_2.weight": "layer_norm2.weight",
    "ln_2.bias": "layer_norm2.bias",
    "mlp.c_fc.weight": "mlp.fc1.weight",
    "mlp.c_fc.bias": "mlp.fc1.bias",
    "mlp.c_proj.weight": "mlp.fc2.weight",
    "mlp.c_proj.bias": "mlp.fc2.bias",
}
_CLIP = {
    "clip.logit_scale": "logit_scale",
    "clip.token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "clip.positional_embedding": "text_model.embeddings.position_embedding.weight",
    "clip.ln_final.weight": "text_model.final_layer_norm.weight",
    "clip.ln_final.bias": "text_model.final_layer_norm.bias",
    "clip.visual.class_embedding": "vision_model.embeddings.class_embedding",
    "clip.visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "clip.visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "clip.visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "clip.visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "clip.visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "clip.visual.ln_post.bias": "vision_model.post_layernorm.bias",
}
MOST_BLOCKS = 128
_DIGITS = 9
LSTM_TENSORS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
CLIP_TRANSPOSED = {
    "clip.text_projection": "text_projection.weight",
    "clip.visual.proj": "visual_projection.weight",
}


@dataclass(frozen=True)
class Target:
    """Where an official tensor goes, and what is done to it on the way."""

    name: str
    change: Callable[[Tensor], Tensor] = torch.clone


Table = dict[str, tuple[Target, ...]]


def plain_table(names: Mapping[str, str]) -> Table:
    """Tensors that only change their name."""
    return {official: (Target(ours),) for official, ours in names.items()}


def block_table(official: str, ours: str, count: int) -> Table:
    """`count` transformer blocks; the fused in_proj becomes query, key and value."""
    table: Table = {}
    for index in range(count):
        source, target = f"{official}.{index}.", f"{ours}.{index}."
        table |= plain_table({source + old: target + new for old, new in _BLOCK.items()})
        for kind in ("weight", "bias"):
            table[f"{source}attn.in_proj_{kind}"] = tuple(
                Target(f"{target}self_attn.{part}_proj.{kind}", _third(place))
                for place, part in enumerate("qkv")
            )
    return table


def clip_table(text_blocks: int, vision_blocks: int, ours: str = "encoder.clip.") -> Table:
    """Both CLIP towers."""
    table = plain_table({official: ours + name for official, name in _CLIP.items()})
    for official, name in CLIP_TRANSPOSED.items():
        table[official] = (Target(ours + name, _transposed),)
    table |= block_table(
        "clip.transformer.resblocks", f"{ours}text_model.encoder.layers", text_blocks
    )
    table |= block_table(
        "clip.visual.transformer.resblocks", f"{ours}vision_model.encoder.layers", vision_blocks
    )
    return table


def without_shift_wrapper(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`...attn.net.x` -> `...attn.x`: the token shift wraps the attention it precedes, the tensors
    are the same.

    The official loader does not know the wrapped names and loses these tensors.
    """
    plain: dict[str, Tensor] = {}
    for name, tensor in state.items():
        short = _SHIFT_WRAPPER.sub(r"\1.", name)
        if short in plain or (short != name and short in state):
            raise CheckpointError(
                f"the state holds {short} twice, with and without '.net.': keep the trained one"
            )
        plain[short] = tensor
    return plain


def count_blocks(names: Iterable[str], prefix: str) -> int:
    """One more than the highest block index under `prefix`, 0 without any; CheckpointError for more
    than MOST_BLOCKS.

    >>> count_blocks(["a.resblocks.0.x", "a.resblocks.11.x"], "a.resblocks")
    12
    """
    found = re.compile(rf"{re.escape(prefix)}\.([0-9]+)\.")
    indexes = {match[1] for name in names if (match := found.match(name))}
    count = 1 + max((int(index[:_DIGITS]) for index in indexes), default=-1)
    if count > MOST_BLOCKS:
        raise CheckpointError(
            f"a block of {prefix} has a number above {MOST_BLOCKS - 1}: no published model has so "
            "many"
        )
    return count


def require(state: Mapping[str, Tensor], name: str, axes: int | None = None) -> Tensor:
    """The tensor called `name`; CheckpointError when there is none, or one that does not have so
    many `axes`.
    """
    if name not in state:
        raise CheckpointError(
            f"the state has no tensor {name}: expected the official state dict, whole"
        )
    tensor = state[name]
    if axes is not None and (tensor.ndim != axes or not tensor.numel()):
        raise CheckpointError(
            f"{name} has shape {tuple(tensor.shape)}, expected {axes} axes and numbers in them"
        )
    return tensor


@dataclass(frozen=True)
class Match:
    """The result of matching a checkpoint against the name table.

    Attributes:
        mapped: Tensors that were found.
        ignored: Tensors that are present but not used.
        missing: Optional tensors that are absent.
        lacking: Required tensors that are absent.
        unexpected: Tensors that the table does not know.
    """

    mapped: tuple[str, ...]
    ignored: tuple[str, ...]
    missing: tuple[str, ...]
    lacking: tuple[str, ...]
    unexpected: tuple[str, ...]

    def check(self, kind: str) -> None:
        """CheckpointError that names what is lacking or unexpected."""
        problems = (("missing", self.lacking), ("unexpected", self.unexpected))
        if any(names for _, names in problems):
            raise CheckpointError(
                f"this is not the state dict of {kind} that its shapes promise: "
                + "; ".join(_listed(word, names) for word, names in problems if names)
            )

    def untrained(self, table: Table) -> set[str]:
        """Our names of what is missing."""
        return {target.name for name in self.missing for target in table[name]}


def match(
    state: Mapping[str, Tensor], table: Table, never_used: Iterable[str], allow: Iterable[str] = ()
) -> Match:
    """Every tensor of the table is needed; nothing else may be there but what is never used.
    `allow`: exceptions.

    `never_used` and `allow` are names, or patterns in which `*` stands for any part.
    """
    absent, extra = sorted(set(table) - set(state)), sorted(set(state) - set(table))
    allowed, unused = tuple(allow), tuple(never_used)
    return Match(
        mapped=tuple(name for name in table if name in state),
        ignored=tuple(name for name in extra if _any(name, unused + allowed)),
        missing=tuple(name for name in absent if _any(name, allowed)),
        lacking=tuple(name for name in absent if not _any(name, allowed)),
        unexpected=tuple(name for name in extra if not _any(name, unused + allowed)),
    )


def translate(state: Mapping[str, Tensor], table: Table) -> dict[str, Tensor]:
    """Our state dict, float32, of the official tensors in the table. CheckpointError for whole
    numbers.
    """
    whole = [name for name in table if not state[name].is_floating_point()]
    if whole:
        raise CheckpointError(
            f"{_listed('quantised tensors:', tuple(whole))} are not read; export the checkpoint in "
            "float16 or float32"
        )
    return {
        target.name: target.change(state[name].float())
        for name, targets in table.items()
        for target in targets
    }


def _any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _third(place: int) -> Callable[[Tensor], Tensor]:
    return lambda fused: fused.chunk(3)[place].clone()


def _transposed(matrix: Tensor) -> Tensor:
    return matrix.T.contiguous()


def _listed(word: str, names: tuple[str, ...], shown: int = 5) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    plain = [
        name if name.isascii() and name.isprintable() and len(name) < 100 else brief(name)
        for name in names[:shown]
    ]
    return f"{word} {', '.join(plain)}{more}"
