"""Find the file of each video id below a folder, and check that it can be read."""

import os
import unicodedata
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath

from finereel.errors import BrokenVideoError, DataError, VideoError
from finereel.types import OnProgress, Window, no_progress
from finereel.video import ClipPlan, Limits, read_clips
from finereel.video.find import files_below

PREFERRED = (
    *(".mp4", ".mkv", ".webm", ".mov", ".m4v", ".avi", ".mpg", ".mpeg", ".wmv", ".flv"),
    *(".3gp", ".ogv", ".ts", ".mts", ".m2ts", ".gif"),
)
"""Endings of videos; of two files with the same name, the one whose ending stands first is taken.
"""
NO_VIDEOS = frozenset(
    {
        ".txt",
        ".json",
        ".jsonl",
        ".csv",
        ".tsv",
        ".srt",
        ".vtt",
        ".ass",
        ".xml",
        ".html",
        ".md",
        ".yaml",
        ".log",
    }
    | {
        ".jpg",
        ".jpeg",
        ".png",
        ".webp",
        ".bmp",
        ".mp3",
        ".wav",
        ".aac",
        ".m4a",
        ".flac",
        ".part",
        ".ytdl",
        ".tmp",
    }
    | {
        ".npy",
        ".npz",
        ".pkl",
        ".pt",
        ".pth",
        ".safetensors",
        ".h5",
        ".hdf5",
        ".zip",
        ".gz",
        ".tar",
        ".lmdb",
    }
)
"""Endings of files that lie beside videos under the same name."""
FIRST_FRAME = ClipPlan(
    length=None, num_frames=1, size=64, sampling="seconds-head", windows=(Window(0.0, 1.0),)
)
FIRST_SECONDS = replace(FIRST_FRAME, num_frames=30, windows=(Window(0.0, 30.0),))
"""For a recording that gives no picture in its first second, as one that was cut may."""
WORKERS = 8


def find_videos(folder: Path, ids: Iterable[str]) -> dict[str, Path]:
    """The file of each id that has one, in the order of the ids. Raises DataError when there is no
    such folder.

    An id is a file's path below `folder`, its bare name, or either without its ending; an id with
    the ending of a video may be a file with another. Where several files fit, the earlier of these
    rules wins, then PREFERRED, then the alphabet. Ids of accented letters find their files however
    the disk spells them (Unicode NFC).
    """
    if not folder.is_dir():
        raise DataError(
            f"expected a folder of videos, {folder} "
            f"{'is a file' if folder.exists() else 'does not exist'}"
        )
    rules: tuple[dict[str, Path], ...] = ({}, {}, {}, {})
    for path in sorted(files_below(folder), key=_preference):
        inside = PurePosixPath(_spelled(path.relative_to(folder).as_posix()))
        if inside.suffix.lower() in NO_VIDEOS:
            continue
        keys = (inside.as_posix(), inside.name, inside.with_suffix("").as_posix(), inside.stem)
        for rule, key in zip(rules, keys, strict=True):
            rule.setdefault(key, path)
    found = {video: _file_of(_spelled(video), rules) for video in ids}
    return {video: path for video, path in found.items() if path is not None}


def check_videos(
    paths: Mapping[str, Path], workers: int | None = None, on_progress: OnProgress = no_progress
) -> dict[str, str]:
    """Why each video cannot be read, by id; those that give their first frame are left out.

    Nothing further is decoded: a file that breaks off later passes where its own header does not
    tell. `workers` child processes (at most WORKERS, as many as there are processors) decode at a
    time; `on_progress` is called after every file.
    """
    count = workers or min(WORKERS, os.cpu_count() or 1)
    reasons: dict[str, str] = {}
    pool = ThreadPoolExecutor(count)
    try:
        for done, (video, reason) in enumerate(
            zip(paths, pool.map(why_unreadable, paths.values()), strict=True), 1
        ):
            if reason:
                reasons[video] = reason
            on_progress("reading", done, len(paths))
    finally:
        pool.shutdown(cancel_futures=True)
    return reasons


def why_unreadable(path: Path, limits: Limits | None = None) -> str:
    """Why a file gives no frame at its beginning; "" when it gives one."""
    try:
        frames = _frames(path, FIRST_FRAME, limits)
    except BrokenVideoError:
        try:
            frames = _frames(path, FIRST_SECONDS, limits)
        except VideoError as error:
            return str(error)
    except VideoError as error:
        return str(error)
    return "" if frames else f"{path}: no frame at its beginning"


def _frames(path: Path, plan: ClipPlan, limits: Limits | None) -> int:
    return sum(len(clip.frames.pixels) for clip in read_clips(path, plan, limits))


def _preference(path: Path) -> tuple[int, str]:
    ending = path.suffix.lower()
    return PREFERRED.index(ending) if ending in PREFERRED else len(PREFERRED), path.as_posix()


def _file_of(video: str, rules: Iterable[Mapping[str, Path]]) -> Path | None:
    names = [video]
    if PurePosixPath(video).suffix.lower() in PREFERRED:
        names.append(PurePosixPath(video).with_suffix("").as_posix())
    return next((rule[name] for name in names for rule in rules if name in rule), None)


def _spelled(name: str) -> str:
    return unicodedata.normalize("NFC", name)
