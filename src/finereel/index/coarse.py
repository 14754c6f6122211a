"""The first look of a search: which clips are worth reading, by their video vectors.

Exact while that is cheap: one product, or a scan of int8 vectors whose best are scored exactly.
Above a size that is timed on the machine that indexes (`finereel.index.coarse_choice`), Lance's
approximate index, whose best are scored exactly too.
"""

from functools import cached_property

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from finereel.index.bank import Bank
from finereel.index.coarse_choice import CoarseChoice, nearest_rows
from finereel.index.kept import RowIds, VectorTable
from finereel.index.quantized import Int8Vectors, scans
from finereel.index.sidecar import joined_vectors, open_bias, open_vectors, rows_of
from finereel.index.snapshot import Snapshot
from finereel.ranking import top_k

ANN_OVERSAMPLING = 4
"""Lance knows no bias: with a bank it is asked for so many times as many."""
RESCORED, LEAST_RESCORED = 2, 400
"""Of clips chosen by a rounded score, so many times as many as are wanted are scored exactly."""
COARSE_BLOCK = 8192
"""Clips compared with many queries at a time: 13 MB of scores for 400."""
SCANNED_FROM = 30_000
"""Clips from which a scan of int8 is cheaper than a product in half precision, rescoring included."""

Bias = Float32[np.ndarray, " V"]


class ExactCoarse:
    """All vectors in memory.

    bias: one number per clip, added to its video-sentence score, or None. Without it, clips that
    match every query would crowd out the rest.
    """

    def __init__(self, table: VectorTable, bias: Bias | None) -> None:
        self._table = table
        self._bias = None if bias is None else torch.from_numpy(bias)

    def candidates(self, query: Float[Tensor, " D"], count: int) -> RowIds:
        """Row ids of the `count` best clips, best first."""
        length = query.norm().clamp_min(1e-12)
        # The unit query keeps half precision away from its limits; the scale returns before the
        # bias is added.
        scores = (self._table.vectors @ (query / length).to(torch.float16)).float() * length
        if self._bias is not None:
            scores = scores + self._bias
        best: RowIds = self._table.row_ids[top_k(scores, count)]
        return best

    def best(
        self, queries: Float[Tensor, "T D"], count: int
    ) -> tuple[Int64[Tensor, "T K"], Float32[Tensor, "T K"]]:
        """For many queries, the places in the table of the best clips and their scores, best
        first. K = min(count, V).
        """
        places = torch.empty(len(queries), 0, dtype=torch.int64)
        scores = torch.empty(len(queries), 0)
        for start in range(0, len(self._table.row_ids), COARSE_BLOCK):
            part = slice(start, start + COARSE_BLOCK)
            found = queries @ self._table.vectors[part].float().T
            if self._bias is not None:
                found = found + self._bias[part]
            top, at = found.topk(min(count, found.shape[1]))
            scores, order = torch.cat([scores, top], dim=1).topk(
                min(count, scores.shape[1] + top.shape[1])
            )
            places = torch.cat([places, at + start], dim=1).gather(1, order)
        return places, scores

    def among(self, row_ids: RowIds) -> "ExactCoarse":
        """The same for these clips only."""
        places = np.flatnonzero(np.isin(self._table.row_ids, row_ids))
        vectors = self._table.vectors[torch.from_numpy(places)]
        table = VectorTable(self._table.row_ids[places], vectors)
        return ExactCoarse(table, None if self._bias is None else self._bias.numpy()[places])

    def unbiased(self) -> "ExactCoarse":
        """The same without the bias, which corrects the scores of texts only."""
        return ExactCoarse(self._table, None)


