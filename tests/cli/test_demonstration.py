"""The demo's verdicts, on hand-made rankings."""

from pathlib import Path

import pytest

from finereel.cli.demo_search import ask
from finereel.cli.demonstration import (
    DemoClip,
    DemoPair,
    DemoTwin,
    ask_pair,
    count_by_pos,
    read_clips,
    tell_tale,
)
from finereel.errors import DataError
from finereel.types import Hit

FOLDER = Path("/v")
TWIN = DemoTwin("verb", "a car spins", "twins/0-verb.mp4", "jumps", "spins")
CLIP = DemoClip("0.mp4", "a car jumps", (TWIN,))


def hits(*names: str) -> list[Hit]:
    return [
        Hit(f"/v/{name}", 0.0, 3.0, 1.0 - rank, {}, 1.5, name) for rank, name in enumerate(names)
    ]


def pair(first: list[str], second: list[str], pos: str = "verb") -> DemoPair:
    answers = {"a car jumps": hits(*first), "a car spins": hits(*second)}
    twin = DemoTwin(pos, TWIN.caption, TWIN.video, TWIN.source, TWIN.replacement)
    return ask_pair(answers.__getitem__, CLIP, twin, FOLDER)


def test_rank_counts_from_one_and_zero_is_nowhere() -> None:
    found = ask(lambda _: hits("9.mp4", "0.mp4"), "a car", "0.mp4", FOLDER)
    assert (found.rank, found.right_path, found.score_of("0.mp4")) == (2, "/v/0.mp4", 0.0)
    lost = ask(lambda _: hits("9.mp4"), "a car", "0.mp4", FOLDER)
    assert (lost.rank, lost.right_path) == (0, "")


@pytest.mark.parametrize(
    ("first", "second", "flips"),
    [
        (["0.mp4", TWIN.video], [TWIN.video, "0.mp4"], True),
        (["9.mp4", "0.mp4", TWIN.video], [TWIN.video, "9.mp4", "0.mp4"], True),
        (["0.mp4", TWIN.video], ["0.mp4", TWIN.video], False),
        ([TWIN.video, "0.mp4"], [TWIN.video, "0.mp4"], False),
        (["9.mp4"], [TWIN.video], False),
    ],
)
def test_a_word_flips_only_when_both_captions_prefer_their_own(
    first: list[str], second: list[str], flips: bool
) -> None:
    assert pair(first, second).flips is flips


def test_tell_tale_takes_the_clearest_flip() -> None:
    clear = (["0.mp4", TWIN.video], [TWIN.video, "0.mp4"])
    late = (["9.mp4", "0.mp4", TWIN.video], [TWIN.video, "0.mp4"])
    never = (["0.mp4", TWIN.video], ["0.mp4", TWIN.video])
    pairs = [pair(*never), pair(*late), pair(*clear, pos="noun"), pair(*clear, pos="preposition")]
    assert tell_tale(pairs) is pairs[3]
    assert tell_tale(pairs[:1]) is None
    assert count_by_pos(pairs) == {"verb": (1, 2), "preposition": (1, 1), "noun": (1, 1)}


def test_read_clips(tmp_path: Path) -> None:
    line = (
        '{"video": "0.mp4", "caption": "a car jumps", "seed": 1, "twins": [{"pos": "verb", "caption": "a car spins", '
        '"video": "twins/0-verb.mp4", "source": "jumps", "replacement": "spins", "more": 1}]}\n'
    )
    (tmp_path / "captions.jsonl").write_text(line, encoding="utf-8")
    assert read_clips(tmp_path) == [CLIP]
    (tmp_path / "captions.jsonl").write_text(line + "{}\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2"):
        read_clips(tmp_path)


def test_a_video_elsewhere_keeps_its_full_name() -> None:
    elsewhere = Hit("/w/0.mp4", 0.0, 1.0, 0.0, {}, 0.5, "x")
    found = ask(lambda _: [elsewhere], "q", "0.mp4", FOLDER)
    assert found.names == ("/w/0.mp4",)
    assert found.rank == 0
