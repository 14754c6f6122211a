"""Hits as FiftyOne's temporal detections, for `FiftyOneTemporalDetectionDataset`.

Files only: the package fiftyone is never imported. Where it is installed,

    fo.Dataset.from_dir(dataset_dir=DIR, dataset_type=fo.types.FiftyOneTemporalDetectionDataset,
                        data_path="data.json")

reads the folder, and `finereel.data.fiftyone` reads it back.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finereel.data.fiftyone import DATA, LABELS
from finereel.errors import ConfigError
from finereel.io.atomic import write_file, writes
from finereel.types import Hit


@writes("folder")
def write_detections(folder: Path, found: Mapping[str, Sequence[Hit]]) -> None:
    """Write hits of queries as `data.json` and `labels.json`; the videos stay where they are.

    Args:
        folder: The folder; it is created if needed.
        found: The hits of every query. Queries are the classes.

    Raises:
        ConfigError: There is no hit.
        StorageError: The folder cannot be written.
    """
    videos = dict.fromkeys(hit.video for hits in found.values() for hit in hits)
    if not videos:
        raise ConfigError("no hits to write: search for something that the library has")
    names = _names(list(videos))
    labels: dict[str, list[dict[str, Any]]] = {name: [] for name in names.values()}
    for number, hits in enumerate(found.values()):
        for hit in hits:
            labels[names[hit.video]].append(
                {
                    "label": number,
                    "timestamps": [hit.start, hit.end],
                    "attributes": {"score": hit.score, "clip_id": hit.clip_id},
                }
            )
    described = {"classes": list(found), "labels": labels}
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: video for video, name in names.items()}
    write_file(folder / DATA, json.dumps(paths, indent=2))
    write_file(folder / LABELS, json.dumps(described, indent=2))


def _names(videos: Sequence[str]) -> dict[str, str]:
    """A name for every video: that of its file, with a number where several files have the same.

    >>> _names(["/a/x.mp4", "/b/x.mp4", "/b/x-2.mp4"])
    {'/a/x.mp4': 'x', '/b/x.mp4': 'x-2', '/b/x-2.mp4': 'x-2-2'}
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for video in videos:
        base = Path(video).stem
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        names[video] = name
        taken.add(name)
    return names
