"""Turn a question and an answer into the statement that is true if the answer is right: "is the man
running or walking?" and "running" into "the man is running".

A model compares statements with a video; it was never trained on questions. The rules know the
order of words in English questions and closed lists of small words, and no dictionary: a question
that they do not know is put before the answer as it is, and the statement says so by its form.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from finereel.errors import QueryError
from finereel.text.alternatives import (
    AUXILIARIES,
    DETERMINERS,
    PREPOSITIONS,
    Alternatives,
    is_ing,
    joined,
    named_alternatives,
    tokens,
    word_set,
)

Form = Literal["rewritten", "given", "joined"]

_BE = word_set("is are was were am")
_DO = word_set("do does did")
_WH = word_set("what which who whom whose where when why how")
_PRONOUNS = word_set(
    "he she it they we you i this that these those someone somebody something anyone anybody "
    "anything everyone everybody nobody nothing"
)
_PLURAL = word_set("they we you i these those people men women children")
_FUNCTION = DETERMINERS | PREPOSITIONS | _PRONOUNS | AUXILIARIES | word_set("and or but")
_PLACE_ADVERBS = word_set(
    "outside inside indoors outdoors upstairs downstairs here there home abroad away underwater "
    "underground everywhere"
)
_ADJECTIVES = word_set(
    "red yellow green blue purple violet pink brown white black grey gray orange golden silver beige "
    "dark light small big large little tiny huge tall short long old young new striped spotted "
    "checkered plain wooden round square"
)
"""Adjectives that stand before their noun in the statement: captions say "a red car"."""
_VERBS = word_set(
    "bark bend blink blow bounce break bring build buy call carry catch chase clap clean climb close "
    "cook crawl cross cry cut dance dig dive drag draw drink drive drop eat enter explain fade fall "
    "feed fight film fish fix fly fold follow get give go grab grow hang have hit hold hop hug hurt "
    "jump keep kick kiss kneel knit land laugh lead lean leave lie lift light like listen look lose "
    "make meet move open paint pass pet pick play point pour pull push put reach read ride roll row "
    "run say sell shake shoot show shrink shut sing sit skate ski sleep slide smell smile speak spin "
    "stand start stay stir stop surf sweep swim swing take talk teach tell throw tie touch travel "
    "turn type use wait walk wash watch wave wear wipe work write zigzag"
)
_ANYTHING = re.compile(
    r"what( is|'s|s)? (happen(s|ing|ed)|going on|shown|seen|visible)\b.*"
    r"|what (do|can|could) (you|we|i) see\b.*|what can be seen\b.*"
    r"|what is (in|on|this|the) ?(this|the)? ?(video|clip|picture|scene|film)?( about)?"
    r"|(which|what) (caption|description|sentence|statement|one)\b.*"
)
_SHORT = re.compile(r"\b(what|who|where|how|when|why|which)['\u2019]s\b", re.IGNORECASE)
_DENIED = re.compile(
    r"^(is|are|was|were|do|does|did|has|have|can|could|will|would)n['\u2019]t\b", re.I
)
_BLANK = re.compile(r"_{2,}")
_TRAILING = re.compile(r"^(.+?)\s*[,:]\s*(.+\bor\b.+)$", re.IGNORECASE | re.DOTALL)
_SLOT = "\0"
"""Stands for the answer while words are moved."""


@dataclass(frozen=True)
class Statement:
    """An answer as a statement.

    Attributes:
        option: The answer as it was given.
        text: The statement.
        form: `rewritten` from the question, `given` where the answer is a statement itself, or
            `joined` where the rules do not know the question: then the question stands before the
            answer.
        denied: Whether it says that something is not so.
    """

    option: str
    text: str
    form: Form
    denied: bool = False


def options_of(question: str) -> tuple[str, ...]:
    """The answers that a question names, `yes` and `no` where it asks for these, else none.

    >>> options_of("Is the man running or walking?"), options_of("Is the man running?")
    (('running', 'walking'), ('yes', 'no'))
    >>> options_of("What colour is the car: red, blue or green?"), options_of("Where is the dog?")
    (('red', 'blue', 'green'), ())
    """
    stem, listed = _parted(_plain(question), ())
    if listed:
        return listed
    words = tokens(stem)
    if not words or words[0].lower() in _WH:
        return ()
    found = named_alternatives(words)
    if found is not None:
        return found.options
    asks = words[0].lower() in AUXILIARIES and "or" not in map(str.lower, words)
    return ("yes", "no") if asks else ()


def statements(question: str, options: Sequence[str]) -> tuple[Statement, ...]:
    """The statement of every answer.

    Args:
        question: A question in English.
        options: Its answers: words or phrases that fit into the question, `yes` or `no`, or whole
            statements.

    Returns:
        One statement an answer, in their order. Each holds its answer, but for `yes` and `no` and
        for verbs, which get the form that fits ("run" in "does it run or walk?" becomes "runs").

    Raises:
        QueryError: If an answer holds no word.

    Example:
        >>> [s.text for s in statements("is the man running or walking?", ["running", "walking"])]
        ['the man is running', 'the man is walking']
        >>> statements("what colour is the car?", ["red"])[0].text
        'the red car'
        >>> statements("why?", ["it rains"])[0]
        Statement(option='it rains', text='why: it rains', form='joined', denied=False)
    """
    plain = _plain(question)
    stem, _ = _parted(plain, options)
    found = []
    for option in options:
        answer = " ".join(option.replace("?", " ").split())
        if not answer:
            raise QueryError(f"an answer needs a word, got {option!r}")
        found.append(replace(_statement(stem, answer, options), option=option))
    return tuple(found)


def _statement(stem: str, answer: str, options: Sequence[str]) -> Statement:
    if _ANYTHING.fullmatch(stem.lower()) or _is_whole(answer):
        return Statement(answer, answer, "given")
    if _BLANK.search(stem):
        return Statement(answer, _BLANK.sub(lambda _: answer, stem), "rewritten")
    words = tokens(stem)
    if words:
        words[0] = words[0].lower()
    text = _rewritten(words, answer, options) if words else None
    if text is None:
        question = joined(words)
        return Statement(answer, f"{question}: {answer}" if question else answer, "joined")
    return Statement(answer, text, "rewritten", _is_no(answer))


def _plain(question: str) -> str:
    """A question without its mark, short forms written out."""
    plain = " ".join(question.replace("?", " ").replace(_SLOT, " ").split()).rstrip(" .!")
    return _DENIED.sub(r"\1", _SHORT.sub(r"\1 is", plain))


def _parted(plain: str, options: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """A question and the answers listed after it: "which is bigger, the cat or the dog"."""
    match = _TRAILING.match(plain)
    if match is None or plain.split()[0].lower() not in _WH:
        return plain, ()
    listed = tokens(match[2])
    found = named_alternatives(listed, options)
    whole = found is not None and (found.start, found.stop) == (0, len(listed))
    if found is None or not whole:
        parts = [part.strip() for part in re.split(r"[,;:]|\bor\b", match[2], flags=re.IGNORECASE)]
        named = tuple(dict.fromkeys(part for part in parts if part))
        return (match[1], named) if len(named) > 1 else (plain, ())
    return match[1], found.options


def _is_yes(answer: str) -> bool:
    return answer.lower().strip(" .!") == "yes"


def _is_no(answer: str) -> bool:
    return answer.lower().strip(" .!") == "no"


def _is_whole(answer: str) -> bool:
    """Whether an answer is a statement: it has a subject and, after it, a finite verb."""
    words = [word.lower() for word in tokens(answer)]
    if len(words) < 3 or words[0] in PREPOSITIONS | _WH | {"because"}:
        return False
    first = 1 if words[0] in _PRONOUNS or words[0] == "there" else 2
    for before, word in zip(words[first - 1 :], words[first:], strict=False):
        if before in _WH or before == "that":
            return False
        if word in _BE | {"has", "have", "does", "can"}:
            return True
        if any(word == third_person(verb) for verb in (word[:-1], word[:-2]) if verb in _VERBS):
            return before not in DETERMINERS
    return False


# Forms of words.
def third_person(verb: str) -> str:
    """The form of a verb after "he".

    >>> third_person("run"), third_person("carry"), third_person("catch"), third_person("have")
    ('runs', 'carries', 'catches', 'has')
    """
    if verb in ("have", "be"):
        return {"have": "has", "be": "is"}[verb]
    if re.search(r"(s|x|z|ch|sh|o)$", verb):
        return verb + "es"
    return verb[:-1] + "ies" if re.search(r"[^aeiou]y$", verb) else verb + "s"


def _plural(subject: Sequence[str]) -> bool:
    lower = [word.lower() for word in subject]
    if not lower or lower[0] in _PRONOUNS:
        return bool(lower) and lower[0] in _PLURAL
    return lower[-1] in _PLURAL or (lower[-1].endswith("s") and not lower[-1].endswith("ss"))


def _place(answer: str) -> str:
    """An answer to "where": "kitchen" becomes "in the kitchen"."""
    first = answer.split()[0].lower()
    if first in PREPOSITIONS | _PLACE_ADVERBS:
        return answer
    if first in ("left", "right") and " " not in answer:
        return f"on the {answer}"
    return f"in {answer}" if first in DETERMINERS or answer[0].isupper() else f"in the {answer}"


# Questions that begin with an auxiliary, and those that begin with a wh-word.
def _rewritten(words: list[str], answer: str, options: Sequence[str]) -> str | None:
    lower = [word.lower() for word in words]
    if lower[0] in AUXILIARIES:
        return _yes_no(words, answer, options)
    if lower[0] in PREPOSITIONS and len(lower) > 1 and lower[1] in _WH:
        return _wh(words[1:], f"{words[0]} {answer}")
    if lower[0] in _WH:
        return _wh(words, answer)
    found = named_alternatives(words, options)
    if found is None:
        return None
    return joined([*words[: found.start], answer, *words[found.stop :]])


def _yes_no(words: list[str], answer: str, options: Sequence[str]) -> str | None:
    auxiliary, rest = words[0], words[1:]
    if _is_yes(answer) or _is_no(answer):
        deny = ["not"] if _is_no(answer) else []
        return _declared(auxiliary, rest, "", deny)
    found = named_alternatives(rest, options)
    if found is None:
        return _other_activity(auxiliary, rest, answer)
    if [word.lower() for word in rest[:2]] == ["you", "see"]:
        return joined(["there is", answer, *rest[found.stop :]])
    before, after = rest[: found.start], rest[found.stop :]
    adjectives = all(option.lower() in _ADJECTIVES for option in found.options)
    if auxiliary.lower() in _BE and adjectives and _is_predicate(before, after):
        described = _described([*before, *after], answer)
        if described is not None:
            return described
    inside = [*before, _SLOT, *after]
    return _declared(auxiliary, inside, answer, [], found)


def _is_predicate(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether adjectives between these words are said of the subject alone, as in "is the car red",
    and belong to no verb or preposition: "dressed in red", "wearing red".
    """
    if len(before) < 2 or before[-1].lower() in _FUNCTION or any(map(is_ing, before)):
        return False
    return not after or after[0].lower() in PREPOSITIONS


