"""The index of a library: one LanceDB table with one row per clip; add to it, search it, keep every
commit safe.
"""

import os

# Lance warns on stderr about what is normal here (a new table); a value that the user set stays.
os.environ.setdefault("LANCEDB_LOG", "error")
