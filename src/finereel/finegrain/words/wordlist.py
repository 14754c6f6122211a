"""Word lists as people read them: words with spaces between."""


def words(text: str) -> frozenset[str]:
    """The words of a text as a set.

    >>> sorted(words("red green"))
    ['green', 'red']
    """
    return frozenset(text.split())