def _described(rest: Sequence[str], answer: str) -> str | None:
    """An adjective before the noun that it describes, as captions have it: "the red car" instead of
    "the car is red". None where the words do not begin with an article and its noun.
    """
    lower = [word.lower() for word in rest]
    if not lower or lower[0] not in DETERMINERS:
        return None
    ends = (n for n, word in enumerate(lower) if n and (word in _FUNCTION or is_ing(word)))
    end = next(ends, len(rest))
    if end < 2 or (end < len(rest) and lower[end] not in PREPOSITIONS and not is_ing(lower[end])):
        return None
    return joined([*rest[: end - 1], answer, *rest[end - 1 :]])


def _other_activity(auxiliary: str, rest: list[str], answer: str) -> str | None:
    """An -ing form in the place of the question's: "is the man running?" and "walking"."""
    place = next((n for n, word in enumerate(rest) if n and is_ing(word)), None)
    if auxiliary.lower() not in _BE or place is None or not is_ing(answer.split()[0]):
        return None
    return joined([*rest[:place], auxiliary, answer])


def _declared(
    auxiliary: str,
    rest: list[str],
    answer: str,
    deny: list[str],
    found: Alternatives | None = None,
) -> str | None:
    """The words after an auxiliary in the order of a statement."""
    if not rest:
        return None
    if rest[0].lower() == "there":
        return _filled([rest[0], auxiliary, *deny, *rest[1:]], answer)
    acts = found is not None and all(is_ing(option.split()[0]) for option in found.options)
    if auxiliary.lower() in _BE | {"has", "have", "had"}:
        border = _subject_end(rest, acts)
        if border is None:
            return None
        return _filled([*rest[:border], auxiliary, *deny, *rest[border:]], answer)
    place = _verb_place(rest, answer)
    if place is None:
        return None
    subject, verb = rest[:place], rest[place]
    if auxiliary.lower() not in _DO or deny:
        return _filled([*subject, auxiliary, *deny, *rest[place:]], answer)
    if verb == _SLOT:
        return _filled([*subject, _SLOT, *rest[place + 1 :]], _finite(answer, subject))
    verb = verb if _plural(subject) else third_person(verb)
    return _filled([*subject, verb, *rest[place + 1 :]], answer)


