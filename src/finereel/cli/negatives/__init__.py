"""`finereel negatives ...`: make, measure, review and convert fine-grained negatives."""

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
