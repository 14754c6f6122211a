"""Index a folder of videos and print the clips that a sentence describes.

python examples/search_your_videos.py ~/Videos "a dog jumps over a fence" --library my.library
"""

import argparse
from pathlib import Path

import finereel


def main() -> None:
    """Index, search, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("text")
    parser.add_argument("--library", type=Path, default=Path("my.library"))
    parser.add_argument("--model", help="a model directory or id; the library remembers it")
    given = parser.parse_args()
    library = finereel.Library.open(given.library, model=given.model)
    report = library.add([given.folder])
    print(
        f"{report.indexed} videos are new, {report.unchanged} were here, {report.failed} cannot be "
        "read"
    )
    for hit in library.search(given.text, top=3):
        parts = ", ".join(f"{name} {value:.2f}" for name, value in hit.parts.items())
        print(f"{hit.score:6.2f}  {Path(hit.video).name} at {hit.best_frame:.1f} s  ({parts})")
    library.close()


if __name__ == "__main__":
    main()
