"""The nouns of data sets: what a split refuses, what its hash covers, and what its parts keep."""

from dataclasses import replace

import numpy as np
import pytest

from finereel.data.base import Caption, Dataset, Split
from finereel.errors import ConfigError, DataError

TEXTS = (("1", "a", "a dog"), ("2", "b", "a cat"), ("3", "a", "a pet"), ("4", "a", "an animal"))
SPLIT = Split("test", ("b", "a", "c"), tuple(Caption(*text) for text in TEXTS))


def test_captions_know_the_number_of_their_video() -> None:
    assert SPLIT.video_of_caption.tolist() == [1, 0, 1, 1]
    assert SPLIT.video_of_caption.dtype == np.int64


def test_the_hash_covers_ids_texts_and_order() -> None:
    others = (
        replace(SPLIT, videos=("a", "b", "c")),
        replace(SPLIT, captions=SPLIT.captions[::-1]),
        replace(SPLIT, captions=(*SPLIT.captions[:3], Caption("4", "a", "an animal!"))),
        replace(SPLIT, captions=(*SPLIT.captions[:3], Caption("5", "a", "an animal"))),
        replace(SPLIT, captions=(*SPLIT.captions[:3], Caption("4", "b", "an animal"))),
    )
    assert len({split.hash for split in (SPLIT, *others)}) == 6
    assert replace(SPLIT, name="other").hash == SPLIT.hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"videos": ("a", "b", "c", "b")}, "video id 'b' occurs 2 times"),
        (
            {"captions": (*SPLIT.captions, Caption("2", "c", "again"))},
            "caption id '2' occurs 2 times",
        ),
        ({"captions": (Caption("1", "z", "lost"),)}, "'z', which is no video"),
    ],
)
def test_what_does_not_belong_together_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(SPLIT, **change)


def test_a_part_keeps_the_order_and_only_its_own_captions() -> None:
    part = SPLIT.only(["c", "a", "unknown"])
    assert part.videos == ("a", "c")
    assert [caption.id for caption in part.captions] == ["1", "3", "4"]


def test_first_captions_keep_every_video() -> None:
    few = SPLIT.first_captions(2)
    assert few.videos == SPLIT.videos
    assert [caption.id for caption in few.captions] == ["1", "2", "3"]


def test_a_data_set_names_its_splits_and_never_selects_on_one_it_lacks() -> None:
    data = Dataset("d", {"test": SPLIT}, selection=None)
    assert data.split("test") is SPLIT
    with pytest.raises(ConfigError, match="expected one of test"):
        data.split("train")
    with pytest.raises(DataError, match="selection split 'val'"):
        Dataset("d", {"test": SPLIT})
