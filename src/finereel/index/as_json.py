"""An answer of a library as JSON, in the two versions that scripts rely on.

Version 1 is the list of hits. Version 2 also holds the query and how clearly the best hit fits, and
its hits the clip beside the moment.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from finereel.types import Hit, MatchConfidence

if TYPE_CHECKING:
    from finereel.index.evidence import WordEvidence
    from finereel.index.query import Answer

    Words = Sequence[Sequence[WordEvidence]]

_LATER = ("thumbnail", "window", "moments", "fits", "source", "said")
"""What version 1 of the JSON does not have."""


def answer_as_json(answer: "Answer", words: "Words" = ()) -> dict[str, Any]:
    """An answer as version 2 has it. words: those of every hit, where somebody asked for them."""
    sure = answer.confidence
    return {
        "query": answer.query.text,
        "confidence": None if sure is None else _sure(sure),
        "said": answer.said,
        "hits": [
            {
                **_listed(hit),
                "window": hit.window or [hit.start, hit.end],
                "moments": hit.moments,
                "source": hit.source,
                **({"said": hit.said} if hit.said else {}),
                **({"fits": hit.fits} if hit.fits else {}),
                **_judged(words, number),
            }
            for number, hit in enumerate(answer.hits)
        ],
    }


def hits_as_json(hits: Sequence[Hit], words: "Words" = ()) -> list[dict[str, Any]]:
    """Hits as version 1 has them, see `answer_as_json`."""
    return [{**_listed(hit), **_judged(words, number)} for number, hit in enumerate(hits)]


def _listed(hit: Hit) -> dict[str, Any]:
    return {key: value for key, value in asdict(hit).items() if key not in _LATER}


def _sure(confidence: MatchConfidence) -> dict[str, Any]:
    told: dict[str, Any] = {"level": confidence.level, "p": confidence.p}
    if confidence.right is None:
        return told
    return {**told, "right": confidence.right, "right_by": confidence.by}


def _judged(words: "Words", number: int) -> dict[str, Any]:
    """The words of a hit; nothing where nobody asked for them."""
    return {"words": [asdict(word) for word in words[number]]} if words else {}
