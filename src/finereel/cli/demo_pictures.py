"""The real part of `finereel demo`: photos that pan and zoom and a clip, or a person's own folder,
searched with everyday queries.

The photos ship in `assets/demo`; its file RIGHTS says whose they are and under which licence.
"""

import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from finereel.cli.contact_sheet import ContactSheetRow, draw_contact_sheet
from finereel.cli.demo_search import (
    DemoSearch,
    ask,
    command,
    heading,
    index_videos,
    say,
    show_searches,
)
from finereel.errors import ModelNotFoundError
from finereel.io import ASSETS
from finereel.io.atomic import replace_folder, storage_errors
from finereel.library import Library
from finereel.models.choice import default_model, require_here
from finereel.reelworld.export import write_video

PICTURES = ASSETS / "demo"
FRAMES_PER_SECOND, SECONDS = 12, 3
WIDTH, HEIGHT = 320, 240

Corner = tuple[float, float]


@dataclass(frozen=True)
class Move:
    """A camera that moves over a photo: the middle and the size of what it sees, first and last.

    Middles are shares of the photo's width and height, sizes shares of the largest view that fits.
    """

    start: Corner = (0.5, 0.5)
    end: Corner = (0.5, 0.5)
    first: float = 0.7
    last: float = 1.0


ZOOM_OUT = Move()
ZOOM_IN = Move(first=1.0, last=0.7)
PAN_RIGHT = Move((0.3, 0.5), (0.7, 0.5), 0.8, 0.8)
PAN_LEFT = Move((0.7, 0.5), (0.3, 0.5), 0.8, 0.8)
PAN_UP = Move((0.5, 0.7), (0.5, 0.3), 0.8, 0.8)

MOVES: dict[str, Move] = {
    "astronaut": PAN_UP,
    "bricks": PAN_RIGHT,
    "cat": ZOOM_OUT,
    "coffee": ZOOM_IN,
    "galaxies": PAN_LEFT,
    "grass": PAN_RIGHT,
    "gravel": PAN_UP,
    "photographer": ZOOM_OUT,
    "retina": ZOOM_OUT,
    "rocket": ZOOM_IN,
    "temple": PAN_RIGHT,
}
CLIPS = ("rabbit",)
QUERIES: dict[str, str] = {
    "a cat": "cat.mp4",
    "a cup of coffee": "coffee.mp4",
    "an astronaut in an orange suit": "astronaut.mp4",
    "a man looking through a camera": "photographer.mp4",
    "a rocket at night": "rocket.mp4",
    "a temple by a lake": "temple.mp4",
}
OWN_QUERIES = (
    "a person talking",
    "people outdoors",
    "an animal",
    "food on a table",
    "a car on a road",
    "water",
)


def search_pictures(folder: Path) -> bool:
    """Search the photos and clips that ship; says so and does nothing where no model knows them.

    Args:
        folder: The demo's folder; what an earlier run left there is used again.

    Returns:
        Whether they were searched.
    """
    try:
        require_here(default_model())
    except ModelNotFoundError:
        heading("real pictures", "left out: no model is here that knows them")
        say(f"  {command()} models get clip    (600 MB), then run the demo again")
        return False
    videos = folder / "real"
    if not videos.exists():
        heading("real pictures", f"{len(MOVES)} photos that pan and zoom and a clip, in {videos}")
        with storage_errors(videos):
            videos.parent.mkdir(parents=True, exist_ok=True)
            with replace_folder(videos) as fresh:
                write_pictures(fresh)
    with closing(Library.open(folder / "real-library")) as library:
        index_videos(library, videos)
        search = partial(library.search, top=library.status().clips)
        found = [ask(search, query, right, videos) for query, right in QUERIES.items()]
    show_searches(found)
    _draw(found, folder)
    return True


def search_own(folder: Path, videos: Path, queries: Sequence[str]) -> None:
    """Index a person's own folder into a library of the demo, and search it.

    Args:
        folder: The demo's folder.
        videos: The person's videos; they are only read.
        queries: What to ask; some everyday things where there is nothing.
    """
    library = folder.absolute() / "own-library"
    with closing(Library.open(library)) as opened:
        index_videos(opened, videos)
        search = partial(opened.search, top=5)
        found = [ask(search, query, "", videos.absolute()) for query in queries or OWN_QUERIES]
    found = [asked for asked in found if asked.hits]
    if not found:
        heading("search", "nothing was indexed, so there is nothing to find")
        return
    show_searches(found)
    _draw(found, folder)
    heading("next", "")
    say(f'  {command()} demo --videos {videos} --query "a dog on a beach"')
    say(f'  {command()} search "a dog on a beach" --library {library}')


def write_pictures(folder: Path) -> None:
    """Write the clips of the demo: a moving camera over each photo, and the clip as it ships."""
    for name, move in MOVES.items():
        with Image.open(PICTURES / f"{name}.jpg") as photo:
            write_video(folder / f"{name}.mp4", moved(photo, move), FRAMES_PER_SECOND)
    for name in CLIPS:
        shutil.copyfile(PICTURES / f"{name}.mp4", folder / f"{name}.mp4")


def moved(photo: Image.Image, move: Move) -> UInt8[np.ndarray, "F H W 3"]:
    """The frames of a camera that moves evenly over a photo; it never looks beyond its edge."""
    largest = min(photo.width / WIDTH, photo.height / HEIGHT)
    steps = np.linspace(0.0, 1.0, FRAMES_PER_SECOND * SECONDS)
    frames = []
    for step in steps:
        size = largest * (move.first + step * (move.last - move.first))
        view = np.array([WIDTH, HEIGHT]) * size
        whole = np.array([photo.width, photo.height])
        middle = (1 - step) * np.array(move.start) + step * np.array(move.end)
        corner = np.clip(middle * whole - view / 2, 0, whole - view)
        box = (*corner.tolist(), *(corner + view).tolist())
        frame = photo.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=box)
        frames.append(np.asarray(frame.convert("RGB")))
    return np.stack(frames)


def _draw(found: Sequence[DemoSearch], folder: Path) -> None:
    picture = folder / "real.png"
    rows = [ContactSheetRow(asked.query, asked.hits, asked.right_path) for asked in found]
    draw_contact_sheet(rows, picture)
    say(f"\n  picture   {picture}")
