"""The rules that reject a replacement, in the order in which they are applied.

A rule looks at one case, a replacement at a site of a caption, and gives the reason against it or
None.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from finereel.finegrain.make.candidates import Candidate
from finereel.finegrain.make.context import END, Context, VideoWords
from finereel.finegrain.make.sites import Edit, Site
from finereel.finegrain.words.lexicon import PREPOSITIONS, Lexicon
from finereel.finegrain.words.sets import word_list
from finereel.text.tokenize import clip_tokenizer

# Does an edit reach the text encoder at all? Encoders cut a caption; an edit behind the cut tests
# nothing.
_PIECE = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|[^\s\w]+|_+", re.IGNORECASE)
_LONGEST_PIECE = 64  # letters, and tokens; nothing longer is a word

Encode = Callable[[str], Sequence[int]]


def survives(caption: str, negative: str, max_words: int, encode: Encode | None = None) -> bool:
    """Whether all of the edit lies inside a row of `max_words` tokens, start and end token among
    them.

    encode: text -> its token ids, uncut and without start and end; None: CLIP's. What comes after
    the edit may be cut.

    >>> survives("a cat sits", "a dog sits", max_words=4), survives("a cat sits", "a dog sits", max_words=3)
    (True, False)
    """
    old, new = ((encode or clip_ids)(text) for text in (caption, negative))
    return list(old) != list(new) and max(_edit_end(old, new)) <= max_words - 2


def clip_ids(text: str) -> list[int]:
    """The ids of a text in CLIP's vocabulary, uncut, piece by piece as CLIP splits it; pieces are
    worked out once.

    >>> clip_ids("a photo of a cat")
    [320, 1125, 539, 320, 2368]
    """
    return [number for piece in _PIECE.findall(text.lower()) for number in _ids_of(piece)]


@lru_cache(1 << 16)
def _ids_of(piece: str) -> tuple[int, ...]:
    tokens = clip_tokenizer().encode([piece[:_LONGEST_PIECE]], max_words=_LONGEST_PIECE + 2)
    return tuple(tokens.ids[0][tokens.mask[0]][1:-1].tolist())


def _edit_end(old: Sequence[object], new: Sequence[object]) -> tuple[int, int]:
    """How many tokens of each there are up to the last one that differs."""
    shorter = min(len(old), len(new))
    prefix = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    same = 0
    while same < shorter - prefix and old[-1 - same] == new[-1 - same]:
        same += 1
    return len(old) - same, len(new) - same


# Words that must not be torn apart, "hot dog", "pick up", "race car", and verbs that mean little
# alone.
LIGHT_VERBS = word_list("light_verbs")
PARTICLES = word_list("particles")
_FREE_FIRST = word_list("free_first")
_FIXED = word_list("fixed")
_SPANS = ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (3, 0), (0, 3), (2, 1), (1, 2))


class Collocations:
    """Tells whether a site is part of a larger unit, and whether a replacement would make one."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._is_unit = lru_cache(maxsize=1 << 18)(self._find_unit)

    def protects(self, site: Site) -> str | None:
        """The larger unit a site is part of, or None."""
        if site.pos == "verb" and site.lemma in LIGHT_VERBS:
            return "a light verb"
        text = site.source.lower()
        found = self._around(site, text) or (
            self._around(site, site.lemma) if site.lemma != text else None
        )
        return found or self._phrasal(site)

    def makes(self, site: Site, replacement: str) -> bool:
        """Whether a replacement would become part of a larger unit there ("hot" before "dog")."""
        return self._around(site, replacement.lower()) is not None

    def _around(self, site: Site, word: str) -> str | None:
        """The unit of two, three or four words that `word` and its neighbours at the site are, or
        None.
        """
        before, after = [site.word(-i) for i in (1, 2, 3)], [site.word(i) for i in (1, 2, 3)]
        for left, right in _SPANS:
            parts = [*before[:left][::-1], word, *after[:right]]
            if all(parts) and self._is_unit(" ".join(parts)):
                return " ".join(parts)
        return None

    def _find_unit(self, unit: str) -> bool:
        """Whether WordNet or the lists have it as one word, other than "young man" and the like."""
        if unit in _FIXED:
            return True
        *first, last = unit.split(" ")
        if first[0] in _FREE_FIRST:
            return False
        forms = [" ".join([*first, end]) for end in (last, *self._lexicon.lemmas_of(last, "noun"))]
        return any(
            form in PREPOSITIONS or form.replace(" ", "_") in self._lexicon.net for form in forms
        )

    def _phrasal(self, site: Site) -> str | None:
        """ "picks up", "throws the ball away": verb and particle in WordNet, and no noun phrase for
        the particle.
        """
        if site.pos != "verb" or " " in site.lemma:
            return None
        for at in range(site.last, min(site.last + 4, len(site.tokens))):
            word = site.tokens[at].text.lower()
            if word in PARTICLES and site.tokens[at].tag in ("RP", "RB"):
                unit = f"{site.lemma}_{word}"
                return unit if self._lexicon.senses(unit, "verb") else None
        return None


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
