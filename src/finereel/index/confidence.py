"""How clearly the best clip of a search fits: its score against the best scores that unrelated texts
reach in the same library.

A score has no meaning by itself, and the best one grows with the library. So a few hundred texts
about other things, the null texts, are asked the same question beforehand: `NullBank` keeps for each
the clips that a search would look at, and their scores. The p-value of a query is the share of null
texts whose best clip scores at least as high as the query's (`finereel.types.MatchConfidence`).

`null.npz` says which clips it knows, of which model, normalisation and commit. It is never believed
about another state of the library: `keep_up` compares it with the clips of a snapshot, scores those
that came and forgets those that went. So readers, writers and a killed writer need no agreement.
"""

import hashlib
import io
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor
from torch.nn.functional import pad

from finereel.errors import FinereelError
from finereel.index.bank import Bank
from finereel.index.coarse import exact_coarse
from finereel.index.kept import RowIds
from finereel.index.protocols import SearchModel
from finereel.index.query import Query
from finereel.index.search import Searcher, corrected
from finereel.index.snapshot import Clips, Snapshot
from finereel.io.atomic import write_file
from finereel.io.foreign_files import parse_json_object, read_npz
from finereel.io.storage.places import Place
from finereel.io.user_cache import user_cache
from finereel.models.features import TextFeatures
from finereel.types import MatchConfidence, OnProgress, no_progress

NAME = "null.npz"
OWN_TEXTS = "null_texts.txt"
OWN_NAME = "own-1"
"""What the shipped texts are called in a file; another list needs another name."""

MOST_TEXTS = 400
FEWEST_TEXTS = 100
"""With fewer captions than this a normalisation says too little; the shipped texts serve then."""

CANDIDATES = 50
"""Clips per null text that get the full score, chosen as a search chooses its own."""

AT_ONCE = 1024
"""Clips read at a time while null texts are scored."""
FEW_TEXTS, MANY_TEXTS = 4, 50
MOST_MODELS = 8
"""Models whose encoded null texts are kept; 400 texts of CLIP's ViT-B/32 take some 10 MB."""
ENCODING, COMPARING = "encoding unrelated texts", "comparing unrelated texts"

Owners = Int[np.ndarray, "T K"]
Kept = Float32[np.ndarray, "T K"]


class NotInTimeError(FinereelError):
    """A reader has no time to make a null bank; the library is searched without confidence."""


@dataclass(frozen=True)
class TimeLimit:
    """What a caller allows. deadline: when to give up, by `time.monotonic`; None for never."""

    deadline: float | None = None
    on_progress: OnProgress = no_progress

    def step(self, what: str, done: int, total: int) -> None:
        """Tell what is done. Raises NotInTimeError after the deadline, unless all of it is."""
        self.on_progress(what, done, total)
        if done < total and self.deadline is not None and time.monotonic() > self.deadline:
            raise NotInTimeError(f"{what}: {done} of {total} done when the time was over")


@dataclass(frozen=True)
class NullKey:
    """What scores of null texts belong to: the fingerprint of a model, the name of a bank ("" for
    none) and the name of the texts.
    """

    model: str
    bank: str
    texts: str

    @classmethod
    def of(cls, model: SearchModel, bank: Bank | None) -> "NullKey":
        """Of a library's model and normalisation."""
        from_bank = bank is not None and len(bank.captions) >= FEWEST_TEXTS
        return cls(
            model.fingerprint,
            "" if bank is None else bank.name,
            bank.name if bank is not None and from_bank else OWN_NAME,
        )


def null_texts(bank: Bank | None) -> list[str]:
    """At most MOST_TEXTS captions of the normalisation, evenly chosen, or the shipped texts."""
    if bank is None or len(bank.captions) < FEWEST_TEXTS:
        shipped = files("finereel.index").joinpath(OWN_TEXTS).read_text(encoding="utf-8")
        return shipped.splitlines()
    count = min(MOST_TEXTS, len(bank.captions))
    chosen = np.linspace(0, len(bank.captions) - 1, count).round().astype(int)
    return [bank.captions[index] for index in chosen]


