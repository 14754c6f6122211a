"""Where the files that ship with the package lie: models, vocabularies, word lists, pages."""

from pathlib import Path

ASSETS = Path(__file__).resolve().parents[1] / "assets"
