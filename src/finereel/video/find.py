"""Find the videos below the paths a user names, and list what was left out."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from finereel.errors import NotAVideoError
from finereel.video.files import open_regular, shown
from finereel.video.signatures import HEAD, starts_like_text, starts_like_video

EXTENSIONS = frozenset(
    {
        ".mp4",
        ".m4v",
        ".mov",
        ".qt",
        ".mqv",
        ".mp4v",
        ".f4v",
        ".f4p",
        ".3gp",
        ".3gpp",
        ".3g2",
        ".3gp2",
        ".mj2",
    }
    | {
        ".mkv",
        ".mk3d",
        ".webm",
        ".avi",
        ".divx",
        ".xvid",
        ".wmv",
        ".asf",
        ".wtv",
        ".dvr-ms",
        ".flv",
        ".ogv",
        ".ogm",
    }
    | {
        ".mpg",
        ".mpeg",
        ".mpe",
        ".mp2v",
        ".m1v",
        ".m2v",
        ".m2p",
        ".mpv",
        ".ps",
        ".vob",
        ".vro",
        ".evo",
        ".mod",
        ".tod",
    }
    | {
        ".ts",
        ".mts",
        ".m2ts",
        ".m2t",
        ".tp",
        ".trp",
        ".mxf",
        ".gxf",
        ".dv",
        ".dif",
        ".rm",
        ".rmvb",
        ".amv",
        ".nsv",
    }
    | {
        ".lrv",
        ".glv",
        ".insv",
        ".360",
        ".gif",
        ".apng",
        ".nut",
        ".ivf",
        ".y4m",
        ".mjpg",
        ".mjpeg",
        ".dav",
    }
    | {".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".h266", ".vvc", ".obu", ".vc1", ".h263"}
)
"""Extensions of files that are taken for videos, in small letters."""

AMBIGUOUS = frozenset({".ts", ".mts", ".mod", ".ps", ".dif"})
"""Extensions that texts have too (TypeScript, PostScript, programs): such a file is a video unless
it is a text.
"""

COMPANIONS = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".bmp",
        ".tif",
        ".tiff",
        ".heic",
        ".heif",
        ".avif",
        ".jxl",
    }
    | {
        ".dng",
        ".cr2",
        ".cr3",
        ".crw",
        ".nef",
        ".nrw",
        ".arw",
        ".raf",
        ".orf",
        ".rw2",
        ".pef",
        ".srw",
        ".svg",
        ".ico",
    }
    | {
        ".psd",
        ".xcf",
        ".ai",
        ".eps",
        ".exr",
        ".hdr",
        ".tga",
        ".pbm",
        ".pgm",
        ".ppm",
        ".insp",
        ".gpr",
        ".raw",
    }
    | {
        ".mp3",
        ".m4a",
        ".m4b",
        ".aac",
        ".ac3",
        ".eac3",
        ".dts",
        ".flac",
        ".wav",
        ".aif",
        ".aiff",
        ".ogg",
        ".oga",
    }
    | {".opus", ".wma", ".mka", ".amr", ".mid", ".midi", ".ape", ".caf"}
    | {
        ".txt",
        ".md",
        ".rst",
        ".pdf",
        ".doc",
        ".docx",
        ".odt",
        ".rtf",
        ".xls",
        ".xlsx",
        ".ods",
        ".csv",
        ".tsv",
        ".ppt",
    }
    | {
        ".pptx",
        ".odp",
        ".html",
        ".htm",
        ".xml",
        ".json",
        ".jsonl",
        ".yaml",
        ".yml",
        ".toml",
        ".ini",
        ".cfg",
        ".conf",
    }
    | {
        ".log",
        ".nfo",
        ".url",
        ".lnk",
        ".desktop",
        ".webloc",
        ".md5",
        ".sha1",
        ".sha256",
        ".sfv",
        ".epub",
        ".tex",
    }
    | {
        ".srt",
        ".vtt",
        ".ass",
        ".ssa",
        ".sub",
        ".idx",
        ".sup",
        ".smi",
        ".sbv",
        ".ttml",
        ".lrc",
        ".edl",
        ".fcpxml",
    }
    | {
        ".thm",
        ".xmp",
        ".aae",
        ".moi",
        ".ifo",
        ".bup",
        ".cpi",
        ".clpi",
        ".mpl",
        ".mpls",
        ".bdm",
        ".bdmv",
        ".pgi",
        ".bnp",
    }
    | {
        ".ppn",
        ".bim",
        ".smi",
        ".gpx",
        ".kml",
        ".fit",
        ".tcx",
        ".nmea",
        ".gis",
        ".lut",
        ".cube",
        ".3dl",
        ".sav",
    }
    | {
        ".m3u",
        ".m3u8",
        ".pls",
        ".xspf",
        ".cue",
        ".mpd",
        ".ism",
        ".torrent",
        ".part",
        ".crdownload",
        ".tmp",
        ".bak",
    }
    | {
        ".ytdl",
        ".zip",
        ".rar",
        ".7z",
        ".gz",
        ".bz2",
        ".xz",
        ".zst",
        ".tar",
        ".tgz",
        ".par2",
        ".db",
        ".sqlite",
        ".ds_store",
    }
    | {
        ".py",
        ".pyc",
        ".js",
        ".tsx",
        ".jsx",
        ".css",
        ".c",
        ".h",
        ".cpp",
        ".hpp",
        ".rs",
        ".go",
        ".java",
        ".sh",
        ".bat",
    }
    | {
        ".exe",
        ".dll",
        ".so",
        ".dylib",
        ".npy",
        ".npz",
        ".pt",
        ".pth",
        ".pkl",
        ".safetensors",
        ".h5",
        ".parquet",
    }
    | {".lance", ".manifest", ".txn", ".arrow", ".lock"}
)
"""Extensions of pictures, sounds, texts, subtitles, camera notes, archives and programs: left out
without a word.
"""

SYSTEM_FOLDERS = frozenset(
    {"@eadir", "lost+found", "$recycle.bin", "system volume information", "#recycle", "__macosx"}
)
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})
"""What systems leave on disks, in small letters; so is everything whose name begins with a dot."""


@dataclass(frozen=True)
class Found:
    """Videos below some paths, sorted, and what was left out.

    unknown: files of unknown kind. unreadable: folders that could not be looked through, each with
    the reason.
    """

    videos: tuple[Path, ...] = ()
    unknown: tuple[Path, ...] = ()
    unreadable: tuple[tuple[Path, str], ...] = ()

    def without(self, excludes: Callable[[str], bool]) -> "Found":
        """The same without the paths that are not wanted."""
        return Found(
            tuple(path for path in self.videos if not excludes(str(path))),
            tuple(path for path in self.unknown if not excludes(str(path))),
            tuple(entry for entry in self.unreadable if not excludes(str(entry[0]))),
        )


def find_videos(paths: Iterable[str | Path]) -> list[Path]:
    """The videos that `search_folders` finds. Raises NotAVideoError too when there are none."""
    named = [Path(path) for path in paths]
    found = search_folders(named)
    if not found.videos:
        raise nothing_found(named, found)
    return list(found.videos)


def search_folders(paths: Iterable[str | Path]) -> Found:
    """All video files at or below `paths`, each once, and what was left out.

    A folder gives its files with one of EXTENSIONS and those of unknown extension that begin like a
    video; files and folders that are hidden or the system's are left out, links to folders followed
    once. A path that is not a folder is taken as it is named, whatever its extension: whether it
    can be read, the reader will say. Raises NotAVideoError for a path that does not exist.
    """
    videos: set[Path] = set()
    unknown: set[Path] = set()
    unreadable: dict[Path, str] = {}

    def note(error: OSError) -> None:
        unreadable[Path(os.fsdecode(error.filename))] = error.strerror or type(error).__name__

    for path in map(Path, paths):
        if os.path.isdir(path):  # noqa: PTH112 (Path.is_dir raises where a folder above is closed)
            for file in files_below(path, note):
                kind = _kind(file)
                (videos if kind == "video" else unknown if kind == "unknown" else set()).add(file)
        else:
            _require(path)
            videos.add(path)
    return Found(tuple(sorted(videos)), tuple(sorted(unknown)), tuple(sorted(unreadable.items())))


def nothing_found(named: Iterable[Path], found: Found) -> NotAVideoError:
    """The error for paths without a video; it names what was left out."""
    roots = list(named)
    closed = [
        f"the folder {shown(folder)} cannot be read ({reason})"
        for folder, reason in found.unreadable
    ]
    reasons = []
    if not roots or {*roots} - {folder for folder, _ in found.unreadable}:
        reasons.append(f"looked for {' '.join(sorted(EXTENSIONS))}")
    if found.unknown:
        reasons.append(f"files of unknown kind were left out ({extensions(found.unknown)})")
    places = ", ".join(map(shown, roots)) or "no path given"
    return NotAVideoError(f"no video found in {places}: {'; '.join(reasons + closed)}")


def files_below(folder: Path, on_error: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """Every file below a folder; hidden and system ones are left out, links to folders followed
    once.

    on_error: called for every folder that cannot be listed, with an error that has its `filename`.
    """
    seen: set[tuple[int, int]] = set()
    for root, folders, names in os.walk(folder, onerror=on_error, followlinks=True):
        try:
            status = os.stat(root)  # noqa: PTH116
        except OSError as error:  # gone or closed since it was listed
            (on_error or _ignore)(error)
            continue
        if (status.st_dev, status.st_ino) in seen:  # a link back to a folder already visited
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not _of_the_system(name, SYSTEM_FOLDERS))
        for name in names:
            if not _of_the_system(name, SYSTEM_FILES):
                yield Path(root) / name


def extensions(files: Iterable[str | Path]) -> str:
    """The extensions of some files, the commonest first.

    >>> extensions(["a.XYZ", "b.xyz", "c"])
    '.xyz 2, without extension 1'
    """
    counts = Counter(Path(file).suffix.lower() or "without extension" for file in files)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{shown(extension)} {count}" for extension, count in ranked)


def _of_the_system(name: str, known: frozenset[str]) -> bool:
    return name.startswith(".") or name.lower() in known


def _kind(file: Path) -> str:
    """`video`, `unknown`, or `companion` for files that are no videos and lie beside them."""
    extension = file.suffix.lower()
    if extension in AMBIGUOUS:
        return "unknown" if starts_like_text(_head(file)) else "video"
    if extension in EXTENSIONS:
        return "video"
    if extension in COMPANIONS:
        return "companion"
    return "video" if starts_like_video(_head(file)) else "unknown"


def _head(file: Path) -> bytes:
    """The first bytes of a file; none where it cannot be read, of which the reader will speak."""
    try:
        with open_regular(file) as stream:
            return stream.read(HEAD)
    except (OSError, ValueError):
        return b""


def _require(path: Path) -> None:
    try:
        os.lstat(path)
    except PermissionError as error:
        raise NotAVideoError(
            f"{shown(path)}: a folder above it cannot be read; check its permissions"
        ) from error
    except (OSError, ValueError) as error:
        raise NotAVideoError(
            f"{shown(path)}: there is no such file or folder; check the spelling"
        ) from error


def _ignore(error: OSError) -> None:
    del error
