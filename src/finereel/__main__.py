"""`python -m finereel`, for launchers that start modules: torchrun --nproc-per-node 2 -m finereel train ..."""

from finereel.cli import main

if __name__ == "__main__":
    main()
