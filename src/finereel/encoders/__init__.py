"""FRAMES, TOKENS -> FEATURES: the towers, the temporal encoder, and the choice of patches."""
