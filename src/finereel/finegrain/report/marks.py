"""Escape texts from other sources for Markdown and HTML."""

import html
import re

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
