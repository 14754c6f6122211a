"""FEATURES ON DISK: one LanceDB table, one row per clip; add to it, search it, never lose what was committed."""
