"""THE TRUE CAPTION AMONG ALMOST TRUE ONES: any model on captions with one word changed, beside
chance and blind.
"""
