"""Photos and key frames as clips."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finereel.data.check import check
from finereel.data.pictures import PictureStore
from finereel.data.sources import SourceOptions, open_source
from finereel.errors import DataError
from finereel.models.preprocessing import Preprocessing
from tiny_annotations import write_annotations

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def picture(path: Path, *colours: tuple[int, int, int]) -> None:
    """Squares of 40 pixels side by side, one a colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    squares = [np.full((40, 40, 3), colour, np.uint8) for colour in colours]
    Image.fromarray(np.concatenate(squares, 1)).save(path, quality=95)


def pair(folder: Path, shot: str, numbers: tuple[int, int], *colours: tuple[int, int, int]) -> None:
    left, right = numbers
    picture(
        folder / f"MSR-VTT-videoTrainValVideo_{shot}" / f"concat_img{left}_img{right}.jpg", *colours
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    picture(tmp_path / "photos" / "1_a.jpg", RED)
    pair(tmp_path / "frames", "video7-shot2_0", (5, 9), RED, GREEN)
    pair(tmp_path / "frames", "video7-shot1_0", (30, 40), BLUE, GREEN)
    pair(tmp_path / "frames", "video7-shot2_0", (5, 7), RED, BLUE)
    return tmp_path


def colours(store: PictureStore, video: str) -> list[tuple[int, ...]]:
    clip = store.read([video])
    means = clip.frames[0][clip.frame_mask[0]].mean((1, 2))
    return [tuple(255 if value > 128 else 0 for value in mean) for mean in means]


def test_a_photo_is_a_clip_of_one_frame(folder: Path) -> None:
    store = PictureStore(folder, 4, 32)
    assert colours(store, "1_a.jpg") == [RED]
    assert not store.read(["1_a.jpg"]).frames[0, 1:].any()


def test_key_frames_stand_in_the_order_of_shots_and_each_once(folder: Path) -> None:
    assert colours(PictureStore(folder, 9, 32), "video7") == [BLUE, GREEN, RED, BLUE, GREEN]


def test_more_frames_than_wanted_are_thinned_first_and_last_included(folder: Path) -> None:
    assert colours(PictureStore(folder, 2, 32), "video7") == [BLUE, GREEN]
    assert colours(PictureStore(folder, 3, 32), "video7") == [BLUE, RED, GREEN]


def test_the_preprocessing_is_the_models(folder: Path) -> None:
    wide = folder / "wide.jpg"
    picture(wide, RED, GREEN)
    whole = PictureStore(folder, 1, 32, Preprocessing(32, (32, 32)))
    left, right = np.split(whole.read(["wide.jpg"]).frames[0, 0], 2, 1)
    assert left[:, :12, 0].min() > 200, "the whole picture is squashed, nothing is cut off"
    assert right[:, 4:, 1].min() > 200


def test_what_is_missing_or_damaged_is_named(folder: Path) -> None:
    (folder / "cut.jpg").write_bytes((folder / "photos" / "1_a.jpg").read_bytes()[:200])
    (folder / "text.png").write_text("no picture")
    store = PictureStore(folder, 1, 32)
    problems = store.problems(["1_a.jpg", "cut.jpg", "text.png", "gone.jpg"])
    assert set(problems) == {"cut.jpg", "text.png", "gone.jpg"}
    assert "no picture for it" in problems["gone.jpg"]
    assert "cannot be read as a picture" in problems["cut.jpg"]
    for name in ("cut.jpg", "text.png", "gone.jpg"):
        with pytest.raises(DataError, match=name):
            store.read([name])
    with pytest.raises(DataError, match="nowhere is not a folder"):
        PictureStore(folder / "nowhere", 1, 32)


def test_data_check_counts_pictures(folder: Path, tmp_path: Path) -> None:
    annotations = write_annotations("everyday", tmp_path / "annotations")
    pair(tmp_path / "frames", "video8-shot1_0", (1, 2), RED, BLUE)
    broken = tmp_path / "frames" / "MSR-VTT-videoTrainValVideo_video8-shot1_0"
    (broken / "concat_img1_img2.jpg").write_bytes(b"no picture")
    steps: list[int] = []
    report = check("everyday", annotations, folder, lambda _what, done, _total: steps.append(done))
    assert set(report.missing or ()) == {"video9", "2_b.jpg", "3_c.jpg"}
    assert set(report.unreadable or {}) == {"video8"}
    assert steps == [1, 2, 3]


@pytest.mark.parametrize("name", ["flickr8k", "msrvtt_frames", "everyday"])
def test_data_sets_of_pictures_open_such_folders(name: str, folder: Path) -> None:
    source = open_source(name, SourceOptions(videos=folder, num_frames=2, image_size=32))
    assert source.description == {"source": "pictures", "frames": "2", "image_size": "32"}
    assert source.read(["video7", "1_a.jpg"]).frame_mask.sum() == 3
