"""One choice of where clips come from."""

from pathlib import Path

import numpy as np
import pytest

from finereel import data as datasets
from finereel.data import DATASETS
from finereel.data.base import Caption
from finereel.data.features import FeatureStore
from finereel.data.frames import FrameStore
from finereel.data.reelworld import WorldSource
from finereel.data.sources import SourceOptions, captions_of, open_source
from finereel.errors import ConfigError, DataError
from tiny_annotations import write_annotations


def test_videos_become_frames_at_the_models_size(tmp_path: Path) -> None:
    source = open_source(
        "msrvtt", SourceOptions(videos=tmp_path, cache=tmp_path, num_frames=5, image_size=40)
    )
    assert isinstance(source, FrameStore)
    assert (source.settings.num_frames, source.settings.image_size) == (5, 40)
    assert source.settings.sampling == "seconds"


def test_features_win_over_videos(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", tokens=np.zeros((1, 2, 3, 4), np.float16), ids=np.array(["x"]))
    assert isinstance(
        open_source("msrvtt", SourceOptions(videos=tmp_path, features=tmp_path)), FeatureStore
    )


def test_reelworld_needs_no_files() -> None:
    source = open_source("reelworld", SourceOptions(num_frames=3, image_size=32))
    assert source == WorldSource(32, 3)


def test_own_videos_lie_beside_their_annotations(tmp_path: Path) -> None:
    table = tmp_path / "captions.csv"
    table.write_text("video,caption\na,b\n")
    for annotations in (tmp_path, table):
        source = open_source("folder", SourceOptions(annotations=annotations, cache=tmp_path))
        assert isinstance(source, FrameStore)
        assert source.folder == tmp_path


def test_without_any_place_it_asks() -> None:
    with pytest.raises(ConfigError, match=r"msvd: where are its clips.*--videos.*--features"):
        open_source("msvd", SourceOptions(annotations=Path("here")))
    with pytest.raises(DataError, match="not a folder"):
        open_source("msvd", SourceOptions(videos=Path("nowhere")))


@pytest.mark.parametrize("name", DATASETS)
def test_captions_of_every_data_set(tmp_path: Path, name: str) -> None:
    """Each caption once; the same ids and texts as in the splits."""
    annotations = write_annotations(name, tmp_path)
    rows = list(captions_of(annotations, name))
    dataset = datasets.load(name, annotations)
    said = {(c.id, c.video_id, c.text) for split in dataset.splits.values() for c in split.captions}
    found = {(row.id, row.video_id, row.text) for row in rows}
    assert len(rows) == len(found) == len({row.id for row in rows})
    assert found == {one for one in said if not (name == "msrvtt" and one[0] == "ret0")}
    one = next(iter(dataset.splits.values()))
    assert [row.id for row in captions_of(annotations, name, one.name)] == [
        caption.id for caption in one.captions
    ]


def test_captions_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("id,video_id,caption\na,v, a dog\n")
    assert list(captions_of(tmp_path / "c.csv")) == [Caption("a", "v", " a dog")]


def test_captions_that_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected one of activitynet, captions"):
        list(captions_of(tmp_path, "uvo"))
    with pytest.raises(ConfigError, match="has a path and no splits"):
        list(captions_of(None))
    with pytest.raises(ConfigError, match="has a path and no splits"):
        list(captions_of(tmp_path / "c.csv", split="train"))
    annotations = write_annotations("msvd", tmp_path)
    with pytest.raises(ConfigError, match="unknown split of msvd 'all': expected one of"):
        list(captions_of(annotations, "msvd", "all"))
