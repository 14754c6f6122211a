"""`finereel negatives ...`: captions that are almost right, made, measured, read by people and
converted.
"""

from collections.abc import Callable

from finereel.cli.negatives import convert, make, positives, report, review, training

COMMANDS: dict[str, Callable[..., None]] = {
    "make": make.make,
    "training": training.training,
    "positives": positives.positives,
    "convert": convert.convert,
    "report": report.report,
    "review": review.review,
}
