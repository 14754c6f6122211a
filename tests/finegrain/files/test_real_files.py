"""The published files themselves, skipped where they are absent: through the native form and back
they are the same.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from places import DATA

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the published files are not here")
SETS = {
    "sugarcrepe": {
        "add_att": 692,
        "add_obj": 2062,
        "replace_att": 788,
        "replace_obj": 1652,
        "replace_rel": 1406,
        "swap_att": 666,
        "swap_obj": 245,
    },
    "vitatecs": {
        "Compositionality": 1450,
        "Direction": 3800,
        "Intensity": 779,
        "Localization": 1053,
        "Sequence": 151,
        "Type": 6605,
    },
    "contrast": {"msrvtt_human_contrast_set": 4 * 2554, "msrvtt_lm_contrast_set": 4 * 2554},
}
SLOW = pytest.mark.slow
COUNTS = [
    pytest.param(form, name, count, marks=() if form == "sugarcrepe" else SLOW)
    for form, names in SETS.items()
    for name, count in names.items()
]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    which = [] if os.environ.get("CI") else ["quick"]
    command = [
        sys.executable,
        HERE / "round_trips.py",
        DATA,
        tmp_path_factory.mktemp("out"),
        *which,
    ]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


@pytest.mark.parametrize(("form", "name", "count"), COUNTS)
def test_published_sets(facts: dict[str, Any], form: str, name: str, count: int) -> None:
    found = facts[name]
    assert found["form"] == form
    # One file was not written with Python's json and an indent of 4.
    assert found["same"] or (name == "swap_obj" and found["same_json"])
    assert found["negatives"] == found["ids"] == count
    assert found["spans"]
    assert found["pos"] == ["other"]


@pytest.mark.parametrize(
    ("name", "captions", "videos", "repeated"),
    [
        ("uvo_val_adverb", 218, 190, 200),
        ("uvo_val_preposition", 236, 180, 321),
        pytest.param("msr1ka_adverb", 814, None, None, marks=SLOW),
        pytest.param("msr1ka_preposition", 405, None, None, marks=SLOW),
    ],
)
def test_released_files(
    facts: dict[str, Any], name: str, captions: int, videos: int | None, repeated: int | None
) -> None:
    """20 negatives per caption, each of one word; some replace it wherever it stands."""
    found = facts[f"{name}_RE20"]
    assert found["same"]
    assert found["spans"]
    assert found["per_caption"] == [20]
    assert (found["captions"], found["known"], found["negatives"]) == (
        captions,
        captions,
        20 * captions,
    )
    assert found["pos"] == [name.rpartition("_")[2]]
    assert found["words"] >= found["negatives"] - 1
    assert videos in (None, found["videos"])
    assert repeated in (None, found["elsewhere"])


@SLOW
@pytest.mark.parametrize("name", SETS["contrast"])
def test_contrast_sets_share_ids_with_msrvtt(facts: dict[str, Any], name: str) -> None:
    assert facts[name]["known"] / facts[name]["captions"] > 0.9


def test_every_narrative_of_vln(facts: dict[str, Any]) -> None:
    assert facts["vln_uvo"] == 18_873


@SLOW
def test_every_caption_of_msrvtt_once(facts: dict[str, Any]) -> None:
    assert facts["msrvtt"] == 200_000
