"""NEGATIVES -> VERDICTS: people read a sample, two at a time, and what they agree on is
measured.
"""