def _finite(answer: str, subject: Sequence[str]) -> str:
    """An answer that is a verb, in the form that fits its subject."""
    first, *others = answer.split()
    if is_ing(first):
        return f"{'are' if _plural(subject) else 'is'} {answer}"
    if _plural(subject) or (first.endswith("s") and first.lower() not in _VERBS):
        return answer
    return " ".join([third_person(first), *others])


def _filled(words: Sequence[str], answer: str) -> str:
    return joined([word for word in words if word]).replace(_SLOT, answer)


def _first_after_noun(words: Sequence[str]) -> int:
    """Number of the first word that can be past the subject."""
    first = words[0].lower()
    return 2 if first in DETERMINERS and first not in _PRONOUNS else 1


def _subject_end(rest: Sequence[str], acts: bool) -> int | None:
    """Where the subject ends: before an -ing form, a preposition, another article, the answer, or
    else the last word. acts: whether the answers are -ing forms.
    """
    lower = [word.lower() for word in rest]
    if lower[0] in _PRONOUNS and (len(lower) == 1 or lower[1] in _FUNCTION or lower[1] == _SLOT):
        return 1
    for place in range(_first_after_noun(rest), len(rest)):
        word, before = lower[place], lower[place - 1]
        after = lower[place + 1] if place + 1 < len(lower) else ""
        ends = not after or after in _FUNCTION or after == _SLOT
        if word == _SLOT and (acts or ends or after.endswith("ly")):
            return place
        if word == _SLOT:
            continue
        if word in _FUNCTION and word not in ("of", "and", "or") and before not in PREPOSITIONS:
            return place
        if is_ing(word) and before not in DETERMINERS:
            return place
        if word.endswith("ed") and ends and before not in DETERMINERS:
            return place
    return len(rest) - 1 if len(rest) > _first_after_noun(rest) else None


