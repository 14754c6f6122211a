"""Train the bundled model again: `finereel train` with its recipe; the result is OUT/model.

    python -m research.scripts.train_reelworld --out runs/out/reelworld-tiny

Takes every option of `finereel train`. If it is killed, the same command continues from the last
checkpoint.
"""

import sys

from finereel.cli import app

if __name__ == "__main__":
    recipe = () if "--recipe" in sys.argv else ("--recipe", "reelworld-tiny")
    app(["train", *recipe, *sys.argv[1:]])
