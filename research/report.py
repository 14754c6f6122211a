"""An experiment's ranks -> a page of Markdown: the question, a table per direction, and the card of
the runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from finereel.errors import DataError
from finereel.evaluation.record import QueryRanks, RunRecord
from finereel.evaluation.retrieval import FUSED
from research.tables import markdown, table

_TITLES = {"text_to_video": "Text to video", "video_to_text": "Video to text"}

Rows = Mapping[str, Sequence[Mapping[str, QueryRanks]]]
"""Per row of the table, the ranks of every seed by direction."""


@dataclass(frozen=True)
class About:
    """What stands above the tables: title, question, the command that made them, and the row to
    compare with.
    """

    title: str
    question: str
    command: str
    reference: str


def page(about: About, rows: Rows, card: str) -> str:
    """The whole page, with the directions that the rows have. Raises DataError when their queries
    are not the same.
    """
    first = next(iter(rows.values()))[0]
    parts = [f"# {about.title}\n", f"{about.question}\n", f"    {about.command}\n"]
    for direction, asked in first.items():
        _require_same_queries(rows, direction, asked)
        ranks = {
            name: [seed[direction].ranks[FUSED] for seed in seeds] for name, seeds in rows.items()
        }
        _, clusters = np.unique(asked.videos, return_inverse=True)
        parts += [f"## {_TITLES[direction]}\n", markdown(table(ranks, about.reference, clusters))]
    return "\n".join([*parts, card])


def _require_same_queries(rows: Rows, direction: str, asked: QueryRanks) -> None:
    for name, seeds in rows.items():
        for seed in seeds:
            if seed[direction].ids != asked.ids:
                raise DataError(
                    f"row {name} answers other queries ({direction}): evaluate all rows on one "
                    "split"
                )


def run_card(records: Sequence[RunRecord], protocols: Sequence[str] = ()) -> str:
    """What the runs have in common: data, coverage, seeds, protocols (those of the records, unless
    the rows were normalised after them), versions, and how the numbers are made.
    """
    first = records[0]
    seeds = sorted({row.seeds["training"] for row in records if "training" in row.seeds})
    facts, environment = first.dataset, first.environment
    protocols = protocols or sorted(
        {str(row.row(way)["protocol"]) for row in records for way in _TITLES}
    )
    return (
        "## Run card\n\n"
        f"Data set {facts.name}, split {facts.split} (hash {facts.split_hash}), coverage "
        f"{facts.coverage} videos, "
        f"{facts.captions} captions ({facts.texts}). Clips: "
        f"{', '.join(f'{k} {v}' for k, v in first.source.items())}. "
        f"Seeds {', '.join(map(str, seeds))}. R@1 and its interval are means over seeds; the "
        "interval is a 95 % "
        "interval by video, 'over seeds' the standard deviation of a training (ddof 1) and the 95 % "
        "interval of the mean by Student's t, p a paired sign-flip test with "
        "Holm's correction "
        f"over the table. Protocols: {', '.join(protocols)}. Models were chosen on the validation "
        "split and read back "
        f"from their files before they were evaluated, once. finereel {environment.finereel}, "
        "torch "
        f"{environment.torch}, {environment.platform}, {environment.device}.\n"
    )
