"""Propose words with a chat model, and verify them by asking it whether both captions could be true
of one video.

The two questions are separate, so that the judge does not see its own reasons. What the model says
is only ever used as words for the slot: it passes the shape check and the same rules as every other
candidate before it is verified.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from finereel.errors import ConfigError, ProposalError
from finereel.finegrain.make.edit import replace
from finereel.finegrain.make.proposals import prompts
from finereel.finegrain.make.proposals.cache import AnswerCache, key_of
from finereel.finegrain.make.proposals.endpoint import Endpoint, QuestionRefusedError
from finereel.finegrain.make.proposals.shape import Sieve
from finereel.finegrain.make.proposals.types import Proposal, Reject, Slot, SlotResult

Parsed = TypeVar("Parsed")

_AGAIN = {
    "role": "user",
    "content": "That was not the JSON that was asked for. Answer with the JSON object only.",
}
_MANY_REFUSALS = 5


@dataclass(frozen=True, slots=True)
class Asking:
    """How a chat model is asked.

    count: words per slot. parallel: questions under way at once. longest_caption: characters;
    longer ones are left alone. temperature, max_tokens: sent with every question, unless None (some
    endpoints refuse them).
    """

    count: int = 8
    parallel: int = 4
    longest_caption: int = 2000
    temperature: float | None = 0.0
    max_tokens: int | None = 1024

    def __post_init__(self) -> None:
        if self.count < 1 or self.parallel < 1 or self.longest_caption < 1:
            raise ConfigError(
                f"asking: expected a count, parallel and longest_caption of at least 1, got {self}"
            )

    @property
    def options(self) -> dict[str, object]:
        """What goes into the request beside the messages."""
        wanted = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        return {name: value for name, value in wanted.items() if value is not None}


class ChatProposer:
    """Fills slots by asking an endpoint; every answer is kept in the cache before it is read."""

    verifies = True

    def __init__(
        self, endpoint: Endpoint, cache: AnswerCache, asking: Asking | None = None
    ) -> None:
        self.endpoint = endpoint
        self.cache = cache
        self.asking = asking or Asking()
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._answered = 0
        self._refused = 0

    def propose(self, slots: Sequence[Slot], reject: Reject) -> list[SlotResult]:
        """One outcome per slot. Raises ProposalError where the endpoint fails for good; answers so
        far are kept.
        """
        with ThreadPoolExecutor(self.asking.parallel) as pool:
            # Slots that are alike are asked once, also while the first answer is under way.
            futures = {
                slot: pool.submit(self._filled, slot, reject) for slot in dict.fromkeys(slots)
            }
            try:
                return [futures[slot].result() for slot in slots]
            except ProposalError as error:
                raise self._failure or error from None
            finally:
                # On the way out of an error or Ctrl-C what is under way ends and is kept; nothing
                # new is asked.
                self.endpoint.stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)
                self.endpoint.stopped.clear()
                self._failure = None

    def _filled(self, slot: Slot, reject: Reject) -> SlotResult:
        try:
            return self._fill(slot, reject)
        except BaseException as error:
            # The first failure stops the others, and is the one that is told.
            with self._lock:
                self._failure = self._failure or error
            self.endpoint.stopped.set()
            raise

    def _fill(self, slot: Slot, reject: Reject) -> SlotResult:
        sieve = Sieve(slot, reject)
        if len(slot.caption) > self.asking.longest_caption:
            sieve.refuse("the caption is too long to send")
            return sieve.outcome(())
        answer, key = self._ask(
            prompts.propose_messages(slot, self.asking.count), prompts.alternatives
        )
        if answer is None:
            sieve.refuse(key)
            return sieve.outcome(())
        words = sieve.words(answer[: 4 * self.asking.count])[: self.asking.count]
        return sieve.outcome(self._verified(sieve, words, key) if words else ())

    def _verified(self, sieve: Sieve, words: Sequence[str], proposed: str) -> list[Proposal]:
        slot = sieve.slot
        variants = [replace(slot.caption, slot.start, slot.end, word).text for word in words]
        verdicts, checked = self._ask(prompts.verify_messages(slot, variants), prompts.verdicts)
        kept = []
        for number, word in enumerate(words, 1):
            both_possible, grammatical = (verdicts or {}).get(number, (None, None))
            if both_possible is None:
                sieve.refuse("no verdict")
            elif both_possible:
                sieve.refuse("both could be true")
            elif not grammatical:
                sieve.refuse("not grammatical")
            else:
                sense = (
                    f"model:{self.endpoint.model}",
                    f"reply:{proposed[:16]}",
                    f"verdict:{checked[:16]}",
                )
                kept.append(Proposal(word, "llm", {}, sense))
        return kept

    def _ask(
        self, messages: list[dict[str, str]], read: Callable[[str], Parsed | None]
    ) -> tuple[Parsed | None, str]:
        """The parsed answer and its address in the cache; or None and why there is none."""
        for again in (False, True):
            question = self._question([*messages, _AGAIN] if again else messages)
            answer = self.cache.get(question)
            if answer is None:
                try:
                    answer = self.cache.put(question, self._complete(question))
                except QuestionRefusedError:
                    return None, "refused by the endpoint"
            parsed = read(answer)
            if parsed is not None:
                return parsed, key_of(question)
        return None, "an answer that is not the JSON asked for"

    def _question(self, messages: list[dict[str, str]]) -> dict[str, object]:
        return {
            "kind": "chat",
            "prompt": prompts.VERSION,
            "url": self.endpoint.url,
            "model": self.endpoint.model,
            "messages": messages,
            "options": self.asking.options,
        }

    def _complete(self, question: Mapping[str, object]) -> str:
        messages = question["messages"]
        assert isinstance(messages, list)
        try:
            answer = self.endpoint.complete(messages, self.asking.options)
        except QuestionRefusedError as error:
            raise self._counted(error) from error
        with self._lock:
            self._answered += 1
        return answer

    def _counted(self, error: QuestionRefusedError) -> ProposalError:
        """A refusal is one slot's matter, unless nothing else ever comes."""
        with self._lock:
            self._refused += 1
            hopeless = not self._answered and self._refused >= _MANY_REFUSALS
        if not hopeless:
            return error
        return ProposalError(
            f"every one of the first {_MANY_REFUSALS} questions was refused: {error}. Is the "
            "model's name right, "
            "and does it take temperature and max_tokens?"
        )
