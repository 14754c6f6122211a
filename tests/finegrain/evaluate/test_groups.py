"""Negatives to groups: order, identity, coverage, and what is refused."""

from dataclasses import replace

import pytest
from finegrain_doubles import negative, toy_rows

from finereel.errors import DataError
from finereel.finegrain.evaluate.groups import groups_hash, groups_of, readable


def test_a_group_is_a_caption_and_a_part_of_speech() -> None:
    rows = toy_rows(videos=2, negatives=3)
    groups = groups_of([*rows[::2], *rows[1::2]])
    assert {(group.caption_id, group.pos): len(group.negatives) for group in groups} == {
        ("v0#0", "noun"): 3, ("v0#0", "adverb"): 3, ("v1#0", "noun"): 3, ("v1#0", "adverb"): 3,
    }  # fmt: skip
    assert groups[0].candidates.texts[0] == groups[0].caption


def test_what_a_foreign_set_leaves_open_is_grouped_by_its_category() -> None:
    rows = [
        replace(negative("v1#0", f"{name}", "other"), method=name)
        for name in ("replace_att", "swap_obj", "")
    ]
    assert [group.pos for group in groups_of(rows)] == ["replace_att", "swap_obj", "other"]
    with pytest.raises(DataError, match="name of the total"):
        groups_of([replace(rows[0], method="all")])


def test_a_caption_id_of_two_captions_is_refused() -> None:
    rows = [negative("v1#0", "a"), replace(negative("v1#0", "b"), caption="something else")]
    with pytest.raises(DataError, match="'v1#0' stands for 'something else'"):
        groups_of(rows)


def test_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="at least one negative"):
        groups_of([])


def test_groups_of_missing_videos_are_left_out_and_counted() -> None:
    groups = groups_of(toy_rows(videos=3))
    coverage = readable(groups, {"v1": "no file", "elsewhere": "no file"})
    assert (str(coverage), coverage.captions) == ("2/3", 3)
    assert {group.video_id for group in coverage.groups} == {"v0", "v2"}
    assert coverage.missing == {"v1": "no file"}


def test_no_video_at_all_is_an_error_with_a_reason() -> None:
    with pytest.raises(DataError, match=r"none of the 2 videos .*v0: no file"):
        readable(groups_of(toy_rows(videos=2)), {"v0": "no file", "v1": "no file"})


@pytest.mark.parametrize(
    "change", [{"negative": "x"}, {"pos": "verb"}, {"caption_id": "w"}, {"video_id": "w"}]
)
def test_the_hash_changes_with_every_part(change: dict[str, str]) -> None:
    row = negative("v1#0", "a")
    assert groups_hash(groups_of([row])) != groups_hash(groups_of([replace(row, **change)]))  # type: ignore[arg-type]


def test_hostile_texts_are_carried_unharmed() -> None:
    texts = ["", "\x00\x1b[31m", "=HYPERLINK(1)", "<script>", "\ud800", "人", "word " * 10_000]
    (group,) = groups_of(
        [negative("v1#0", text, number=number) for number, text in enumerate(texts)]
    )
    assert list(group.negatives) == texts
    assert len(groups_hash([group])) == 12
