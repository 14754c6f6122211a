"""Ranks, intervals and significance: numpy only."""
