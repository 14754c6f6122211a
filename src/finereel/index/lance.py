"""Import LanceDB without the client of its remote service, which this project does not use.

Importing that client (hundreds of classes whose checks are compiled one by one) takes two thirds of
LanceDB's start. A third of the rest, on Python 3.11, compares signatures of methods.
"""

from collections.abc import Sequence
from typing import Any

from finereel.imports import postpone, postpone_classes, without_override_checks

_CLIENT = "lance_namespace_urllib3_client"
postpone(_CLIENT)
postpone_classes(f"{_CLIENT}.models")

with without_override_checks():
    import lancedb
    from lancedb.index import FTS, IvfSq
    from lancedb.query import BooleanQuery, FullTextOperator, MatchQuery, Occur, PhraseQuery
    from lancedb.table import LanceTable

__all__ = ["FTS", "IvfSq", "LanceTable", "lancedb", "text_query"]


def text_query(column: str, phrases: Sequence[str], words: Sequence[str]) -> Any:
    """The full-text query for all of some phrases; without any, for all of some words."""
    if not phrases:
        return MatchQuery(" ".join(words), column, operator=FullTextOperator.AND)
    parts = [PhraseQuery(phrase, column) for phrase in phrases]
    return parts[0] if len(parts) == 1 else BooleanQuery([(Occur.MUST, part) for part in parts])
