"""Measuring: metrics, intervals, both directions of retrieval, twins; and a model on a world of
them.
"""
