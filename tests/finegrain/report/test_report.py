"""What a report says of negatives, and that no caption gets out of its place in it."""

import json
import re
import stat
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from finereel.cli import app
from finereel.data.base import Caption
from finereel.errors import DataError
from finereel.finegrain.files import write_negatives
from finereel.finegrain.report import ReportSettings, as_html, as_markdown, report
from finereel.finegrain.report.measure import GrammarCheck, is_worse, nonword, truncated, wrong_pos
from finereel.finegrain.types import Negative
from made_negatives import swap
from places import DATA

HOSTILE = (
    "<script>alert(1)</script> dog",
    "a | b `x` *dog* $y$",
    "=cmd|'/C calc'!A0 dog",
    "dog \x1b[31m\u202e",
    "人 dog",
)


class Dictionary:
    """Three nouns and a preposition."""

    def is_word(self, form: str) -> bool:
        return form in ("dog", "cat", "man", "near")

    def has_pos(self, form: str, pos: str) -> bool:
        return form == "near" if pos == "preposition" else form in ("dog", "cat", "man")


def rows_of(count: int = 40) -> list[Negative]:
    words = ("dog", "cat")
    return [
        swap(f"a {words[n % 2]} runs {n}", words[n % 2], words[1 - n % 2], video=f"v{n}")
        for n in range(count)
    ]


def test_shares_by_hand() -> None:
    rows = [
        swap("a dog is near", "near", to, pos="preposition")
        for to in ("near,", "crack_up", "cat", "Near")
    ]
    assert wrong_pos(rows, Dictionary()) == 0.5
    assert nonword(rows, Dictionary()) == 0.25
    assert wrong_pos([swap("a dog", "dog", "cat", pos="other")], Dictionary()) is None


def test_an_edit_behind_the_cut_is_lost() -> None:
    long = " ".join(["word"] * 30)
    rows = [
        swap(f"dog {long}", "dog", "cat"),
        swap(f"{long} dog", "dog", "cat"),
        swap("a dog", "dog", "DOG"),
    ]
    assert truncated(rows, 32) == pytest.approx(2 / 3)
    assert truncated(rows, 64) == pytest.approx(1 / 3)
    assert truncated(rows, 3, encode=lambda text: [len(text)]) == 1.0


def test_numbers_of_a_report() -> None:
    found = report(rows_of(), settings=ReportSettings(words=Dictionary())).as_dict()
    noun = found["noun"]
    assert (noun["count"], noun["captions"], noun["videos"], noun["coverage"]) == (40, 40, 40, None)
    assert noun["chance_mrr"] == 0.75
    assert (noun["wrong_pos"], noun["nonword"], noun["truncated"], noun["grammar"]) == (
        0.0,
        0.0,
        0.0,
        None,
    )
    # Swapped both ways, equally often: nothing can be learned.
    assert noun["learned"] == pytest.approx(0.5, abs=0.3)


def test_coverage_counts_all_captions() -> None:
    rows = rows_of(10)
    captions = [Caption(f"w{n}#0", f"w{n}", "a dog runs") for n in range(30)]
    captions += [Caption(row.caption_id, row.video_id, row.caption) for row in rows]
    found = report(rows, captions)
    assert found.parts["noun"].coverage == 0.25
    assert found.protocols == ("others",)


def test_kinds_of_foreign_sets_keep_their_names() -> None:
    rows = [
        replace(row, pos="other", method="swap_att" if number % 2 else "replace_rel")
        for number, row in enumerate(rows_of())
    ]
    found = report(rows)
    assert list(found.parts) == ["replace_rel", "swap_att"]
    assert sum(part.count for part in found.parts.values()) == len(rows)


def test_nothing_to_report_is_refused() -> None:
    with pytest.raises(DataError, match="got none"):
        report([])


