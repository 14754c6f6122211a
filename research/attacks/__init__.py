"""Attacks on Finereel, one file per kind; `python -m research.reliability` runs them all and prints
the scoreboard.
"""
