"""`finereel finegrain`: how well a model tells a caption from almost the same caption."""

from collections.abc import Callable

from finereel.cli.finegrain import evaluate

COMMANDS: dict[str, Callable[..., None]] = {"evaluate": evaluate.evaluate}
