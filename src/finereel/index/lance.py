"""Import LanceDB without the client of its remote service, which this project does not use.

Importing that client (hundreds of classes whose checks are compiled one by one) takes two thirds of
LanceDB's start.
"""

from finereel.imports import postpone, postpone_classes

_CLIENT = "lance_namespace_urllib3_client"
postpone(_CLIENT)
postpone_classes(f"{_CLIENT}.models")

import lancedb  # noqa: E402
from lancedb.index import IvfSq  # noqa: E402
from lancedb.table import LanceTable  # noqa: E402

__all__ = ["IvfSq", "LanceTable", "lancedb"]
