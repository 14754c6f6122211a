"""Moments measured on a small data set of toy videos."""

from pathlib import Path

import pytest

from finereel.data.moment_files import MomentQuery
from finereel.errors import DataError
from finereel.index.moment_benchmark import measure_moments
from index.doubles import ToyModel, write_video
from index.test_hits import SecondSource


def test_events_are_found_where_they_are(tmp_path: Path) -> None:
    write_video(tmp_path / "one.toy", "y1", "y2/dog", "dog/y3", "y4")
    write_video(tmp_path / "two.toy", *(f"z{number}" for number in range(6)), "dog")
    (tmp_path / "bad.toy").write_text("")
    queries = [
        MomentQuery(0, "dog", "one", ((6.0, 10.0),)),
        MomentQuery(1, "dog", "two", ((24.0, 28.0),)),
        MomentQuery(2, "dog", "two", ((0.0, 4.0),)),
        MomentQuery(3, "dog", "bad", ((0.0, 4.0),)),
        MomentQuery(4, "dog", "gone", ((0.0, 4.0),)),
    ]
    result = measure_moments(ToyModel(), queries, tmp_path, SecondSource())
    assert [each.query.id for each in result.found] == [0, 1, 2]
    assert result.found[0].spans[0] == (6.0, 10.0)
    assert result.found[1].spans[0] == (24.0, 28.0)
    assert list(result.found[0].scores) == sorted(result.found[0].scores, reverse=True)
    assert result.metrics["R1@0.5"] == pytest.approx(200 / 3)
    assert result.metrics["R1@0.7"] == pytest.approx(200 / 3)
    assert 60 < result.metrics["mAP"] <= 100
    assert result.intervals["R1@0.5"][0] <= 200 / 3 <= result.intervals["R1@0.5"][1]
    assert set(result.missing) == {"bad", "gone"}
    with pytest.raises(DataError, match="none of the 1 videos"):
        measure_moments(ToyModel(), queries[4:], tmp_path, SecondSource())
