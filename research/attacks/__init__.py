"""Attacks on Finereel, one file per kind; `research/reliability.py` runs them all and prints the scoreboard."""
