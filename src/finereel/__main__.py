"""Entry point of `finereel` and `python -m finereel`; the latter serves launchers such as torchrun."""

import gc
import os
import signal
from types import FrameType


def main() -> None:
    """Entry point of the `finereel` command."""
    gc.set_threshold(
        50_000
    )  # Importing makes objects and hardly any garbage: by default a sixth of a search goes here.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        from finereel.cli import main as run

        run()
    except KeyboardInterrupt:
        _stop()


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ctrl-C. Inside an import it ends the process: extension modules crash when an exception comes
    up in them. So it does inside the callback of a weak reference, where Python would print the
    exception and go on.
    """
    del number
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<frozen importlib") or file.endswith(("weakref.py", "_weakrefset.py")):
            _stop()
        frame = frame.f_back
    raise KeyboardInterrupt


def _stop() -> None:
    show_cursor = b"\x1b[?25h" if os.isatty(2) else b""
    os.write(2, show_cursor + b"stopped\n")
    os._exit(130)


if __name__ == "__main__":
    main()
