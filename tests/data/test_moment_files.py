"""The files of QVHighlights and Charades-STA."""

import json
from pathlib import Path

import pytest

from finereel.data.moment_files import FoundMoments, MomentQuery, read_moments, write_predictions
from finereel.errors import ConfigError, DataError

LINE = {
    "qid": 2579,
    "query": "A girl and her mother cooked together.",
    "duration": 150,
    "vid": "NUsG9BgSes0_210.0_360.0",
    "relevant_windows": [[82, 84], [150, 151.5]],
    "saliency_scores": [[4, 3, 3]],
}


def test_qvhighlights(tmp_path: Path) -> None:
    (tmp_path / "highlight_val_release.jsonl").write_text(json.dumps(LINE) + "\n")
    (query,) = read_moments("qvhighlights", tmp_path, "val")
    spans = ((82.0, 84.0), (150.0, 151.5))
    assert query == MomentQuery(2579, LINE["query"], LINE["vid"], spans)  # type: ignore[arg-type]


def test_charades(tmp_path: Path) -> None:
    (tmp_path / "charades_sta_test.txt").write_text(
        "3MSZA 24.3 30.4##person turn a light on.\n3MSZA 0.0 5##a person ## waits.\n"
    )
    one, other = read_moments("charades", tmp_path, "test")
    assert one == MomentQuery(0, "person turn a light on.", "3MSZA", ((24.3, 30.4),))
    assert (other.id, other.text, other.spans) == (1, "a person ## waits.", ((0.0, 5.0),))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"relevant_windows": []}, "cannot be evaluated"),
        ({"relevant_windows": [[5, 4]]}, "0 <= start < end"),
        ({"relevant_windows": [["a", 4]]}, "0 <= start < end"),
        ({"qid": None}, "'qid'"),
        ({"query": ""}, "'query' is empty"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, change: dict[str, object], words: str) -> None:
    (tmp_path / "highlight_val_release.jsonl").write_text(json.dumps({**LINE, **change}) + "\n")
    with pytest.raises(DataError, match="line 1") as caught:
        read_moments("qvhighlights", tmp_path, "val")
    assert words in str(caught.value)


def test_what_is_no_charades_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "charades_sta_test.txt").write_text("3MSZA 24.3##person turn a light on.\n")
    with pytest.raises(DataError, match="expected VIDEO START END"):
        read_moments("charades", tmp_path, "test")
    with pytest.raises(ConfigError, match="qvhighlights"):
        read_moments("qvhighlight", tmp_path, "test")


def test_predictions_have_the_form_of_a_submission(tmp_path: Path) -> None:
    query = MomentQuery(7, "a dog", "v", ((0.0, 1.0),))
    write_predictions(tmp_path / "out.jsonl", [FoundMoments(query, ((0.0, 2.5),), (0.75,))])
    assert json.loads((tmp_path / "out.jsonl").read_text()) == {
        "qid": 7,
        "query": "a dog",
        "vid": "v",
        "pred_relevant_windows": [[0.0, 2.5, 0.75]],
    }
