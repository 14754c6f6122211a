"""Programs that make the results in docs and the files in the package.

Run them as `python -m research.scripts.NAME`.
"""
