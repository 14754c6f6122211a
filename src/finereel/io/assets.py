"""The paths of the files that ship with the package: models, vocabularies, word lists, pages."""

from pathlib import Path

ASSETS = Path(__file__).resolve().parents[1] / "assets"
