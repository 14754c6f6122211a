"""Finereel: search video by what happens in it, down to the word."""

__version__ = "0.1.0"