def _verb_place(rest: Sequence[str], answer: str) -> int | None:
    """Where the verb stands in the words after "does": the first known one, else the last word
    before the object.
    """
    lower = [word.lower() for word in rest]
    start = _first_after_noun(rest)
    for place in range(start, len(lower)):
        if lower[place] in _VERBS and lower[place - 1] not in DETERMINERS:
            return place
        if lower[place] == _SLOT:
            is_object = answer.split()[0].lower() in DETERMINERS | PREPOSITIONS
            return place - 1 if is_object and place > start else place
    for place in range(start, len(lower) + 1):
        ends = place == len(lower) or lower[place] in _FUNCTION or lower[place].endswith("ly")
        if ends and place > start:
            return place - 1
        if ends:
            return None
    return None


def _wh(words: list[str], answer: str) -> str | None:
    lower = [word.lower() for word in words]
    if len(words) < 2:
        return None
    at = next((n for n, word in enumerate(lower) if n and word in AUXILIARIES), None)
    if at is None or (at > 1 and lower[1] in _VERBS and lower[0] in ("who", "what")):
        return _subject_question(words, answer)
    phrase = _phrase(lower[0], words[1:at], answer)
    auxiliary, rest = words[at], words[at + 1 :]
    if not rest:
        return None
    first = rest[0].lower()
    if lower[1:at] in (["colour"], ["color"]) and auxiliary.lower() in _BE:
        described = _described(rest, phrase)
        if described is not None:
            return described
    if lower[0] == "how" and lower[1:2] == ["many"] and first in ("you", "we"):
        return f"there are {phrase}"
    if first == "there":
        return _filled([rest[0], auxiliary, _SLOT, *rest[1:]], phrase)
    if first not in DETERMINERS | _PRONOUNS and not rest[0][0].isupper():
        if lower[0] in ("where", "when", "why", "how") and lower[1:2] != ["many"]:
            return _object_question(lower[0], auxiliary, rest, phrase)
        return _filled([_SLOT, auxiliary, *rest], phrase)
    return _object_question(lower[0], auxiliary, rest, phrase)


