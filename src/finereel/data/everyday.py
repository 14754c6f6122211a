"""The data of the bundled model `everyday`: photos of Flickr8k and key frames of MSR-VTT.

    ANNOTATIONS or a subfolder   the files of `finereel.data.flickr8k`
    ANNOTATIONS or a subfolder   the files of `finereel.data.msrvtt`, and split.json

`msrvtt_frames` are the MSR-VTT videos of which key frames are at hand; split.json lists them:
{"train": [...], "val": [...], "test": [...]}. `everyday` joins both, split by split.
"""

from pathlib import Path

from finereel.data import flickr8k, msrvtt
from finereel.data.base import CaptionProtocol, Dataset, Split, SplitSize
from finereel.errors import DataError
from finereel.io.tables import json_object, need_file, quoted, read_json

SPLITS = "split.json"
PUBLISHED_FRAMES: dict[str, SplitSize] = {}
PUBLISHED: dict[str, SplitSize] = {}
_VALIDATION_CAPTIONS = 2
_CAPTIONS_OF = {"train": "train_9k", "val": "train_9k", "test": "test"}


def load_frames(annotations: Path) -> Dataset:
    """Load the splits of the MSR-VTT videos that split.json lists.

    Args:
        annotations: Folder of MSRVTT_data.json, MSRVTT_train.9k.csv, MSRVTT_JSFUSION_test.csv and
            split.json.

    Returns:
        The data set; test has the one sentence per video of 1k-A.

    Raises:
        DataError: If a file does not parse, or a listed video has no captions.
    """
    whole, path = msrvtt.load(annotations), need_file(annotations, SPLITS)
    listed = json_object(path, read_json(path))
    splits = {}
    for name, source in _CAPTIONS_OF.items():
        videos, known = listed.get(name), set(whole.split(source).videos)
        if not isinstance(videos, list) or not all(isinstance(video, str) for video in videos):
            raise DataError(f"{path}: expected a list of video ids under {name!r}")
        stray = next((video for video in videos if video not in known), None)
        if stray is not None:
            raise DataError(f"{path}: {name} lists {quoted(stray)}, which {source} does not have")
        chosen = whole.split(source).only(videos)
        splits[name] = Split(name, chosen.videos, chosen.captions)
    return Dataset("msrvtt_frames", splits, whole.protocol, selection="val")


def load(annotations: Path) -> Dataset:
    """Load the photos and the key frames together.

    Args:
        annotations: Folder with the files of both, or with a subfolder for each.

    Returns:
        The data set; val has the first two captions of every photo and video.

    Raises:
        DataError: If a file does not parse, or is missing.
    """
    photos, videos = flickr8k.load(annotations), load_frames(annotations)
    joined = {
        name: _joined(name, [part.split(name) for part in (videos, photos)])
        for name in _CAPTIONS_OF
    }
    joined["val"] = joined["val"].first_captions(_VALIDATION_CAPTIONS)
    return Dataset("everyday", joined, CaptionProtocol(32, 12, "multiple"), selection="val")


def _joined(name: str, splits: list[Split]) -> Split:
    videos = tuple(video for split in splits for video in split.videos)
    return Split(name, videos, tuple(caption for split in splits for caption in split.captions))
