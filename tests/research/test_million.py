"""The arithmetic of large libraries: it adds up, and its page shows what it prints."""

from research.benchmarks.million import (
    WORKS,
    Units,
    clips_of,
    commit_clips,
    copies,
    days,
    most_workers,
    page,
)

from places import ROOT


def test_the_page_shows_what_the_script_prints() -> None:
    shown = (ROOT / "docs" / "dev" / "million.md").read_text(encoding="utf-8")
    assert page(1_000_000, 30, [1, 16, 50, 200]) in shown


def test_days_follow_from_the_cost_of_a_clip_until_the_driver_is_full() -> None:
    work, units = WORKS[0], Units()
    clips = clips_of(1_000_000, 30)
    assert clips == 3 * clips_of(1_000_000, 10) == clips_of(1_000_000, 21)
    one, slowest = days(clips, work, 1, units)
    assert slowest == "workers"
    assert one * 86_400 == clips * work.core_seconds
    full = most_workers(work, units)
    assert days(clips, work, full, units)[1] == "workers"
    more, slowest = days(clips, work, full + 1, units)
    assert slowest == "driver"
    assert more == days(clips, work, 10 * full, units)[0]


def test_compaction_copies_the_table_the_more_often_the_smaller_its_commits_are() -> None:
    assert copies(3_000_000, 64) > copies(3_000_000, 640) > copies(3_000_000, 2048) > 0.5
    # 33 commits fill the first merged fragment: so far every clip was copied once.
    assert copies(64, 64) == 1.0


def test_several_workers_fill_larger_commits() -> None:
    sizes = [commit_clips(WORKS[0], count) for count in (1, 16, 1000)]
    assert sizes == [11, 191, 2048]