class ScanCoarse:
    """A scan of int8 vectors, whose best RESCORED times as many are scored exactly.

    table: its row ids ascend. bias: as in `ExactCoarse`. part: the places of the clips to look at,
    ascending; None for all.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        table: VectorTable,
        int8: Int8Vectors,
        bias: Bias | None,
        part: Int64[np.ndarray, " N"] | None = None,
    ) -> None:
        self._snapshot, self._table, self._int8 = snapshot, table, int8
        self._bias, self._part = bias, part

    def candidates(self, query: Float[Tensor, " D"], count: int) -> RowIds:
        """Row ids of the `count` best clips, best first."""
        single = query.float().cpu()
        wanted = max(RESCORED * count, LEAST_RESCORED)
        places = np.sort(self._int8.best(single, wanted, self._bias, self._part))
        scores = exact_scores(self._vectors(places), single)
        if self._bias is not None:
            scores = scores + self._bias[places]
        best: RowIds = self._table.row_ids[places[top_k(scores, count)]]
        return best

    def among(self, row_ids: RowIds) -> "ScanCoarse":
        """The same for these clips only; they are part of these."""
        places = np.searchsorted(self._table.row_ids, np.sort(row_ids))
        return ScanCoarse(self._snapshot, self._table, self._int8, self._bias, places)

    def best(
        self, queries: Float[Tensor, "T D"], count: int
    ) -> tuple[Int64[Tensor, "T K"], Float32[Tensor, "T K"]]:
        """As `ExactCoarse.best`, among these clips."""
        table, bias = self._table, self._bias
        if self._part is not None:
            vectors = table.vectors[torch.from_numpy(self._part)]
            table = VectorTable(table.row_ids[self._part], vectors)
            bias = None if bias is None else bias[self._part]
        return ExactCoarse(table, bias).best(queries, count)

    def unbiased(self) -> "ScanCoarse":
        """The same without the bias, which corrects the scores of texts only."""
        return ScanCoarse(self._snapshot, self._table, self._int8, None, self._part)

    def _vectors(self, places: Int64[np.ndarray, " N"]) -> Float[np.ndarray, "N D"]:
        """From memory; from the table where the file in memory is damaged."""
        row_ids = self._table.row_ids[places]
        found = self._table.of(row_ids)
        if found is None:
            found = self._snapshot.vectors(row_ids).vectors
        vectors: np.ndarray = found.numpy()
        return vectors


class AnnCoarse:
    """Lance's approximate index of a snapshot, whose best are scored exactly, with the bias of a
    bank.
    """

    def __init__(self, snapshot: Snapshot, bank: Bank | None, probes: int) -> None:
        self._snapshot, self._bank, self._probes = snapshot, bank, probes

    def candidates(self, query: Float[Tensor, " D"], count: int) -> RowIds:
        """Row ids of the `count` best clips (recall .99 where the library was indexed), best
        first.
        """
        single = query.float().cpu()
        more = RESCORED if self._bank is None else ANN_OVERSAMPLING
        limit = max(more * count, LEAST_RESCORED)
        columns = [] if self._bank is None else ["bias", "bank"]
        rows = nearest_rows(self._snapshot, single, limit, self._probes, columns)
        rows = rows.sort_by("_rowid")
        scores = exact_scores(self._snapshot.vectors_in(rows).numpy(), single)
        if self._bank is not None:
            bias = bias_of(rows, self._bank)
            scores = scores if bias is None else scores + bias
        row_ids = rows["_rowid"].to_numpy().astype(np.int64)
        found: RowIds = row_ids[top_k(scores, count)]
        return found

    def among(self, row_ids: RowIds) -> "ExactCoarse | ScanCoarse":
        """The exact look at these clips only."""
        if self._kept is not None:
            return self._kept.among(row_ids)
        # Many scattered rows are read more slowly than all.
        few = 2 * len(row_ids) < self._snapshot.count
        found = exact_coarse(self._snapshot.vectors(row_ids if few else None), self._bank)
        return found if few else found.among(row_ids)

    @cached_property
    def _kept(self) -> "ExactCoarse | ScanCoarse | None":
        return opened(self._snapshot, self._bank)

    def unbiased(self) -> "AnnCoarse":
        """The same for vectors that need no bias."""
        return AnnCoarse(self._snapshot, None, self._probes)


Coarse = ExactCoarse | ScanCoarse | AnnCoarse


def first_look(snapshot: Snapshot, bank: Bank | None) -> Coarse:
    """Exact up to the size that the writer's machine looks through quickly, approximate from there
    where there is an index.

    A damaged approximate index is not used: the exact way gives the right answer, only later.
    """
    choice = CoarseChoice.load(snapshot.folder)
    small = choice.exact_up_to and snapshot.table.count_rows() <= choice.exact_up_to
    if not small and snapshot.has_whole_index():
        return AnnCoarse(snapshot, bank, choice.probes)
    kept = opened(snapshot, bank)
    if kept is not None:
        return kept
    table = snapshot.vectors()
    bias = None if bank is None else bias_of(table.rows, bank)
    return _look(snapshot, table, None, bias)


def opened(snapshot: Snapshot, bank: Bank | None) -> ExactCoarse | ScanCoarse | None:
    """The exact look at the vectors in the file beside the table, or in that of a former version;
    None where there is none.
    """
    kept = open_vectors(snapshot)
    table = joined_vectors(snapshot) if kept is None else kept.table
    if table is None:
        return None
    snapshot.keep_vectors(table)
    bias = None
    if bank is not None and bank.video_sentence is not None:
        bias = open_bias(snapshot, bank)
        if bias is None:
            bias = bias_of(rows_of(snapshot, table.row_ids), bank)
    return _look(snapshot, table, None if kept is None else kept.int8, bias)


def _look(
    snapshot: Snapshot, table: VectorTable, int8: Int8Vectors | None, bias: Bias | None
) -> ExactCoarse | ScanCoarse:
    ascending = bool((np.diff(table.row_ids) > 0).all())
    if len(table.row_ids) < SCANNED_FROM or not scans() or not ascending:
        return ExactCoarse(table, bias)
    return ScanCoarse(snapshot, table, int8 or Int8Vectors.of(table.vectors), bias)


def exact_coarse(table: VectorTable, bank: Bank | None) -> ExactCoarse:
    """The exact first look at some clips, with the bias that a bank gives them."""
    return ExactCoarse(table, None if bank is None else bias_of(table.rows, bank))


def bias_of(rows: pa.Table | None, bank: Bank) -> Bias | None:
    """What a bank adds to the video-sentence score of clips with columns clip_id, bias and bank;
    None where it adds nothing to that.
    """
    column = bank.video_sentence
    if column is None:
        return None
    assert rows is not None
    return np.ascontiguousarray(bank.biases_of(rows)[:, column])


def exact_scores(
    vectors: Float[np.ndarray, "N D"], query: Float32[Tensor, " D"]
) -> Float32[np.ndarray, " N"]:
    """Products in single precision, by one thread: some hundred are too few for more."""
    scores: np.ndarray = np.einsum("nd,d->n", vectors.astype(np.float32), query.numpy())
    return scores
