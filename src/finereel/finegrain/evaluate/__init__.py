"""Evaluate any model on fine-grained negatives, with chance and text-only baselines."""
