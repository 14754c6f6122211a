"""Records as TREC run and qrels files, for ir_measures, ranx and trec_eval.

    qrels:  query 0 item 1
    run:    query Q0 item rank score name

Ids are percent-encoded where they hold spaces, which the format cannot carry. Tools order equal
scores by id, while `finereel` gives them their expected rank: with ties (see the record's tie
share) the numbers differ.
"""

from pathlib import Path
from urllib.parse import quote

import numpy as np

from finereel.errors import DataError
from finereel.evaluation.record import GalleryScores, RunRecord
from finereel.io.atomic import write_file, writes

DEPTH = 1000


@writes("folder")
def write_trec(record: RunRecord, folder: Path, depth: int = DEPTH) -> list[Path]:
    """`<direction>.run` and `<direction>.qrels` of a record; the best `depth` items of every query.

    Raises DataError for a record without scores.
    """
    if record.scores is None:
        raise DataError(
            f"run {record.name} was kept without scores, which a TREC run lists: evaluate again "
            "with --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for direction, scores in record.scores.items():
        for kind, text in (
            ("run", run_text(scores, record.name, depth)),
            ("qrels", qrels_text(scores)),
        ):
            written.append(folder / f"{direction}.{kind}")
            write_file(written[-1], text)
    return written


def run_text(scores: GalleryScores, name: str, depth: int = DEPTH) -> str:
    """The lines of a run, best first; scores with nine digits, which is all that float32 has."""
    tag, items = trec_id(name) or "run", [trec_id(item) for item in scores.gallery]
    lines = []
    for query, row in zip(map(trec_id, scores.queries), scores.matrix, strict=True):
        best = np.argsort(-row, kind="stable")[:depth]
        lines += [
            f"{query} Q0 {items[i]} {rank} {row[i]:.9g} {tag}\n"
            for rank, i in enumerate(best, start=1)
        ]
    return "".join(lines)


def qrels_text(scores: GalleryScores) -> str:
    """The right item of every query."""
    pairs = zip(scores.queries, scores.right, strict=True)
    return "".join(
        f"{trec_id(query)} 0 {trec_id(scores.gallery[item])} 1\n" for query, item in pairs
    )


def trec_id(name: str) -> str:
    """A name without spaces, in ASCII; `urllib.parse.unquote` gives it back.

    >>> trec_id("video 7.mp4"), trec_id("ret0")
    ('video%207.mp4', 'ret0')
    """
    return quote(name, safe="/:#+,;=@!$&()[]", errors="surrogatepass")
