"""The `finereel` command, `python -m finereel`, and for launchers: torchrun --nproc-per-node 2 -m finereel train ..."""

import os
import signal


def main() -> None:
    """Run the command line. Ctrl-C before a command has begun ends the process without a word: nothing is open yet."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(128 + number))
    from finereel.cli import main as run

    run()


if __name__ == "__main__":
    main()
