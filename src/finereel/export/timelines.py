"""Moments as a timeline for video editors: OpenTimelineIO and Final Cut Pro XML.

FCPXML is written here and not by the adapter of OpenTimelineIO, whose files have no sound
(`hasAudio="0"`), no frame duration at 29.97 frames per second, and no `asset-clip` in their spine.
"""

import importlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from finereel.errors import ConfigError
from finereel.export.moments import ExportList, ExportMoment
from finereel.export.timecode import drops_frames, frame_span, rate_of
from finereel.index.facts import SILENT
from finereel.video.files import shown

FCPXML_VERSION = "1.8"
"""The newest form in which an asset names its file itself; all editors that read FCPXML know it."""


def as_otio(chosen: ExportList) -> str:
    """A timeline with a picture track, and a sound track where a file has sound; every moment in the
    frame rate of its file.

    Raises ConfigError where `finereel[editors]` is missing.
    """
    otio = _opentimelineio()
    timeline = otio.schema.Timeline(chosen.title)
    kinds = {"V1": otio.schema.TrackKind.Video}
    if any(_has_sound(moment) for moment in chosen.moments):
        kinds["A1"] = otio.schema.TrackKind.Audio
    for name, kind in kinds.items():
        track = otio.schema.Track(name, kind=kind)
        track.extend(
            _gap(otio, moment)
            if name == "A1" and not _has_sound(moment)
            else _clip(otio, moment, rank)
            for rank, moment in enumerate(chosen.moments, 1)
        )
        timeline.tracks.append(track)
    timeline.metadata["finereel"] = {"query": chosen.query}
    text: str = timeline.to_json_string(indent=4)
    return text + "\n"


def as_fcpxml(chosen: ExportList, rate: Fraction) -> str:
    """A project with the moments one after the other, cut at whole frames of `rate`."""
    root = ElementTree.Element("fcpxml", version=FCPXML_VERSION)
    resources = ElementTree.SubElement(root, "resources")
    formats = _Formats(resources)
    main = formats.of(rate, _largest(chosen))
    assets = {video: f"a{number}" for number, video in enumerate(_videos(chosen), 1)}
    for moment in chosen.moments:
        if resources.find(f"asset[@id='{assets[moment.video]}']") is None:
            _asset(resources, moment, assets[moment.video], formats)
    library = ElementTree.SubElement(root, "library")
    event = ElementTree.SubElement(library, "event", name="Finereel")
    project = ElementTree.SubElement(event, "project", name=_plain(chosen.title))
    sequence = ElementTree.SubElement(
        project,
        "sequence",
        format=main,
        tcStart="0s",
        tcFormat="DF" if drops_frames(rate) else "NDF",
    )
    spine, at = ElementTree.SubElement(sequence, "spine"), 0
    for moment in chosen.moments:
        first, last = frame_span(moment, rate)
        clip = ElementTree.SubElement(
            spine,
            "asset-clip",
            name=_plain(moment.name),
            ref=assets[moment.video],
            offset=_time(at, rate),
            start=_time(first, rate),
            duration=_time(last - first, rate),
            format=formats.of(rate_of(moment.facts.fps), _size(moment)),
        )
        if _has_sound(moment):
            clip.set("audioRole", "dialogue")
        at += last - first
    sequence.set("duration", _time(at, rate))
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{body}\n'


Size = tuple[int, int]


class _Formats:
    """The formats of an FCPXML file, each with the name by which it is referred to."""

    def __init__(self, resources: ElementTree.Element) -> None:
        self._resources = resources
        self._names: dict[tuple[Fraction, Size | None], str] = {}

    def of(self, rate: Fraction, size: Size | None) -> str:
        key = rate, size
        if key not in self._names:
            self._names[key] = f"r{len(self._names) + 1}"
            found = ElementTree.SubElement(
                self._resources, "format", id=self._names[key], frameDuration=_time(1, rate)
            )
            if size is not None:
                found.set("width", str(size[0]))
                found.set("height", str(size[1]))
        return self._names[key]


def _asset(
    resources: ElementTree.Element, moment: ExportMoment, name: str, formats: _Formats
) -> None:
    rate = rate_of(moment.facts.fps)
    seconds = moment.facts.duration if moment.facts.duration is not None else moment.end
    asset = ElementTree.SubElement(
        resources,
        "asset",
        id=name,
        name=_plain(moment.name),
        src=Path(moment.video).absolute().as_uri(),
        start="0s",
        duration=_time(max(1, round(seconds * rate)), rate),
        hasVideo="1",
        format=formats.of(rate, _size(moment)),
    )
    if _has_sound(moment):
        asset.set("hasAudio", "1")
        asset.set("audioSources", "1")
        asset.set("audioChannels", "2")


def _clip(otio: Any, moment: ExportMoment, rank: int) -> Any:
    rate = rate_of(moment.facts.fps)
    first, last = frame_span(moment, rate)
    reference = otio.schema.ExternalReference(Path(moment.video).absolute().as_uri())
    if moment.facts.duration is not None:
        whole = max(last, round(moment.facts.duration * rate))
        reference.available_range = _range(otio, 0, whole, rate)
    clip = otio.schema.Clip(_plain(moment.name), reference, _range(otio, first, last, rate))
    clip.metadata["finereel"] = {
        **{"rank": rank, "score": moment.score, "clip_id": moment.clip_id},
        **({"said": _plain(moment.said)} if moment.said else {}),
    }
    return clip


def _gap(otio: Any, moment: ExportMoment) -> Any:
    rate = rate_of(moment.facts.fps)
    first, last = frame_span(moment, rate)
    return otio.schema.Gap(source_range=_range(otio, 0, last - first, rate))


def _range(otio: Any, first: int, last: int, rate: Fraction) -> Any:
    start, length = (
        otio.opentime.RationalTime(frames, float(rate)) for frames in (first, last - first)
    )
    return otio.opentime.TimeRange(start, length)


def _opentimelineio() -> Any:
    try:
        return importlib.import_module("opentimelineio")
    except ImportError as error:
        raise ConfigError(
            "OTIO needs OpenTimelineIO: pip install 'finereel[editors]'; edl and fcpxml need nothing "
            "more"
        ) from error


def _videos(chosen: ExportList) -> Iterator[str]:
    yield from dict.fromkeys(moment.video for moment in chosen.moments)


def _largest(chosen: ExportList) -> Size | None:
    sizes = [size for moment in chosen.moments if (size := _size(moment)) is not None]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _size(moment: ExportMoment) -> Size | None:
    width, height = moment.facts.width, moment.facts.height
    return None if width is None or height is None else (width, height)


def _has_sound(moment: ExportMoment) -> bool:
    return moment.facts.audio_codec not in (SILENT, None)


def _plain(name: str) -> str:
    """A name that XML and JSON can hold: control characters and broken bytes are escaped."""
    return shown(name)


def _time(frames: int, rate: Fraction) -> str:
    """So many frames in seconds, as FCPXML writes them.

    >>> _time(2, Fraction(30000, 1001)), _time(25, Fraction(25))
    ('2002/30000s', '25/25s')
    """
    return f"{frames * rate.denominator}/{rate.numerator}s"
