"""One choice of where clips come from."""

from pathlib import Path

import numpy as np
import pytest

from finereel.datasets.features import FeatureStore
from finereel.datasets.frames import FrameStore
from finereel.datasets.worlds import WorldSource
from finereel.errors import ConfigError, DataError
from finereel.sources import SourceOptions, open_source


def test_videos_become_frames_at_the_models_size(tmp_path: Path) -> None:
    source = open_source("msrvtt", SourceOptions(videos=tmp_path, cache=tmp_path, num_frames=5, image_size=40))
    assert isinstance(source, FrameStore)
    assert (source.settings.num_frames, source.settings.image_size) == (5, 40)
    assert source.settings.sampling == "seconds"


def test_features_win_over_videos(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", tokens=np.zeros((1, 2, 3, 4), np.float16), ids=np.array(["x"]))
    assert isinstance(open_source("msrvtt", SourceOptions(videos=tmp_path, features=tmp_path)), FeatureStore)


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
    with pytest.raises(ConfigError, match="msvd: where are its clips"):
        open_source("msvd", SourceOptions(annotations=Path("here")))
    with pytest.raises(DataError, match="no folder"):
        open_source("msvd", SourceOptions(videos=Path("nowhere")))
