"""Propose words with a masked language model, keeping those that change the caption's likelihood
little.

Likelihood is the pseudo-log-likelihood of Salazar et al. (2020, arXiv 1910.14659), with the
within-word correction of Kauf and Ivanova (2023, arXiv 2305.10588), without which rare words of
several pieces look too likely.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from finereel.errors import ConfigError
from finereel.finegrain.make.proposals.cache import AnswerCache, Question, key_of
from finereel.finegrain.make.proposals.types import Proposal, Reject, Sieve, Slot, SlotResult
from finereel.finegrain.make.sites import replace

Asked = TypeVar("Asked")


@runtime_checkable
class MaskedWords(Protocol):
    """A masked language model as far as it is needed here; `MaskedLanguageModel` is the
    real one.
    """

    @property
    def fingerprint(self) -> str:
        """Name and hash of the weights."""
        ...

    def fill(
        self, sides: Sequence[tuple[str, str]], top: int
    ) -> list[list[tuple[str, float]] | None]:
        """For every (text before, text after) the `top` whole words between them with natural-log
        probabilities, best first; None where the text is longer than the model reads.
        """
        ...

    def log_likelihoods(self, texts: Sequence[str]) -> list[float]:
        """The pseudo-log-likelihood of every text, in nats."""
        ...


@dataclass(frozen=True, slots=True)
class LikelihoodWindow:
    """Which words of the model are looked at and kept.

    top: words taken from the slot. checked: of those that the rules let pass, the likeliest whose
    likelihood is computed. count: words kept. A word is kept where log-likelihood(negative) -
    log-likelihood(caption) lies in [lowest, highest] nats: outside, the negative or the caption is
    given away by its wording.
    """

    top: int = 300
    checked: int = 16
    count: int = 8
    lowest: float = -7.0
    highest: float = 7.0

    def __post_init__(self) -> None:
        if min(self.top, self.checked, self.count) < 1 or not self.lowest <= self.highest:
            raise ConfigError(
                f"window: expected counts of at least 1 and lowest <= highest, got {self}"
            )


class FillMaskProposer:
    """Fills slots with a masked language model; its answers are kept by the hash of its weights."""

    verifies = False

    def __init__(
        self, model: MaskedWords, cache: AnswerCache, window: LikelihoodWindow | None = None
    ) -> None:
        self.model = model
        self.cache = cache
        self.window = window or LikelihoodWindow()

    def propose(self, slots: Sequence[Slot], reject: Reject) -> list[SlotResult]:
        """One outcome per slot; scores are mask_logp (the word in the slot) and pll_gap, in
        nats.
        """
        sieves = [Sieve(slot, reject) for slot in slots]
        chosen = [
            self._choose(sieve, words)
            for sieve, words in zip(sieves, self._filled(slots), strict=True)
        ]
        texts = [slot.caption for slot, words in zip(slots, chosen, strict=True) if words]
        texts += [
            _with(slot, word)
            for slot, words in zip(slots, chosen, strict=True)
            for word, _ in words
        ]
        unique = list(dict.fromkeys(texts))
        likely = dict(zip(unique, self._likely(unique), strict=True))
        return [
            self._outcome(sieve, words, likely) for sieve, words in zip(sieves, chosen, strict=True)
        ]

    def _choose(
        self, sieve: Sieve, words: list[tuple[str, float]] | None
    ) -> list[tuple[str, float]]:
        if words is None:
            sieve.refuse("the caption is longer than the model reads")
            return []
        chosen = [(passed[0], logp) for word, logp in words if (passed := sieve.words([word]))]
        return chosen[: self.window.checked]

    def _outcome(
        self, sieve: Sieve, words: list[tuple[str, float]], likely: dict[str, float]
    ) -> SlotResult:
        kept = []
        for word, logp in words:
            gap = round(likely[_with(sieve.slot, word)] - likely[sieve.slot.caption], 4)
            if not self.window.lowest <= gap <= self.window.highest:
                sieve.refuse("outside the likelihood window")
                continue
            asked = self._fill_question(
                (sieve.slot.caption[: sieve.slot.start], sieve.slot.caption[sieve.slot.end :])
            )
            sense = (f"model:{self.model.fingerprint}", f"reply:{key_of(asked)[:16]}")
            kept.append(Proposal(word, "fill-mask", {"mask_logp": logp, "pll_gap": gap}, sense))
        return sieve.outcome(kept[: self.window.count])

    def _filled(self, slots: Sequence[Slot]) -> list[list[tuple[str, float]] | None]:
        sides = [(slot.caption[: slot.start], slot.caption[slot.end :]) for slot in slots]
        answers = self._through_cache(
            sides,
            self._fill_question,
            lambda missing: [
                json.dumps(words) for words in self.model.fill(missing, self.window.top)
            ],
        )
        return [
            None if words is None else [(str(word), float(logp)) for word, logp in words]
            for words in map(json.loads, answers)
        ]

    def _likely(self, texts: Sequence[str]) -> list[float]:
        answers = self._through_cache(
            texts,
            lambda text: {"kind": "likelihood", "model": self.model.fingerprint, "text": text},
            lambda missing: [
                json.dumps(round(value, 4)) for value in self.model.log_likelihoods(missing)
            ],
        )
        return [float(json.loads(answer)) for answer in answers]

    def _fill_question(self, sides: tuple[str, str]) -> Question:
        return {
            "kind": "fill",
            "model": self.model.fingerprint,
            "sides": list(sides),
            "top": self.window.top,
        }

    def _through_cache(
        self,
        asked: Sequence[Asked],
        question: Callable[[Asked], Question],
        compute: Callable[[list[Asked]], list[str]],
    ) -> list[str]:
        """Answers in the order of `asked`, computing in one go what was never asked."""
        known = {one: self.cache.get(question(one)) for one in dict.fromkeys(asked)}
        missing = [one for one, answer in known.items() if answer is None]
        for one, answer in zip(missing, compute(missing) if missing else (), strict=True):
            known[one] = self.cache.put(question(one), answer)
        return [known[one] or "" for one in asked]


def _with(slot: Slot, word: str) -> str:
    return replace(slot.caption, slot.start, slot.end, word).text