def _phrase(wh: str, noun: list[str], answer: str) -> str:
    """What stands for the wh-word: the answer, with the noun that it counts or colours."""
    lower = [word.lower() for word in noun]
    if wh == "where":
        return _place(answer)
    if wh == "how" and lower[:1] in (["many"], ["much"]):
        return joined([answer, *noun[1:]])
    if wh in ("what", "which") and lower[:1] in (["colour"], ["color"]) and len(noun) > 1:
        return joined(["a", answer, *noun[1:]])
    return answer


def _subject_question(words: list[str], answer: str) -> str | None:
    """Without an auxiliary the answer is the subject: "who opens the door"."""
    lower = [word.lower() for word in words]
    if lower[0] in ("who", "what") and lower[1] not in ("colour", "color", "kind", "type"):
        bare = len(words) == 2 or lower[1].endswith("s") or lower[2] in _FUNCTION
        return joined([answer, *words[1 if bare else 2 :]])
    if lower[:2] == ["how", "many"] and len(words) > 2:
        return joined([answer, *words[2:]])
    return joined([answer, *words[2:]]) if lower[0] in ("which", "what") and words[2:] else None


def _object_question(wh: str, auxiliary: str, rest: list[str], phrase: str) -> str | None:
    lower = [word.lower() for word in rest]
    if wh == "what" and lower[-1] == "like":
        return _object_question(wh, auxiliary, rest[:-1], phrase) if rest[:-1] else None
    doing = next((n for n, word in enumerate(lower) if n and word in ("doing", "do")), None)
    if wh == "what" and doing is not None:
        subject = rest[:doing]
        act = phrase
        if not (is_ing(phrase.split()[0]) and auxiliary.lower() in _BE):
            act, auxiliary = _finite(phrase, subject), ""
        return _filled([*subject, auxiliary, _SLOT, *rest[doing + 1 :]], act)
    if auxiliary.lower() in _DO:
        place = _verb_place(rest, phrase)
        if place is None:
            return None
        subject = rest[:place]
        verb = rest[place] if _plural(subject) else third_person(rest[place])
        rest, auxiliary, border = [*subject, verb, *rest[place + 1 :]], "", place
    else:
        found = next((n for n, word in enumerate(lower) if n and is_ing(word)), None)
        border = len(rest) if found is None else found
        if found is None and wh not in ("where", "when", "why"):
            border = _noun_end(rest)
        place = border
    return _filled(_with_slot(wh, auxiliary, rest, border), phrase)


def _noun_end(rest: Sequence[str]) -> int:
    """Where the subject of "what colour is the car in front" ends, before any preposition."""
    start = _first_after_noun(rest)
    for place in range(start, len(rest)):
        if rest[place].lower() in PREPOSITIONS - {"of"}:
            return place
    return len(rest)


def _with_slot(wh: str, auxiliary: str, rest: list[str], border: int) -> list[str]:
    """The words of a statement with the place of the answer: after the verb, or at the end."""
    before, after = [*rest[:border], auxiliary], rest[border:]
    has_verb = bool(after) and after[0].lower() not in PREPOSITIONS
    inner = has_verb and len(after) > 2 and after[1].lower() in PREPOSITIONS
    if inner and wh in ("what", "which", "who", "whom"):
        return [*before, after[0], _SLOT, *after[1:]]
    if not has_verb and wh not in ("where", "when", "why"):
        return [*before, _SLOT, *after]
    return [*before, *after, _SLOT]
