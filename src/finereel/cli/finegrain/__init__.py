"""`finereel finegrain`: measure how well a model tells a caption from its negatives."""

from collections.abc import Callable

from finereel.cli.finegrain import evaluate

COMMANDS: dict[str, Callable[..., None]] = {"evaluate": evaluate.evaluate}
