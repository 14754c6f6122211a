"""The rules that reject a replacement, in the order in which they are applied.

A rule looks at one case, a replacement at a site of a caption, and gives the reason against it or
None.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from finereel.finegrain.make.candidates.base import Candidate
from finereel.finegrain.make.collocations import Collocations
from finereel.finegrain.make.context import END, Context, VideoWords
from finereel.finegrain.make.edit import Edit
from finereel.finegrain.make.sites import Site
from finereel.finegrain.make.window import Encode, survives

_NEGATIONS = frozenset(
    ["without", "no", "not", "n't", "never", "don't", "doesn't", "isn't", "aren't"]
)
_NEAR = 100  # characters after an edit that may share a token with it


@dataclass(frozen=True, slots=True)
class Case:
    """A replacement at a site: the candidate, its inflected form, the edited caption, what is said
    of the video.
    """

    site: Site
    candidate: Candidate
    form: str
    edit: Edit
    video: VideoWords


@dataclass(frozen=True, slots=True)
class RejectionRules:
    """Asks every rule of REJECTIONS, `skip` left out; keeps what they need to know.

    max_words: length of a row of the text encoder. encode: its tokenizer, None for an estimate.
    """

    context: Context
    collocations: Collocations
    max_words: int = 32
    encode: Encode | None = None
    skip: frozenset[str] = frozenset()

    def why_not(self, case: Case) -> str | None:
        """The name of the first rule against it; None when it may pass."""
        return next(
            (
                name
                for name, rule in REJECTIONS.items()
                if name not in self.skip and rule(case, self)
            ),
            None,
        )


def unchanged(case: Case, judge: RejectionRules) -> bool:
    """The same word or the same text after all."""
    same = case.form.lower() == case.site.source.lower() or case.candidate.lemma == case.site.lemma
    return same or case.edit.text == case.site.caption


def negated(case: Case, judge: RejectionRules) -> bool:
    """Reject words after a negation or beside "or".

    What is denied of one thing ("without a shirt", "is not running") may be denied of the other as
    well; and of two things joined by "or", either may be the one that is seen.
    """
    denied = any(case.site.word(offset) in _NEGATIONS for offset in (-1, -2, -3))
    return denied or "or" in (case.site.word(-1), case.site.word(1))


def said_twice(case: Case, judge: RejectionRules) -> bool:
    """Reject a word that occurs twice in the caption.

    Replacing one occurrence is ambiguous, and the repetition gives the true caption away.
    """
    site = case.site
    if site.pos == "preposition":
        return False
    said = {site.lemma, site.source.lower()}
    others = (*site.tokens[: site.first], *site.tokens[site.last :])
    return any(token.lemma in said or token.text.lower() in said for token in others)


def said_of_video(case: Case, judge: RejectionRules) -> bool:
    """Some caption of the video says it, or a word that goes with it. Prepositions count with the
    thing they govern.
    """
    if case.site.pos != "preposition":
        return case.video.has_any(case.candidate.signs)
    head = case.site.head()
    if head is None:
        return case.video.has_any(case.candidate.signs)
    things = {head.lemma, head.text.lower()}
    return any(case.video.relates(sign, thing) for sign in case.candidate.signs for thing in things)


def unsafe_video(case: Case, judge: RejectionRules) -> bool:
    """Some caption has a word that makes such a swap unsafe (a band has more instruments than are
    named).
    """
    return case.video.has_any(case.candidate.unless)


def related(case: Case, judge: RejectionRules) -> bool:
    """WordNet knows a reason why both may be true. Curated sets have been checked by a person
    instead.
    """
    if case.candidate.certain:
        return False
    return (
        judge.context.lexicon.related(case.site.lemma, case.candidate.lemma, case.site.pos)
        is not None
    )


def makes_collocation(case: Case, judge: RejectionRules) -> bool:
    """It would become part of a fixed expression: "hot" before "dog"."""
    return judge.collocations.makes(case.site, case.form)


def unattested(case: Case, judge: RejectionRules) -> bool:
    """In captions enough, the new word was never seen beside its new neighbours (determiners left
    out). In fewer, no part of a compound may be changed ("city street").
    """
    context, site = judge.context, case.site
    if site.pos == "preposition" or (site.pos == "adverb" and case.candidate.certain):
        return False
    if not context.attested:
        return site.pos == "noun" and site.in_compound()
    words = case.form.lower().split()
    left, right = site.left(), site.right() or END
    fits_left = not left or context.pair(left, words[0]) > 0
    fits_right = context.pair(words[-1], right) > 0
    if site.pos == "noun":
        return not (fits_left and fits_right)
    if site.pos == "adverb":
        return not (fits_left or fits_right)
    return not fits_right


def past_window(case: Case, judge: RejectionRules) -> bool:
    """The text encoder would cut the edit off."""
    end = case.site.end
    rest = case.site.caption[end : end + _NEAR]
    before, after = case.site.caption[:end] + rest, case.edit.text[: case.edit.end] + rest
    return not survives(before, after, judge.max_words, judge.encode)


Rule = Callable[[Case, RejectionRules], bool]
REJECTIONS: Mapping[str, Rule] = MappingProxyType(
    {
        "unchanged": unchanged,
        "negated": negated,
        "said_twice": said_twice,
        "unsafe_video": unsafe_video,
        "said_of_video": said_of_video,
        "related": related,
        "unattested": unattested,
        "makes_collocation": makes_collocation,
        "past_window": past_window,
    }
)
