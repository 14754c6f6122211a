"""FEATURES ON DISK: one LanceDB table, one row per clip; add to it, search it, never lose what was
committed.
"""

import os

# Lance warns on stderr about what is normal here (a new table); a value that the user set stays.
os.environ.setdefault("LANCEDB_LOG", "error")
