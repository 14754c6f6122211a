"""Tokenize captions for text-only scorers: lower-cased words without punctuation."""

import re

_WORD = re.compile(r"\w+(?:'\w+)*")


def words(text: str) -> list[str]:
    """Words of any script; an underscore or an apostrophe inside does not end one.

    >>> words("A man's dog CRACK_UP, 2 times!")
    ['a', "man's", 'dog', 'crack_up', '2', 'times']
    """
    return _WORD.findall(text.lower())