@dataclass(frozen=True)
class NullBank:
    """The null texts of one state of a library.

    clip_ids: of every clip that it knows, sorted. owners: places in it, per text those of the
    CANDIDATES best clips of the coarse search (-1 where there are fewer clips), and in the same
    order coarse: their coarse scores, fine: their full scores. queries: what the coarse search
    is asked, per text.
    version: the commit.
    """

    key: NullKey
    version: int
    clip_ids: np.ndarray
    owners: Owners
    coarse: Kept
    fine: Kept
    queries: Float32[np.ndarray, "T D"]

    @property
    def maxima(self) -> Float32[np.ndarray, " T"]:
        """The score of the best clip of each text; -inf in an empty library."""
        best: Float32[np.ndarray, " T"] = self.fine.max(axis=1)
        return best

    def save(self, folder: Place) -> None:
        """Make this the library's null bank."""
        described = json.dumps(
            {
                "model": self.key.model,
                "bank": self.key.bank,
                "texts": self.key.texts,
                "version": self.version,
            }
        )
        stream = io.BytesIO()
        np.savez(
            stream,
            described=np.array(described),
            clip_ids=self.clip_ids,
            owners=self.owners.astype(np.int32),
            coarse=self.coarse,
            fine=self.fine,
            queries=self.queries.astype(np.float16),
        )
        write_file(folder / NAME, stream.getvalue())

    @classmethod
    def load(cls, folder: Place, key: NullKey) -> "NullBank | None":
        """The library's null bank; None where there is none, or a damaged one, or one of another
        model, normalisation or list of texts: it is made again.
        """
        try:
            arrays = read_npz((folder / NAME).read_bytes())
            described = parse_json_object(str(arrays.pop("described")))
            version = int(described.pop("version"))
            if NullKey(**described) != key:
                return None
            arrays["queries"] = arrays["queries"].astype(np.float32)
            found = cls(key, version, **arrays)
        except (OSError, FinereelError, ValueError, TypeError, KeyError):
            return None
        return found if found._sound() else None

    def _sound(self) -> bool:
        shape = self.owners.shape
        return bool(
            len(shape) == 2
            and shape[0] > 0
            and self.coarse.shape == self.fine.shape == shape
            and self.queries.ndim == 2
            and len(self.queries) == shape[0]
            and (self.owners < len(self.clip_ids)).all()
            and not (np.isnan(self.fine).any() or np.isnan(self.coarse).any())
        )


def p_value(best: float, maxima: Float32[np.ndarray, " T"]) -> MatchConfidence:
    """The confidence in a best score, given those of the null texts.

    >>> p_value(2.0, np.array([1.0, 2.0, 3.0], dtype=np.float32)).p
    0.75
    """
    above = int((maxima >= np.float32(best)).sum())
    return MatchConfidence((1 + above) / (1 + len(maxima)), len(maxima))


def assess(
    best: float | None,
    query: Query,
    searcher: Searcher,
    asked: Float[Tensor, " D"],
    null: NullBank,
) -> MatchConfidence | None:
    """The confidence in the best hit; None without a hit.

    Where filters apply, query and null texts are both compared by the coarse score, over the clips
    that pass.

    Args:
        best: The highest score by the picture; None where there is no hit.
        query: What was asked.
        searcher: What answered.
        asked: The query of the coarse search.
        null: The null bank of the searcher's snapshot.
    """
    if best is None:
        return None
    if not query.filters:
        return p_value(best, null.maxima)
    queries = torch.cat([asked[None].float().cpu(), torch.from_numpy(null.queries)])
    scores = searcher.among(query.filters).best(queries, 1)[1][:, 0].numpy()
    return p_value(float(scores[0]), scores[1:])


