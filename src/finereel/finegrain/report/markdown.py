"""Write a report as Markdown: one table for comparison, the most frequent swaps, and some examples."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence

from finereel.finegrain.report.measure import Report
from finereel.finegrain.types import Negative

COLUMNS = {
    "count": "negatives",
    "captions": "captions",
    "videos": "videos",
    "coverage": "coverage",
    "blind_mrr": "trigram MRR",
    "chance_mrr": "chance",
    "blind_r1": "trigram R@1",
    "blind_auc": "trigram AUC",
    "learned": "learned AUC",
    "context": "context AUC",
    "wrong_pos": "wrong tag",
    "nonword": "not a word",
    "truncated": "truncated",
    "grammar": "grammar",
}
"""The columns of every table, by their names in JSON."""
SHARES = frozenset({"coverage", "blind_r1", "wrong_pos", "nonword", "truncated", "grammar"})
PROTOCOLS = {
    "others": "the captions of all videos without negatives",
    "folds": "the captions of the other four of five parts of the videos",
    "unrefined": "the captions of the third of the videos that was neither used for balancing nor "
    "contains the row's own video",
}


def cell(name: str, value: int | float | None) -> str:
    """A number as the tables show it.

    >>> cell("count", 4720), cell("wrong_pos", 0.452), cell("blind_mrr", 0.7373), cell("grammar", None)
    ('4,720', '45.2 %', '0.737', '')
    """
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{100 * value:.1f} %" if name in SHARES else f"{value:.3f}"


def columns(report: Report) -> dict[str, str]:
    """The columns in which something was measured."""
    numbers = [part.as_dict() for part in report.parts.values()]
    return {
        key: title
        for key, title in COLUMNS.items()
        if any(part[key] is not None for part in numbers)
    }


def cells(report: Report) -> dict[str, list[str]]:
    """What stands in these columns, by part of speech."""
    keys = columns(report)
    return {
        name: [cell(key, part.as_dict()[key]) for key in keys]
        for name, part in report.parts.items()
    }


def notes(report: Report) -> list[str]:
    """How to read the numbers, a sentence or two each."""
    learnt = "; ".join(PROTOCOLS[name] for name in report.protocols)
    return [
        "Trigram: a language model that sees no video ranks the caption among its negatives. It is "
        f"trained on {learnt}. Chance is the result of a random order of as many negatives.",
        "Learned and context AUC: logistic regression trained on the negatives of other videos, on "
        "the words and "
        "neighbours that differ, and on every changed word with each other word of its caption. "
        "A model can "
        "memorise these cues without looking at the video.",
        "Wrong tag: the replacement cannot have the stated part of speech. Not a word: it is in no "
        "dictionary. "
        f"Truncated: the edit lies outside the first {report.settings.max_words} tokens.",
        *([] if report.settings.grammar is None else [report.settings.grammar.note]),
    ]


def as_markdown(report: Report) -> str:
    """The report as a Markdown document."""
    title = f"# Negatives: {in_markdown(report.name)}" if report.name else "# Negatives"
    blind = {
        name: [f"{result.auc:.3f}, {result.mrr:.3f}" for result in part.blind.values()]
        for name, part in report.parts.items()
    }
    scorers = list(next(iter(report.parts.values())).blind)
    lines = [title, "", *(f"* {note}" for note in notes(report)), ""]
    lines += _table(columns(report).values(), cells(report))
    lines += ["", "Every text-only baseline, as AUC of pairs and MRR:", "", *_table(scorers, blind)]
    for name, part in report.parts.items():
        swaps = ", ".join(
            f"{in_markdown(a)} to {in_markdown(b)} ({count:,})" for a, b, count in part.swaps
        )
        methods = ", ".join(
            f"{in_markdown(method)} {count:,}" for method, count in part.methods.items()
        )
        lines += ["", f"## {name}", "", f"Rules: {methods}.", "", f"Most frequent: {swaps}.", ""]
        lines += [f"* {'<br>'.join(map(in_markdown, _excerpts(row)))}" for row in part.examples]
    return "\n".join(lines) + "\n"


def _excerpts(row: Negative) -> tuple[str, str]:
    """Caption and negative; of long ones, what is around the change."""
    texts = row.caption, row.negative
    if all(first(text) == text for text in texts):
        return texts
    after = first(row.caption[row.end :])
    start = max(0, len(row.negative) - len(row.caption) + row.end - len(row.replacement))
    old, new = first(row.source), first(row.replacement)
    return last(row.caption[: row.start]) + old + after, last(row.negative[:start]) + new + after


def _table(head: Iterable[str], rows: Mapping[str, Sequence[str]]) -> list[str]:
    names = ["part of speech", *head]
    body = [[name, *values] for name, values in rows.items()]
    return [
        f"| {' | '.join(line)} |" for line in (names, ["---", *["---:"] * (len(names) - 1)], *body)
    ]


# Texts of other people, made safe to show: in Markdown, in HTML.
_FIRST_WORDS = re.compile(r"\s*(?:\S+\s*){0,30}")
_LONGEST = 400  # characters: there are words of thousands
_MARKDOWN = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]<>#|~&$"})


def visible(text: str) -> str:
    """The text on one line, without what steers a terminal or a page: such characters become a
    mark.

    >>> visible("a\\x1b[31m b\\ncup\\ud800")
    'a\\ufffd[31m b\\ufffdcup\\ufffd'
    """
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def in_markdown(text: str) -> str:
    """The text as Markdown shows it, also inside a table.

    >>> print(in_markdown("a|b <i>"))
    a\\|b \\<i\\>
    """
    return visible(text).translate(_MARKDOWN)


def in_html(text: str) -> str:
    """The text as HTML shows it.

    >>> in_html("<b>")
    '&lt;b&gt;'
    """
    return html.escape(visible(text))


def first(text: str) -> str:
    """Some thirty words from the beginning of a text, and whether there is more.

    >>> first("a dog"), first("no " * 31)[-7:]
    ('a dog', 'no no …')
    """
    found = _FIRST_WORDS.match(text)
    kept = found.group()[:_LONGEST] if found else ""
    return kept if len(kept) == len(text) else f"{kept}…"


def last(text: str) -> str:
    """The same from its end."""
    return first(text[::-1])[::-1]
