"""How `library_version_1.zip` and `library_version_1.json` were made, with the code of release
0.2.0: a library of toy videos in the first version of the clip table, and its answers.

    PYTHONPATH=tests python tests/golden/derive_library.py FOLDER

Later code makes a library of a later version here, so neither file is made again.
"""

import json
import shutil
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from finereel.index.events import AddSettings
from finereel.library import Library
from finereel.video.files import FileState
from finereel.video.find import Found
from finereel.video.plan import ClipPlan, VideoInfo
from index.doubles import ToyModel, ToySource, ToyStream

VIDEOS = {
    "/videos/dog.toy": "2 dog\n2 dog ball\n",
    "/videos/cat.toy": "2 cat\n2 cat dog\n2 cat sofa\n",
    "/videos/film.toy": "".join(f"2 scene{number}\n" for number in range(9)),
    "/videos/holiday/sea.toy": "2 sea\n2 sea boat\n",
    "/videos/holiday/cut.toy": "2 bird\n! cut off\n",
    "/videos/holiday/copy.toy": "2 dog\n2 dog ball\n",
    "/videos/broken.toy": "! nothing in it\n",
}
LATER = {"/videos/later.toy": "2 dog sea\n2 late\n"}
"""Indexed after the normalization was fitted."""
QUERIES = ("dog", "cat sofa", "sea boat", "scene3 scene7", "late", "bird", "unheard")
CAPTIONS = [f"caption{number}" for number in range(12)]


class MemorySource(ToySource):
    """Toy videos that lie in no file system."""

    def __init__(self, videos: dict[str, str], scratch: Path) -> None:
        super().__init__()
        self.videos = videos
        self._scratch = scratch

    def find(self, paths: Iterable[Path]) -> Found:
        """All of them."""
        del paths
        return Found(tuple(sorted(map(Path, self.videos))))

    def state(self, path: Path) -> FileState:
        """A size, and a time on 2026-03-01 UTC."""
        if str(path) not in self.videos:
            raise FileNotFoundError(2, "No such file", str(path))
        return FileState(len(self.videos[str(path)]), 1_772_323_200 * 10**9)

    def content_hash(self, path: Path) -> str:
        """That of a file with the same text."""
        return super().content_hash(self._file(path))

    def clips(self, path: Path, plan: ClipPlan) -> ToyStream:
        """As of a file with the same text."""
        return super().clips(self._file(path), plan)

    def probe(self, path: Path) -> VideoInfo:
        """As of a file with the same text."""
        return super().probe(self._file(path))

    def _file(self, path: Path) -> Path:
        file = self._scratch / path.name
        file.write_text(self.videos[str(path)], encoding="utf-8")
        return file


def answers(library: Library) -> dict[str, list[dict[str, object]]]:
    """Every hit of every query, with its scores and without its picture."""
    found = {}
    for query in QUERIES:
        for candidates in (None, 4):
            hits = library.search(query, 5, candidates=candidates, per_video=None)
            found[f"{query} {candidates}"] = [
                {key: value for key, value in asdict(hit).items() if key != "thumbnail"}
                for hit in hits
            ]
    return found


def main(folder: Path) -> None:
    """Make both files in `folder`."""
    library = Library.open(folder / "library", ToyModel(), MemorySource(VIDEOS, folder))
    library.add(list(VIDEOS), settings=AddSettings(commit_clips=4, batch_clips=2))
    library.fit_normalization(CAPTIONS)
    Library.open(folder / "library", ToyModel(), MemorySource(VIDEOS | LATER, folder)).add(LATER)
    shutil.copytree(folder / "library", folder / "plain")
    plain = Library.open(folder / "plain", ToyModel(), MemorySource({}, folder))
    plain.remove_normalization()
    stored = {"bank": answers(library), "plain": answers(plain)}
    (folder / "library_version_1.json").write_text(json.dumps(stored) + "\n")
    with zipfile.ZipFile(folder / "library_version_1.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((folder / "library").rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder / "library"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
