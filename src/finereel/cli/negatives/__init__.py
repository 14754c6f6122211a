"""`finereel negatives ...`: captions that are almost right, made, measured, read by people and converted."""

from collections.abc import Callable

from finereel.cli.negatives import convert, make, report, review, training

COMMANDS: dict[str, Callable[..., None]] = {
    "make": make.make,
    "training": training.training,
    "convert": convert.convert,
    "report": report.report,
    "review": review.review,
}
