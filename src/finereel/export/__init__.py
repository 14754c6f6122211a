"""Take moments out of a library: as lists, as timelines for video editors, and as clip files."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from finereel.export.lists import as_csv, as_edl, as_json, cut_reel_names
from finereel.export.moments import ExportList
from finereel.export.timecode import rate_of, timeline_rate
from finereel.export.timelines import as_fcpxml, as_otio


@dataclass(frozen=True)
class ExportFormat:
    """A file that holds a list of moments. one_rate: whether all its times count frames of one
    rate. text: of a list and that rate.
    """

    text: Callable[[ExportList, Fraction], str]
    one_rate: bool = False


FORMATS: dict[str, ExportFormat] = {
    "csv": ExportFormat(lambda chosen, rate: as_csv(chosen)),
    "json": ExportFormat(lambda chosen, rate: as_json(chosen)),
    "edl": ExportFormat(as_edl, one_rate=True),
    "otio": ExportFormat(lambda chosen, rate: as_otio(chosen)),
    "fcpxml": ExportFormat(as_fcpxml, one_rate=True),
}
"""The formats of one text."""


@dataclass(frozen=True)
class ExportedText:
    """A list of moments as the text of a file. notes: what a person should know of it."""

    text: str
    notes: tuple[str, ...] = ()


def exported(chosen: ExportList, kind: str, rate: Fraction | None = None) -> ExportedText:
    """Write a list of moments in one of FORMATS. rate: frames per second of the timeline, for a
    format that has only one; None takes the rate of most moments.
    """
    chosen_rate = rate or timeline_rate(chosen.moments)
    text = FORMATS[kind].text(chosen, chosen_rate)
    notes = _rate_notes(chosen, chosen_rate) if FORMATS[kind].one_rate else []
    if kind == "edl":
        count = cut_reel_names([moment.video for moment in chosen.moments])
        if count:
            notes.append(
                f"reel names hold 8 letters and digits: {count} were made of longer names; the "
                "comment below each event gives the whole path"
            )
    return ExportedText(text, tuple(notes))


def _rate_notes(chosen: ExportList, rate: Fraction) -> list[str]:
    """What a timeline of one rate says otherwise than the files."""
    per_second = f"{float(rate):.5g} frames per second"
    own = {moment.video: moment.facts.fps for moment in chosen.moments}
    notes = []
    if unknown := sum(fps is None for fps in own.values()):
        notes.append(f"the frame rate of {unknown} of {len(own)} videos is not known")
    if other := sum(fps is not None and rate_of(fps) != rate for fps in own.values()):
        notes.append(
            f"the timeline counts {per_second}; {other} of {len(own)} videos have another rate, and "
            "their times are those of the nearest frame of the timeline"
        )
    return notes
