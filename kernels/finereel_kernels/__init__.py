"""The shared library of `src/isa.cpp` through ctypes. Its caller is `finereel.models.heads.compiled`."""

import ctypes

from finereel_kernels.loading import load, names

INTERFACE = 2
"""Changes with the fields of `Job`; Finereel uses no library of another number."""


class Mixing(ctypes.Structure):
    """A learned matrix; see `isa.cpp`."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("stride", ctypes.c_int64),
        ("wide", ctypes.c_int64),
    )


class Job(ctypes.Structure):
    """Texts, clips and where the scores go; see `isa.cpp`. The caller keeps all of it alive."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("texts", "clips")),
        *((name, ctypes.c_int64) for name in ("most_words", "most_patches", "depth")),
        *((name, ctypes.c_void_p) for name in ("starts", "counts", "words", "patches")),
        *((name, ctypes.c_void_p) for name in ("word_scales", "patch_scales", "similarities")),
        ("row", ctypes.c_int64),
        ("few", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("halves", "chosen", "chosen_starts")),
        *((name, Mixing) for name in ("over_patches", "over_words")),
        *((name, Mixing) for name in ("over_patch_words", "over_word_patches")),
        ("out", ctypes.c_void_p),
        ("threads", ctypes.c_int64),
    )


_LIBRARY = load(
    "isa.so",
    {
        "finereel_set": (ctypes.c_char_p, (ctypes.c_int64,)),
        "finereel_score": (ctypes.c_int, (ctypes.POINTER(Job), ctypes.c_int64)),
    },
)
SETS = names(_LIBRARY.finereel_set)
"""Instruction sets of this processor that there is code for, the widest first, `plain` last."""


def score(job: Job, instructions: str = SETS[0]) -> None:
    """Score all pairs of a job. MemoryError where memory ran out."""
    if _LIBRARY.finereel_score(ctypes.byref(job), SETS.index(instructions)):
        raise MemoryError("no memory for scores")
