"""Files of subtitles: which belong to a video, what is in them, and that no file does harm."""

import os
from pathlib import Path

import pytest

from finereel.errors import DataError
from finereel.video import subtitles
from finereel.video.subtitles import (
    Cue,
    language_of,
    plain,
    read_sidecar,
    said_within,
    sidecar_cues,
    sidecars,
)
from support.subtitled import as_ass, as_srt, as_vtt

CUES = [(0.5, 1.5, "Hello there"), (61.0, 62.25, "<i>Second</i> one,\nof two lines &amp; more")]
READ = [
    Cue(0.5, 1.5, "Hello there", "en"),
    Cue(61.0, 62.25, "Second one, of two lines & more", "en"),
]


def names(found: list[Path]) -> list[str]:
    return [path.name for path in found]


def test_subtitles_have_the_name_of_the_video_and_a_language(tmp_path: Path) -> None:
    for name in (
        *("film.mp4", "film.srt", "film.en.srt", "film.pt-BR.forced.vtt", "film.DE.ASS"),
        *("film.mkv.txt", "films.srt", "film.2.srt", "film.part two.srt", "other.srt"),
        *("film.fr.mp4", "film.fr.srt"),
    ):
        (tmp_path / name).touch()
    found = sidecars(tmp_path / "film.mp4")
    assert names(found) == ["film.DE.ASS", "film.en.srt", "film.pt-BR.forced.vtt", "film.srt"]
    assert [language_of(tmp_path / "film.mp4", path) for path in found] == ["DE", "en", "pt-BR", ""]
    assert names(sidecars(tmp_path / "film.fr.mp4")) == ["film.fr.srt"]
    assert sidecars(tmp_path / "gone" / "film.mp4") == []


def test_a_file_that_comes_later_is_found(tmp_path: Path) -> None:
    assert sidecars(tmp_path / "film.mp4") == []
    (tmp_path / "film.srt").touch()
    os.utime(tmp_path, ns=(1, 1))
    assert names(sidecars(tmp_path / "film.mp4")) == ["film.srt"]


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".srt", as_srt(CUES)),
        (".vtt", as_vtt(CUES)),
        (
            ".ass",
            as_ass([(a, b, c.replace("\n", "\\N").replace("<i>", "{\\i1}")) for a, b, c in CUES]),
        ),
    ],
)
def test_every_form_gives_plain_texts_and_times(tmp_path: Path, suffix: str, content: str) -> None:
    path = tmp_path / f"film.en{suffix}"
    path.write_text(content, encoding="utf-8")
    assert read_sidecar(path, "en") == READ


@pytest.mark.parametrize(
    ("language", "encoding", "text"),
    [
        ("", "utf-8-sig", "Grüße aus Köln"),
        ("", "utf-16", "Grüße, Καλημέρα"),
        ("", "utf-16-le", "Plain words of English"),
        ("", "utf-16-be", "Plain words of English"),
        ("", "utf-32", "Grüße"),
        ("de", "cp1252", "Grüße aus Köln"),
        ("ja", "cp932", "おはようございます"),
        ("zh-CN", "gb18030", "今天天气很好"),
        ("ru", "cp1251", "Доброе утро"),
    ],
)
def test_texts_are_read_as_they_were_written(
    tmp_path: Path, language: str, encoding: str, text: str
) -> None:
    path = tmp_path / "film.srt"
    path.write_bytes(as_srt([(0.0, 1.0, text)]).encode(encoding))
    assert [cue.text for cue in read_sidecar(path, language)] == [text]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty or no file"),
        (b"\0\1\2\3" * 5000, "no line of them"),
        (bytes(range(256)) * 100, "no text"),
        (b"no subtitles at all\n", "no line of them"),
        (b"1\n00:00:01,000 --> 00:00:02,000\n{\\an8}\n", "no line of them"),
        (b"x" * 200, "no line of them"),
    ],
)
def test_what_is_no_subtitles_is_named(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "film.srt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"film.srt: expected .*{why}"):
        read_sidecar(path)
    assert [type(found) for found in sidecar_cues(tmp_path / "film.mp4")] == [str]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "film.srt")
    assert "no file" in str(next(iter(sidecar_cues(tmp_path / "film.mp4"))))


def test_sizes_have_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "film.srt"
    path.write_text(as_srt([(float(n), n + 1.0, f"line {n}") for n in range(50)]))
    monkeypatch.setattr(subtitles, "MAX_CUES", 7)
    assert len(read_sidecar(path)) == 7
    monkeypatch.setattr(subtitles, "MAX_BYTES", 1000)
    with pytest.raises(DataError, match="the file is larger"):
        read_sidecar(path)
    assert len(plain("word " * 10_000)) <= subtitles.MAX_LETTERS


def test_marks_and_entities_are_gone() -> None:
    assert plain("<v Roger>We are in <c.yellow>New</c> York<00:00:05.500> &lt;now&gt;") == (
        "We are in New York <now>"
    )
    assert plain("{\\pos(1,2)}a\\Nb\u200b\x07 c") == "a b c"
    assert plain("2 < 3 and 3 > 2") == "2 < 3 and 3 > 2"


def test_a_clip_says_what_is_on_screen_within_it() -> None:
    cues = [
        Cue(0.0, 2.0, "one"),
        Cue(2.0, 4.0, "two"),
        Cue(3.9, 6.0, "three"),
        Cue(6.0, 6.0, "six"),
    ]
    assert said_within(cues, 0.0, 2.0) == "one"
    assert said_within(cues, 2.0, 6.0) == "two\nthree"
    assert said_within(cues, 6.0, 7.0) == "six"
    assert said_within(cues, 7.0, 9.0) == ""


def test_what_tracks_say_alike_and_what_rolls_comes_once() -> None:
    rolling = ["so today", "so today we look", "we look at birds", "at birds"]
    cues = [Cue(float(n), n + 1.0, text) for n, text in enumerate(rolling)]
    other = [Cue(0.5, 1.0, "so today", "de"), Cue(1.0, 2.0, "Vögel", "de")]
    said = said_within([*cues, *other], 0.0, 9.0)
    assert said == "so today\nwe look\nat birds\nVögel"
    words = " ".join(said.split())
    assert all(text in words for text in rolling)


def test_a_short_word_that_repeats_is_kept() -> None:
    cues = [Cue(0.0, 1.0, "is it no"), Cue(1.0, 2.0, "no way"), Cue(2.0, 3.0, "yes")]
    assert said_within(cues, 0.0, 9.0) == "is it no\nno way\nyes"


def test_a_clip_keeps_a_bounded_text() -> None:
    cues = [Cue(0.0, 1.0, f"{n} " + "word " * 100) for n in range(500)]
    assert len(said_within(cues, 0.0, 1.0)) <= subtitles.LONGEST_SAID


@pytest.mark.parametrize(("start", "end"), [(-1.0, 1.0), (2.0, 1.0), (0.0, float("inf"))])
def test_a_cue_has_a_time(start: float, end: float) -> None:
    with pytest.raises(ValueError, match="0 <= start <= end"):
        Cue(start, end, "text")
