"""The registry of scorers by name."""

from collections.abc import Callable

from finereel.errors import unknown_name
from finereel.finegrain.evaluate.embeddings import open_embeddings, open_sentence_transformers
from finereel.finegrain.evaluate.mteb_models import open_mteb
from finereel.finegrain.evaluate.scorer import Opening, Scorer
from finereel.finegrain.evaluate.towers import open_towers

SCORERS: dict[str, Callable[[str, Opening], Scorer]] = {
    "finereel": open_towers,
    "sentence-transformers": open_sentence_transformers,
    "mteb": open_mteb,
    "embeddings": open_embeddings,
}
"""`finereel` takes model directories, bundled names and CLIP directories; `embeddings` an npz of
vectors.
"""


def open_scorer(kind: str, model: str, opening: Opening) -> Scorer:
    """The model called `model` of a kind; ConfigError lists the kinds."""
    if kind not in SCORERS:
        raise unknown_name("scorer", kind, SCORERS)
    return SCORERS[kind](model, opening)
