"""Programs that make what stands in docs and in the package: run them as `python -m
research.scripts.NAME`.
"""
