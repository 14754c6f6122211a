"""Texts of other people, made safe to show: in Markdown, in HTML."""

import html

_MARKDOWN = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]<>#|~&$"})


def visible(text: str) -> str:
    """The text on one line, without what steers a terminal or a page: such characters become a mark.

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
