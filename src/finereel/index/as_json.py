"""Hits and answers as JSON has them: one form for the command line, the page and every client."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from finereel.index.query import Answer
from finereel.types import Hit, MatchConfidence

if TYPE_CHECKING:
    from finereel.index.evidence import WordEvidence
    from finereel.index.explain import Evidence
    from finereel.index.similar import SimilarHit

Words = Sequence[Sequence["WordEvidence"]]
"""The judged words of every hit."""

_LATER = ("thumbnail", "window", "moments", "fits", "source", "said")
"""What version 1 of the JSON does not have."""


def hit_as_json(hit: Hit) -> dict[str, Any]:
    """A hit as version 1 of the JSON has it."""
    return {key: value for key, value in asdict(hit).items() if key not in _LATER}


def confidence_as_json(confidence: MatchConfidence) -> dict[str, Any]:
    """How clearly the best hit fits.

    >>> confidence_as_json(MatchConfidence(3 / 401, 400))
    {'level': 'strong', 'p': 0.007481296758104738, 'stronger_than': 99}
    """
    told: dict[str, Any] = {
        "level": confidence.level,
        "p": confidence.p,
        "stronger_than": confidence.stronger_than,
    }
    if confidence.right is None:
        return told
    return {**told, "right": confidence.right, "right_by": confidence.by}


def words_as_json(words: Words, number: int) -> dict[str, Any]:
    """The words of a hit; nothing where nobody asked for them."""
    return {"words": [asdict(word) for word in words[number]]} if words else {}


def hits_as_json(answer: Answer, words: Words = ()) -> list[dict[str, Any]]:
    """The hits of an answer as version 1 of the JSON has it."""
    return [
        {**hit_as_json(hit), **words_as_json(words, number)}
        for number, hit in enumerate(answer.hits)
    ]


def answer_as_json(answer: Answer, words: Words = ()) -> dict[str, Any]:
    """An answer as version 2 of the JSON has it."""
    sure = answer.confidence
    return {
        "query": answer.query.text,
        "confidence": None if sure is None else confidence_as_json(sure),
        "said": answer.said,
        "hits": [
            {
                **hit_as_json(hit),
                "window": hit.window or [hit.start, hit.end],
                "moments": hit.moments,
                "source": hit.source,
                **({"said": hit.said} if hit.said else {}),
                **({"fits": hit.fits} if hit.fits else {}),
                **words_as_json(words, number),
            }
            for number, hit in enumerate(answer.hits)
        ],
    }


def without_picture(hit: "Hit | SimilarHit") -> dict[str, Any]:
    """Everything of a hit but its thumbnail, which is no text."""
    return {key: value for key, value in asdict(hit).items() if key != "thumbnail"}


def evidence_as_json(evidence: "Evidence") -> dict[str, Any]:
    """Why a clip fits a query."""
    return {
        "query": evidence.query,
        "hit": without_picture(evidence.hit),
        "words": [asdict(word) for word in evidence.words],
        "places": [asdict(place) for place in evidence.places],
        "notes": list(evidence.notes),
    }
