"""Learn byte-level BPE merges; the same corpus always gives the same merges.

The `tokenizers` trainer numbers its symbols in hash order, so equal counts are broken differently
from run to run and a model's token ids would depend on the day it was trained. This one breaks ties
by the pair itself.
"""

from collections import Counter, defaultdict
from itertools import pairwise

Pair = tuple[str, str]


def learn_merges(words: Counter[str], limit: int, end: str) -> list[Pair]:
    """At most `limit` merges, the most frequent pair first, ties in alphabetical order (Sennrich et
    al. 2016).

    words: byte-level words with their counts; `end` marks the last symbol of a word. Stops when no
    pair occurs twice.

    >>> learn_merges(Counter({"low": 3, "lot": 2}), limit=3, end="</w>")
    [('l', 'o'), ('lo', 'w</w>'), ('lo', 't</w>')]
    """
    spelled = [[*word[:-1], word[-1] + end] for word in words]
    counts = list(words.values())
    pair_counts: Counter[Pair] = Counter()
    containing: defaultdict[Pair, set[int]] = defaultdict(set)
    for number, symbols in enumerate(spelled):
        _note(symbols, number, counts[number], pair_counts, containing)
    merges: list[Pair] = []
    while len(merges) < limit and pair_counts:
        best = min(pair_counts, key=lambda pair: (-pair_counts[pair], pair))
        if pair_counts[best] < 2:
            break
        merges.append(best)
        for number in containing.pop(best):
            _note(spelled[number], number, -counts[number], pair_counts, containing)
            spelled[number] = merge(spelled[number], best)
            _note(spelled[number], number, counts[number], pair_counts, containing)
    return merges


def merge(symbols: list[str], pair: Pair) -> list[str]:
    """Every occurrence of `pair` joined, left to right.

    >>> merge(["a", "a", "a", "b"], ("a", "a"))
    ['aa', 'a', 'b']
    """
    merged: list[str] = []
    for symbol in symbols:
        if merged and (merged[-1], symbol) == pair:
            merged[-1] += symbol
        else:
            merged.append(symbol)
    return merged


def _note(
    symbols: list[str],
    number: int,
    count: int,
    pair_counts: Counter[Pair],
    containing: defaultdict[Pair, set[int]],
) -> None:
    """Add `count` to every pair of the word; a pair that reaches zero is forgotten."""
    for pair in pairwise(symbols):
        pair_counts[pair] += count
        if pair_counts[pair] == 0:
            del pair_counts[pair]
        containing[pair].add(number)
