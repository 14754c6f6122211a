"""Read video files: find them, cut windows, choose frames, and decode them in a killable child
process.
"""

from finereel.video.files import FileState, content_hash, file_state
from finereel.video.find import Found, find_videos, search_folders
from finereel.video.plan import Clip, ClipPlan, Limits, VideoInfo, windows
from finereel.video.reader import ClipStream, VideoReader, probe, read_clips

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
