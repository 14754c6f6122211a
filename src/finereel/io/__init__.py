"""Files and processes: atomic replacement, tables, signals."""