# Keeping a null bank up to date.
READER_SECONDS = 5.0
"""What a reader takes for a null bank that it cannot keep."""


def reader_limit(folder: Place, on_progress: OnProgress) -> TimeLimit:
    """As long as it takes where the null bank can be kept for the next search, else not long."""
    kept = isinstance(folder, Path) and os.access(folder, os.W_OK)
    return TimeLimit(None if kept else time.monotonic() + READER_SECONDS, on_progress)


def keep_up(
    snapshot: Snapshot,
    model: SearchModel,
    bank: Bank | None,
    limit: TimeLimit | None = None,
) -> NullBank:
    """The null bank of this state of the library; saved if it is new and the folder can be written.

    Args:
        snapshot: The state, in the index folder where the null bank is kept.
        model: The library's model.
        bank: The normalisation of that state.
        limit: How long it may take; None means as long as it does.

    Raises:
        NotInTimeError: If more must be done than `limit` allows.
    """
    limit, key = limit or TimeLimit(), NullKey.of(model, bank)
    folder = snapshot.folder
    old = NullBank.load(folder, key)
    if old is not None and old.version == snapshot.version:
        return old
    fresh = _Upkeep(snapshot, model, bank, limit).after(old, key)
    with suppress(OSError, FinereelError):  # read-only, or a rebuild has taken the folder away
        fresh.save(folder)
    return fresh


@dataclass(frozen=True)
class _Findable:
    """The clips that can be found, sorted by id."""

    clip_ids: np.ndarray
    row_ids: RowIds

    @classmethod
    def of(cls, snapshot: Snapshot) -> "_Findable":
        rows = snapshot.rows(["clip_id", "missing"])
        present = ~np.array(rows["missing"].to_pylist(), dtype=bool)
        clip_ids = _ids(rows["clip_id"].to_pylist())[present]
        row_ids = rows["_rowid"].to_numpy().astype(np.int64)[present]
        order = np.argsort(clip_ids)
        return cls(clip_ids[order], row_ids[order])

    def __len__(self) -> int:
        return len(self.clip_ids)

    def places(self, clip_ids: np.ndarray) -> Int[np.ndarray, " n"]:
        """Where these clips stand, -1 for those that cannot be found."""
        if not len(self):
            return np.full(len(clip_ids), -1)
        at = np.minimum(np.searchsorted(self.clip_ids, clip_ids), len(self) - 1)
        return np.where(self.clip_ids[at] == clip_ids, at, -1)