class Tags(HTMLParser):
    """Every tag of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)


def test_hostile_captions_stay_text() -> None:
    rows = [
        swap(text, "dog", "<img src=x onerror=alert(1)>", video=f"v{n}")
        for n, text in enumerate(HOSTILE)
    ]
    made = report(rows, name="<b>|name")
    page, tags = as_html(made), Tags()
    tags.feed(page)
    assert not tags.seen & {"script", "img", "b"}
    assert "&lt;script&gt;" in page
    assert not re.search(r"[\x00-\x08\x1b\u202e]", page + as_markdown(made))
    for line in as_markdown(made).splitlines():
        assert "<script" not in line.replace("\\<", "")
        if line.startswith("| noun"):
            assert line.count(" | ") >= 3


@pytest.mark.parametrize("filling", ["word " * 2_000, "x" * 10_000 + " "])
def test_of_a_long_caption_the_surroundings_of_the_change_are_shown(filling: str) -> None:
    made = report([swap(f"first {filling}before dog after {filling}last", "dog", "cat")])
    page, text = as_html(made), as_markdown(made)
    assert "before <del>dog</del> <ins>cat</ins> after " in page
    assert ("before dog after" in text, "before cat after" in text) == (True, True)
    assert not re.search(r"first|last", page.split("<ul>")[1] + text.split("Most frequent")[1])
    assert len(text) < 8_000
    assert len(page.split("<ul>")[1]) < 2_000


def test_a_page_loads_nothing() -> None:
    page = as_html(report(rows_of()))
    assert not re.search(r"(?:src|href)=|url\(|@import|https?://", page)
    assert page.count("<svg") == 3


def test_grammar_is_relative(tmp_path: Path) -> None:
    program = tmp_path / "parser"
    # Stands for link-parser: as many unlinked words as the sentence has times "bad", none for
    # "odd".
    program.write_text(
        "#!/usr/bin/env python3\nimport sys\nfor line in sys.stdin:\n"
        "    if line.startswith('!limit'): print('limit set to 100')\n"
        "    elif not line.startswith('!') and 'odd' not in line:\n"
        '        print(f\'Linkage 1, cost vector = (UNUSED={line.count("bad")} DIS= 0.50 '
        "LEN=7)')\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    check = GrammarCheck(str(program))
    words = ("bad", "good", "odd", "!exit", "fine")
    rows = [swap(f"a dog {n}", "dog", word, video=f"v{n}") for n, word in enumerate(words)]
    assert check.share(rows) == 0.25
    assert check.costs(["", "word " * 50, "bad"]) == [None, None, (1, 0.5)]
    assert check.share([]) is None
    assert is_worse((0, 0.0), (0, 1.5))


def test_command(tmp_path: Path) -> None:
    write_negatives(rows_of(), tmp_path / "n.jsonl")
    page, text = tmp_path / "out" / "r.html", tmp_path / "r.md"
    arguments = [
        "negatives",
        "report",
        str(tmp_path / "n.jsonl"),
        "--html",
        str(page),
        "--markdown",
        str(text),
    ]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    noun = json.loads(result.stdout)["noun"]
    wanted = {"count", "blind_mrr", "blind_auc", "chance_mrr", "wrong_pos", "nonword", "truncated"}
    assert wanted <= set(noun)
    assert noun["nonword"] == 0.0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "| noun | 40 | 40 |" in text.read_text(encoding="utf-8")
    assert "noun" in CliRunner().invoke(app, arguments).stdout


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--max-words", "2"), "expected 3 tokens or more, got 2"),
        (("--grammar", "-1"), "0 for none, got -1"),
        (("--html", "n.jsonl"), "would overwrite it"),
        (("--markdown", "."), "is a folder"),
    ],
)
def test_wrong_options_are_one_line_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, str], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("n.jsonl").write_text("not read yet")
    result = CliRunner().invoke(app, ["negatives", "report", "n.jsonl", *options, "--json"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert complaint in json.loads(result.stderr)["error"]["message"]
    assert Path("n.jsonl").read_text() == "not read yet"


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the real files are not here")
@pytest.mark.parametrize(
    ("pos", "mrr", "auc", "learned", "right", "lost"),
    [("preposition", 0.74, 0.96, 0.976, 0.548, 0.027), ("adverb", 0.65, 0.86, 0.906, 0.737, 0.101)],
)
def test_the_defects_of_the_released_sets_are_seen(
    pos: str, mrr: float, auc: float, learned: float, right: float, lost: float
) -> None:
    # In a process of its own, where argument types are not checked at every word.
    file = DATA / "negatives" / f"uvo_val_{pos}_RE20.json"
    captions = ["--captions", str(DATA / "annotations" / "VLN-UVO"), "--captions-format", "vln_uvo"]
    command = [
        sys.executable,
        "-m",
        "finereel",
        "negatives",
        "report",
        str(file),
        *captions,
        "--json",
    ]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)[pos]
    assert found["blind_mrr"] == pytest.approx(mrr, abs=0.01)
    assert found["blind_auc"] == pytest.approx(auc, abs=0.01)
    assert found["learned"] == pytest.approx(learned, abs=0.01)
    assert 1 - found["wrong_pos"] == pytest.approx(right, abs=0.001)
    assert found["truncated"] == pytest.approx(lost, abs=0.001)
