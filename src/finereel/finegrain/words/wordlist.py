"""Parse word lists that are written with spaces between words."""


def words(text: str) -> frozenset[str]:
    """The words of a text as a set.

    >>> sorted(words("red green"))
    ['green', 'red']
    """
    return frozenset(text.split())