class _Upkeep:
    """Brings the null bank of a library to one state of it."""

    def __init__(
        self, snapshot: Snapshot, model: SearchModel, bank: Bank | None, limit: TimeLimit
    ) -> None:
        self._snapshot, self._model, self._bank = snapshot, model, bank
        self._limit = limit
        self._clips = _Findable.of(snapshot)

    def after(self, old: NullBank | None, key: NullKey) -> NullBank:
        """`old` with the clips that came and without those that went; None: everything anew."""
        kept = None if old is None else self._moved(old)
        whole = kept is not None and bool(((kept.owners >= 0) == np.isfinite(kept.fine)).all())
        came = None
        if old is not None and whole:
            came = self._clips.row_ids[~np.isin(self._clips.clip_ids, old.clip_ids)]
        if kept is not None and came is not None and not len(came):
            return kept
        # Where a clip that was looked at is gone, others take its place: look at all again.
        texts = null_features(key, self._model, self._bank, self._limit)
        queries = self._model.coarse_query(texts).half().float().cpu()  # as they are kept
        owners, coarse = self._candidates(queries, came)
        if kept is not None and came is not None:
            owners = np.concatenate([kept.owners, owners], axis=1)
            coarse = np.concatenate([kept.coarse, coarse], axis=1)
            best = np.argsort(-coarse, axis=1, kind="stable")[:, :CANDIDATES]
            owners = np.take_along_axis(owners, best, axis=1)
            coarse = np.take_along_axis(coarse, best, axis=1)
        fine = self._fine(texts, owners, kept)
        version = self._snapshot.version
        return NullBank(key, version, self._clips.clip_ids, owners, coarse, fine, queries.numpy())

    def _moved(self, old: NullBank) -> NullBank:
        """`old` in the places of the clips of now; those that are gone own nothing (-1)."""
        places = np.append(self._clips.places(old.clip_ids), -1).astype(np.int32)
        return replace(
            old,
            version=self._snapshot.version,
            clip_ids=self._clips.clip_ids,
            owners=places[old.owners],
        )

    def _candidates(
        self, queries: Float[Tensor, "T D"], came: RowIds | None
    ) -> tuple[Owners, Kept]:
        """The best clips of each text by the coarse score, and these scores; only of those that
        came, where that is known.
        """
        table = self._snapshot.vectors(came)
        assert table.rows is not None
        places, scores = exact_coarse(table, self._bank).best(queries, CANDIDATES)
        own = self._clips.places(_ids(table.rows["clip_id"].to_pylist())).astype(np.int32)
        lacking = ((0, 0), (0, CANDIDATES - places.shape[1]))
        return (
            np.pad(own[places.numpy()], lacking, constant_values=-1),
            np.pad(scores.numpy(), lacking, constant_values=-np.inf),
        )

    def _fine(self, texts: TextFeatures, owners: Owners, kept: NullBank | None) -> Kept:
        """The full scores of candidates: those that are known, and those that must be computed."""
        fine = np.full(owners.shape, -np.inf, dtype=np.float32)
        pairs = _pairs(owners, len(self._clips))
        lacking = pairs >= 0
        if kept is not None:
            known, values = _pairs(kept.owners, len(self._clips)), kept.fine
            order = np.argsort(known, axis=None)
            known, values = known.ravel()[order], values.ravel()[order]
            at = np.minimum(np.searchsorted(known, pairs), known.size - 1)
            found = lacking & (known[at] == pairs)
            fine[found] = values[at[found]]
            lacking &= ~found
        if lacking.any():
            rows, columns = np.nonzero(lacking)
            fine[rows, columns] = self._scored(texts, rows, owners[rows, columns])
        return fine

    def _scored(
        self, texts: TextFeatures, rows: Int[np.ndarray, " n"], places: Int[np.ndarray, " n"]
    ) -> Float32[np.ndarray, " n"]:
        """The full scores of pairs of a text and a clip, the clips read in blocks."""
        scores = np.empty(len(rows), dtype=np.float32)
        every = np.unique(places)
        for start in range(0, len(every), AT_ONCE):
            self._limit.step(COMPARING, start, len(every))
            block = every[start : start + AT_ONCE]
            clips = self._snapshot.take(self._clips.row_ids[block])
            mine = np.flatnonzero((places >= block[0]) & (places <= block[-1]))
            mine = mine[np.argsort(rows[mine], kind="stable")]
            there = self._clips.places(_ids(clips.rows["clip_id"].to_pylist()))
            order = np.argsort(there)
            columns = order[np.searchsorted(there[order], places[mine])]
            scores[mine] = self._block(texts, rows[mine], columns, clips)
        self._limit.step(COMPARING, len(every), len(every))
        return scores

    def _block(
        self,
        texts: TextFeatures,
        rows: Int[np.ndarray, " n"],
        columns: Int[np.ndarray, " n"],
        clips: Clips,
    ) -> Float32[np.ndarray, " n"]:
        """The full scores of pairs of a text and one of these clips, ordered by text.

        A few texts at a time are scored with all clips that any of them asks for: fewer texts for a
        call mean more calls, more texts mean more clips that nobody asked for.
        """
        scores = np.empty(len(rows), dtype=np.float32)
        asked = np.unique(rows)
        dense = 2 * len(rows) >= len(asked) * len(clips)
        step = MANY_TEXTS if dense else FEW_TEXTS
        for group in (asked[start : start + step] for start in range(0, len(asked), step)):
            mine = slice(np.searchsorted(rows, group[0]), np.searchsorted(rows, group[-1], "right"))
            chosen = np.unique(columns[mine])
            part = _some(clips, chosen)
            found = self._model.score(texts.rows(torch.from_numpy(group)), part.features)
            fused = corrected(found, part, self._bank).fused.float().cpu().numpy()
            scores[mine] = fused[
                np.searchsorted(group, rows[mine]), np.searchsorted(chosen, columns[mine])
            ]
        return scores


