"""Negatives from captions: where a word may change, what it may become, and which changes are
thrown away.
"""
