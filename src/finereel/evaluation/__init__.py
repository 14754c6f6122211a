"""Evaluation: run a model on a split, compute metrics with intervals in both directions, keep a
record.
"""
