"""The published files themselves, skipped where they are absent: read and written again they are the same."""

import json
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from finereel.negatives.captions import captions_by_id
from finereel.negatives.files import read_negatives, recognise, write_negatives
from finereel.negatives.files.base import Known
from finereel.negatives.types import Negative
from finereel.sources import captions_of

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the published files are not here")
SUGARCREPE = {
    "add_att": 692,
    "add_obj": 2062,
    "replace_att": 788,
    "replace_obj": 1652,
    "replace_rel": 1406,
    "swap_att": 666,
    "swap_obj": 245,
}
VITATECS = {
    "Compositionality": 1450,
    "Direction": 3800,
    "Intensity": 779,
    "Localization": 1053,
    "Sequence": 151,
    "Type": 6605,
}
SLOW = ("Direction", "Type", "add_obj")
FILES = [
    *((f"annotations/SugarCrepe/{name}.json", "sugarcrepe", count) for name, count in SUGARCREPE.items()),
    *((f"annotations/VITATECS/{name}.jsonl", "vitatecs", count) for name, count in VITATECS.items()),
    ("annotations/MSRVTT-contrast/msrvtt_human_contrast_set.tsv", "contrast", 4 * 2554),
    ("annotations/MSRVTT-contrast/msrvtt_lm_contrast_set.tsv", "contrast", 4 * 2554),
]


@cache
def known(name: str, folder: str) -> Known:
    return Known(captions_by_id(captions_of(SHARED / "annotations" / folder, name)))


def again(path: Path, folder: Path, told: Known) -> tuple[list[Negative], bool]:
    """The rows of a file, and whether they give the same file: the same bytes, or the same JSON laid out otherwise."""
    form, out = recognise(path), folder / path.name
    rows = read_negatives(path, form, told)
    write_negatives(rows, out, form)
    same = out.read_bytes() == path.read_bytes()
    if path.stem == "swap_obj":  # the one that was not written with Python's json and an indent of 4
        same = json.loads(out.read_text()) == json.loads(path.read_text())
    return rows, same


@pytest.mark.parametrize(
    ("name", "form", "count"),
    [
        pytest.param(*case, marks=pytest.mark.slow if Path(case[0]).stem in SLOW or "contrast" in case[0] else ())
        for case in FILES
    ],
)
def test_published_sets(tmp_path: Path, name: str, form: str, count: int) -> None:
    path = SHARED / name
    assert recognise(path) == form
    rows, same = again(path, tmp_path, Known())
    assert same
    assert len(rows) == count == len({row.id for row in rows})


@pytest.mark.parametrize(
    ("name", "source", "captions", "videos", "several"),
    [
        ("uvo_val_adverb", ("vln_uvo", "VLN-UVO"), 218, 190, 200),
        ("uvo_val_preposition", ("vln_uvo", "VLN-UVO"), 236, 180, 321),
        pytest.param("msr1ka_adverb", ("msrvtt", "MSRVTT"), 814, None, None, marks=pytest.mark.slow),
        pytest.param("msr1ka_preposition", ("msrvtt", "MSRVTT"), 405, None, None, marks=pytest.mark.slow),
    ],
)
def test_released_files(
    tmp_path: Path, name: str, source: tuple[str, str], captions: int, videos: int | None, several: int | None
) -> None:
    """20 negatives per caption, each of one word; some replace it wherever it stands."""
    rows, same = again(SHARED / "negatives" / f"{name}_RE20.json", tmp_path, known(*source))
    assert same
    assert set(Counter(row.caption_id for row in rows).values()) == {20}
    assert len(rows) == 20 * captions
    assert {row.pos for row in rows} == {name.rpartition("_")[2]}
    assert videos is None or len({row.video_id for row in rows}) == videos
    words = [row for row in rows if len(row.source.split()) == len(row.replacement.split()) == 1]
    assert len(words) >= len(rows) - 1
    repeated = [
        row for row in rows if row.caption[: row.start] + row.replacement + row.caption[row.end :] != row.negative
    ]
    assert several is None or len(repeated) == several


@pytest.mark.slow
def test_contrast_sets_find_the_captions_of_msrvtt() -> None:
    """Nearly every true ending stands among the captions of its video, so the two share ids."""
    told = known("msrvtt", "MSRVTT")
    path = SHARED / "annotations" / "MSRVTT-contrast" / "msrvtt_human_contrast_set.tsv"
    ids = {row.caption_id for row in read_negatives(path, None, told)}
    assert len(ids & told.captions.keys()) / len(ids) > 0.9


@pytest.mark.slow
def test_all_captions_of_msrvtt_once() -> None:
    rows = list(captions_of(SHARED / "annotations" / "MSRVTT", "msrvtt"))
    assert len(rows) == len({row.id for row in rows}) == 200_000
