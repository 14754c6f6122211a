"""HanTa's English tagger (Wartena 2019, a hidden Markov model over morphemes), with a faster
search.

The probabilities are HanTa's own (`HanTa.HanoverTagger`, `morphmodel_en.pgz`, LGPL-3.0+, used as
installed). Its `tag_sent_viterbi` tries every tag after every state; here only those the word can
have are tried, and what a word can be is worked out once. The tags that come out are the same.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from finereel.finegrain.words.tagging.penn import PENN_OF_CLAWS5

_MODEL = "morphmodel_en.pgz"
_LONGEST = 40  # letters; HanTa's analysis of a word grows with their cube
_CUTOFF, _BEAM = 5, 5
_EMPTY, _START, _END, _UNKNOWN = 0, 1, 2, 3  # HanTa's numbers

State = tuple[int, int]


class HantaTagger:
    """Words -> Penn tags.

    >>> HantaTagger()(["a", "man", "is", "riding", "a", "horse"])
    ['DT', 'NN', 'VBZ', 'VBG', 'DT', 'NN']
    """

    def __init__(self) -> None:
        from HanTa.HanoverTagger import HanoverTagger

        model = HanoverTagger(_MODEL)
        self._names: Mapping[int, str] = model.int2tag
        self._follow: Mapping[State, Mapping[int, float]] = model.LP_trans_word
        self._model = model
        self._chances = lru_cache(1 << 16)(self._look_up)

    def __call__(self, words: Sequence[str]) -> list[str]:
        """One Penn tag per word."""
        return [PENN_OF_CLAWS5.get(name, name) for name in self.claws(words)]

    def claws(self, words: Sequence[str]) -> list[str]:
        """One CLAWS-5 tag per word, as HanTa's `tag_sent(words, taglevel=0)` gives them."""
        if not words:
            return []
        row: dict[State, float] = {(_EMPTY, _START): 0.0}
        back: list[dict[State, State]] = []
        for place, word in enumerate(words):
            row, origins = self._step(row, self._chances(word, place > 0))
            back.append(origins)
        state = max(row, key=lambda s: row[s] + self._follow.get(s, {}).get(_END, -1e5))
        tags = []
        for origins in reversed(back):
            tags.append(state[1])
            state = origins[state]
        return [self._names[tag] for tag in reversed(tags)]

    def _look_up(self, word: str, cased: bool) -> tuple[tuple[int, float], ...]:
        """The tags a word can have with log p(word | tag); none where anything goes."""
        if len(word) > _LONGEST:
            return ()
        found = self._model._tag_word(word, cutoff=_CUTOFF, casesensitive=cased, conditional=True)
        chances: dict[int, float] = dict(found)
        return () if set(chances) == {_UNKNOWN} else tuple(chances.items())

    def _step(
        self, row: Mapping[State, float], chances: tuple[tuple[int, float], ...]
    ) -> tuple[dict[State, float], dict[State, State]]:
        bound = sorted(row.values(), reverse=True)[_BEAM] - 1 if len(row) > _BEAM else -1e6
        after: dict[State, float] = {}
        origins: dict[State, State] = {}
        for state, score in row.items():
            if score < bound:
                continue
            follow = self._follow.get(state, {})
            for tag, chance in chances or [(tag, 0.0) for tag in follow if tag != _END]:
                if tag not in follow:
                    continue
                total, reached = score + follow[tag] + chance, (state[1], tag)
                if reached not in after or total > after[reached]:
                    after[reached], origins[reached] = total, state
        if (
            not after
        ):  # tags that never followed one another in HanTa's corpus: take the word by itself
            state = max(row, key=lambda s: row[s])
            tag = max(chances, key=lambda pair: pair[1])[0] if chances else _UNKNOWN
            after[state[1], tag], origins[state[1], tag] = row[state], state
        return after, origins
