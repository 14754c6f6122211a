"""Files and processes: atomic replacement, tables, signals."""

from pathlib import Path

# Where the files that ship with the package lie: models, vocabularies, word lists, pages.
ASSETS = Path(__file__).resolve().parents[1] / "assets"
