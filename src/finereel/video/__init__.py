"""Read video files: find them, cut windows, choose frames, and decode them in a killable child
process.
"""

from finereel.video.find import Found, find_videos, search_folders
from finereel.video.identity import FileState, content_hash, file_state
from finereel.video.plan import Clip, ClipPlan, Limits, VideoInfo
from finereel.video.probe import probe
from finereel.video.reader import ClipStream, VideoReader, read_clips
from finereel.video.windows import windows

__all__ = [
    "Clip",
    "ClipPlan",
    "ClipStream",
    "FileState",
    "Found",
    "Limits",
    "VideoInfo",
    "VideoReader",
    "content_hash",
    "file_state",
    "find_videos",
    "probe",
    "read_clips",
    "search_folders",
    "windows",
]
