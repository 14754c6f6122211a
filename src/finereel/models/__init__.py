"""Retrieval models: features, encoders, heads, published checkpoints."""
