"""(c) on a similarity matrix of a published model: normalisations where nothing is known but the
scores.

Queries are split into halves. Each half is evaluated with settings and a bank from the other half
only: a quarter is the bank and a quarter the validation while settings are chosen, then both are
the bank. Transductive rows see all queries at their published settings.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64, Int64

from finereel.data.base import Caption, Split
from finereel.errors import DataError
from finereel.evaluation.gallery import Coverage, ScoredSplit
from finereel.evaluation.normalizing import NORMALIZATIONS, Method, choose
from finereel.evaluation.record import QueryRanks
from finereel.evaluation.retrieval import FUSED
from finereel.normalization import create
from finereel.statistics.metrics import ranks

_DIRECTION = "text_to_video"  # queries in rows; the other direction is the transpose
_PART = "similarity"
_SEED = 0


def matrix_rows(scores: np.ndarray) -> dict[str, dict[str, QueryRanks]]:
    """Ranks of every normalisation in both directions, of an (N, N) matrix in score units (cosines
    times 100) whose diagonal is right. Raises DataError for another shape.
    """
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or len(scores) < 8:
        raise DataError(
            "expected a square matrix of at least 8 queries whose diagonal is right, got "
            f"{scores.shape}"
        )
    matrix = np.asarray(scores, dtype=np.float64)
    ways = {"text_to_video": _corrected(matrix), "video_to_text": _corrected(matrix.T)}
    names = ways["text_to_video"]
    return {name: {way: _query_ranks(found[name]) for way, found in ways.items()} for name in names}


def _corrected(matrix: Float64[np.ndarray, "Q Q"]) -> dict[str, Float64[np.ndarray, "Q Q"]]:
    rows = {"none": matrix}
    for name, method in NORMALIZATIONS.items():
        if method is None:
            continue
        if method.needs_bank:
            rows[name] = _cross_fitted(matrix, method)
        else:
            rows[name] = create(method.normalizer, direction=_DIRECTION, **method.fixed).apply(
                matrix
            )
    return rows


def _cross_fitted(matrix: Float64[np.ndarray, "Q Q"], method: Method) -> Float64[np.ndarray, "Q Q"]:
    order = np.random.default_rng(_SEED).permutation(len(matrix))
    corrected = matrix.copy()
    for evaluated, other in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        bank, validation = other[::2], other[1::2]
        choice = choose(method, _DIRECTION, {_PART: matrix[bank]}, _scored(matrix, validation))
        if choice.settings is not None:
            fitted = method.build(_DIRECTION, [_PART], choice.settings).fit({_PART: matrix[other]})
            corrected[evaluated] = fitted.apply({_PART: matrix[evaluated]})[_PART]
    return corrected


def _scored(matrix: Float64[np.ndarray, "Q Q"], queries: Int64[np.ndarray, " N"]) -> ScoredSplit:
    videos = tuple(f"v{number}" for number in range(len(matrix)))
    captions = tuple(Caption(f"t{number}", f"v{number}", "") for number in queries)
    split = Split("validation", videos, captions)
    coverage = Coverage(split.hash, len(videos), len(captions), {}, 0)
    parts: Mapping[str, np.ndarray] = {_PART: matrix[queries]}
    return ScoredSplit(split, parts, {_PART: 1.0}, coverage)


def _query_ranks(corrected: Float64[np.ndarray, "Q Q"]) -> QueryRanks:
    ids = tuple(str(number) for number in range(len(corrected)))
    return QueryRanks(ids, ids, {FUSED: ranks(corrected)})
