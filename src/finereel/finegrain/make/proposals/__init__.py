"""Words proposed by language models, offline (fill-mask) or from an endpoint (chat), with one
interface.

Neither is trusted: a proposal is a word for one slot or nothing, passes the rules of the generator,
is verified, and carries where it came from. Answers are kept, so that the same question is never
paid or computed twice.
"""

from collections.abc import Callable
from pathlib import Path

from finereel.errors import ConfigError, unknown_name
from finereel.finegrain.make.proposals.cache import AnswerCache, default_cache
from finereel.finegrain.make.proposals.types import Proposal, Proposer, Reject, Slot, SlotResult

__all__ = [
    "PROPOSERS",
    "AnswerCache",
    "Proposal",
    "Proposer",
    "Reject",
    "Slot",
    "SlotResult",
    "open_proposer",
]

KEY_VARIABLES = ("FINEREEL_LLM_KEY", "OPENAI_API_KEY")


def open_proposer(spec: str, cache: Path | None = None) -> Proposer:
    """The proposer a specification names: fill-mask:DIR or llm:MODEL@URL; its answers are kept in
    the file `cache`.

    Raises ConfigError for a specification that is none of these, and the proposer's own errors.
    """
    kind, colon, rest = spec.partition(":")
    if not colon or not rest:
        raise ConfigError(f"proposals: expected fill-mask:DIR or llm:MODEL@URL, got {spec!r}")
    if kind not in PROPOSERS:
        raise unknown_name("kind of proposals", kind, PROPOSERS)
    return PROPOSERS[kind](rest, AnswerCache(cache or default_cache()))


def model_and_url(rest: str) -> tuple[str, str]:
    """The two halves of MODEL@URL; the name of a model may hold @ itself.

    >>> model_and_url("org/model@v2@http://localhost:8000/v1")
    ('org/model@v2', 'http://localhost:8000/v1')
    """
    for scheme in ("@https://", "@http://"):
        model, found, address = rest.partition(scheme)
        if found:
            return model, scheme[1:] + address
    raise ConfigError(
        f"proposals: expected llm:MODEL@URL with a URL that begins with http or https, got {rest!r}"
    )


def _fill_mask(rest: str, cache: AnswerCache) -> Proposer:
    from finereel.finegrain.make.proposals.fill_mask import FillMaskProposer
    from finereel.finegrain.make.proposals.masked_lm import MaskedLanguageModel

    return FillMaskProposer(MaskedLanguageModel(Path(rest).expanduser()), cache)


def _llm(rest: str, cache: AnswerCache) -> Proposer:
    import os

    from finereel.finegrain.make.proposals.endpoint import Endpoint
    from finereel.finegrain.make.proposals.llm import ChatProposer

    model, url = model_and_url(rest)
    key = next((os.environ[name] for name in KEY_VARIABLES if os.environ.get(name)), None)
    return ChatProposer(Endpoint(url, model, key), cache)


PROPOSERS: dict[str, Callable[[str, AnswerCache], Proposer]] = {
    "fill-mask": _fill_mask,
    "llm": _llm,
}
