"""Import LanceDB without the client of its remote service, which this project does not use.

Importing that client (hundreds of classes whose checks are compiled one by one) takes two thirds of
LanceDB's start. A third of the rest, on Python 3.11, compares signatures of methods.
"""

from finereel.imports import postpone, postpone_classes, without_override_checks

_CLIENT = "lance_namespace_urllib3_client"
postpone(_CLIENT)
postpone_classes(f"{_CLIENT}.models")

with without_override_checks():
    import lancedb
    from lancedb.index import FTS, IvfSq
    from lancedb.table import LanceTable

__all__ = ["FTS", "IvfSq", "LanceTable", "lancedb"]