def _pairs(owners: Owners, count: int) -> Int[np.ndarray, "T K"]:
    """A number for each pair of a text and a clip, of `count`; -1 for no clip."""
    first = np.arange(len(owners), dtype=np.int64)[:, None] * count
    return np.where(owners >= 0, first + owners, -1)


def _some(clips: Clips, chosen: Int[np.ndarray, " n"]) -> Clips:
    features = clips.features.rows(torch.from_numpy(chosen))
    return Clips(clips.rows.take(pa.array(chosen)), [clips.paths[i] for i in chosen], features)


def _ids(clip_ids: list[str]) -> np.ndarray:
    """Clip ids as fixed-width bytes, a quarter of what numpy's text takes."""
    return np.array(clip_ids, dtype=np.bytes_)


def null_features(
    key: NullKey, model: SearchModel, bank: Bank | None, limit: TimeLimit
) -> TextFeatures:
    """The null texts encoded: once per model, and kept in the user's cache in half precision.

    Raises NotInTimeError where that takes more time than there is.
    """
    kept = _load_features(key)
    if kept is None:
        texts = null_texts(bank)
        parts = []
        for start in range(0, len(texts), MANY_TEXTS):
            limit.step(ENCODING, start, len(texts))
            parts.append(model.encode_text(texts[start : start + MANY_TEXTS]))
        limit.step(ENCODING, len(texts), len(texts))
        width = max(part.words.shape[1] for part in parts)
        kept = TextFeatures(
            torch.cat([part.sentence.cpu() for part in parts]).half(),
            torch.cat([_widened(part.words, width) for part in parts]).half(),
            torch.cat([_widened(part.word_mask[..., None], width)[..., 0] for part in parts]),
        )
        with suppress(OSError, FinereelError):
            _save_features(key, kept)
    return kept.to(torch.float32)


def _widened(words: Tensor, width: int) -> Tensor:
    """Padded to `width` words with zeros."""
    return pad(words.cpu(), (0, 0, 0, width - words.shape[1]))


def features_path(key: NullKey) -> Path:
    """Where the encoded null texts of a model lie."""
    name = hashlib.blake2b(f"{key.model} {key.texts}".encode(), digest_size=8).hexdigest()
    return user_cache() / "null-texts" / f"{name}.npz"


def _age(path: Path) -> float:
    return path.stat().st_mtime


def _save_features(key: NullKey, texts: TextFeatures) -> None:
    path = features_path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in sorted(path.parent.glob("*.npz"), key=_age)[: -MOST_MODELS + 1]:
        old.unlink(missing_ok=True)
    stream = io.BytesIO()
    np.savez(
        stream,
        described=np.array(json.dumps({"model": key.model, "texts": key.texts})),
        sentence=texts.sentence.numpy(),
        words=texts.words.numpy(),
        word_mask=texts.word_mask.numpy(),
    )
    write_file(path, stream.getvalue())


def _load_features(key: NullKey) -> TextFeatures | None:
    try:
        arrays = read_npz(features_path(key))
        described = parse_json_object(str(arrays.pop("described")))
        if described != {"model": key.model, "texts": key.texts}:
            return None
        return TextFeatures(
            *(torch.from_numpy(arrays[name]) for name in ("sentence", "words", "word_mask"))
        )
    except (OSError, FinereelError, ValueError, TypeError, KeyError):
        return None
