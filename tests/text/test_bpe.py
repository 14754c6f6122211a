"""Merges against a slow recount and the worked example of Sennrich et al. 2016."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from finereel.text.bpe import Pair, learn_merges, merge


def recounted_merges(words: Counter[str], limit: int, end: str) -> list[Pair]:
    """The definition: count every pair anew before every merge."""
    spelled = {word: [*word[:-1], word[-1] + end] for word in words}
    merges: list[Pair] = []
    while len(merges) < limit:
        counts: Counter[Pair] = Counter()
        for word, count in words.items():
            for pair in pairwise(spelled[word]):
                counts[pair] += count
        if not counts or max(counts.values()) < 2:
            return merges
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        spelled = {word: merge(symbols, best) for word, symbols in spelled.items()}
    return merges


def test_worked_example() -> None:
    words = Counter({"low": 5, "lowest": 2, "newer": 6, "wider": 3})
    assert learn_merges(words, 4, "·") == [("e", "r·"), ("l", "o"), ("e", "w"), ("ew", "er·")]


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=8), st.integers(1, 4), max_size=8),
    st.integers(0, 12),
)
def test_incremental_counts_equal_recounting(words: dict[str, int], limit: int) -> None:
    assert learn_merges(Counter(words), limit, "</w>") == recounted_merges(
        Counter(words), limit, "</w>"
    )


@given(st.permutations(["car", "cat", "cap", "jumps", "bumps", "jump"]))
def test_order_of_the_corpus_does_not_matter(order: list[str]) -> None:
    expected = learn_merges(Counter(sorted(order) * 2), 20, "</w>")
    assert learn_merges(Counter(order * 2), 20, "</w>") == expected
