"""Check a query, and report what the model will not read: words after its last token and words it
does not know.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from finereel.errors import QueryError
from finereel.text.base import BaseTokenizer
from finereel.text.sentences import sentences

LONGEST_QUERY = 10_000
"""Characters; a model reads some dozens of words."""
SMALL_VOCABULARY = 5_000
"""A vocabulary below this was learned from few captions: a word in pieces is one that the model
never saw.
"""
_NAMED = 12
_EXAMPLE = 'say what happens in the video, for instance "a dog runs"'


@dataclass(frozen=True)
class Reading:
    """What a model does not take in of a query.

    cut: words past the model's window, which do not count. negated: the word that denies something,
    which models hardly read, else empty. unknown: words that a model with a small
    vocabulary never saw, where they are half of the query or more. language: a foreign script or
    `another language`, else empty. sentences: their number, which a model reads as one text.
    """

    cut: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    language: str = ""
    negated: str = ""
    sentences: int = 1

    def notes(self) -> list[str]:
        """A sentence for each, for a person.

        >>> Reading(cut=("near", "Oslo")).notes()
        ['the query is longer than the model reads; these words do not count: near Oslo']
        """
        notes = []
        if self.language:
            notes.append(
                f"the model knows English; this query looks like {self.language}, so expect little"
            )
        elif self.unknown:
            notes.append(
                "the model has never seen these words, so they say little to it: "
                f"{_named(self.unknown)}"
            )
        if self.negated and not self.language:
            notes.append(
                f'the model hardly understands "{self.negated}" and may find just what it denies; '
                "name that by itself with --not (in Python, none_of)"
            )
        if self.cut:
            notes.append(
                "the query is longer than the model reads; these words do not count: "
                f"{_named(self.cut)}"
            )
        if self.sentences > 1:
            notes.append(
                f"the {self.sentences} sentences are read as one text; --paragraph (in Python, "
                "paragraph=True) finds videos in which they happen one after the other"
            )
        return notes


def checked_query(text: object) -> str:
    """The same text; QueryError where it has no visible character, is longer than LONGEST_QUERY, or
    is no text.

    >>> checked_query(" \\t")
    Traceback (most recent call last):
    finereel.errors.QueryError: the query is empty: say what happens in the video, for instance "a dog runs"
    """
    if not isinstance(text, str):
        raise QueryError(f"a query is a text, got {type(text).__name__}: {_EXAMPLE}")
    if len(text) > LONGEST_QUERY:
        raise QueryError(
            f"the query has {len(text):,} characters, at most {LONGEST_QUERY:,} are taken: "
            f"{_EXAMPLE}"
        )
    kinds = {unicodedata.category(character) for character in text}
    if "Cs" in kinds:
        raise QueryError(
            "the query is not valid UTF-8 text: type it again, or save its file as UTF-8; "
            f"{_EXAMPLE}"
        )
    if all(kind[0] in "CZ" for kind in kinds):
        what = "holds only spaces and control characters" if text.strip() else "is empty"
        raise QueryError(f"the query {what}: {_EXAMPLE}")
    return text


def read_query(text: str, tokenizer: BaseTokenizer, max_words: int) -> Reading:
    """What a model with this tokenizer, which reads `max_words` tokens, does not take in of
    a text.
    """
    words = tokenizer.words(text, len(text.encode()) + 2)
    cut = tuple(word.text for word in words if word.tokens.stop > max_words - 1)
    unknown: tuple[str, ...] = ()
    if tokenizer.vocab_size < SMALL_VOCABULARY:
        spelled = [word for word in words if word.text.isalpha()]
        pieces = tuple(word.text for word in spelled if len(word.tokens) > 1)
        unknown = pieces if 2 * len(pieces) >= len(spelled) else ()
    return Reading(
        cut, unknown, foreign_language(text), negation(text), max(1, len(sentences(text)))
    )


_NEGATION = re.compile(r"\b(?:not|no|without|never|nobody|nothing|\w+n['\u2019]t)\b", re.IGNORECASE)


def negation(text: str) -> str:
    """The first word of an English text that denies something, else empty.

    >>> negation("A dog without a leash"), negation("a man who isn't tall"), negation("a notebook")
    ('without', "isn't", '')
    """
    found = _NEGATION.search(text)
    return found.group().lower() if found else ""


def _named(words: tuple[str, ...]) -> str:
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return " ".join(words[:_NAMED]) + more


# Whether a short text is plainly not English: by its letters, or by small words that English
# lacks.
_LOOKED_AT = 2_000
"""Characters that decide."""
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_PARTICLES = "de la le les el los las du da di del des van von der den al san do dos das"
_ENGLISH = (
    "the an of and with his her their this that these those from are was were has have while who "
    "which into its it "
    "by for being off out up down some someone something two three there he she they you your our "
    "my"
)
# A word that begins a sentence about one thing, and is no English word: one is enough where nothing
# is English.
_ARTICLES = "ein eine einen einem einer une una een uma egy sebuah seorang một"
_SMALL_WORDS = {
    "German": "der das dem ein eine einen einem einer und auf mit für über im ist nicht wird sich "
    "von zum zur durch "
    "aus bei nach vor sie er wie werden am",
    "French": "le la les un une des du de et est dans avec sur qui au aux sous ses leur deux sont "
    "elle ils une en par "
    "pendant devant derrière",
    "Spanish": "el la los las un una unos de en del por para que se está esta su sobre hacia al y "
    "mientras desde",
    "Italian": "il lo la gli un una uno che di nel nella sul sulla della delle dei del con è sono "
    "mentre",
    "Portuguese": "um uma os na nas da de em com para ao pela pelo não está que dos do seu sua "
    "enquanto",
    "Dutch": "een het de op met naar zijn wordt uit voor bij aan deze niet van en die",
    "Swedish": "en ett och på som med av är det inte jag hon sig över till från",
    "Danish or Norwegian": "en et og på som med av er det ikke til fra ved sig seg over",
    "Polish": "się na jest przez nie który która dwa nad po za jego przed podczas ze",
    "Czech": "na je se ve že který která přes při jsou nad před své",
    "Hungarian": "egy és az nem hogy meg van ki fut",
    "Romanian": "un și în pe cu la este din care de o unui către",
    "Turkish": "bir ve ile bu için üzerinde içinde çok iki",
    "Indonesian": "yang di dan sebuah seorang dengan pada ke dari ini itu sedang",
    "Vietnamese": "một và trên của trong đang người với là",
}
_NAME_PARTICLES, _ENGLISH_WORDS, _BEGINNINGS = (
    frozenset(words.split()) for words in (_PARTICLES, _ENGLISH, _ARTICLES)
)
_BY_LANGUAGE = [frozenset(words.split()) for words in _SMALL_WORDS.values()]


def foreign_language(text: str) -> str:
    """A script or `another language`; empty for English and where it cannot be told.

    >>> foreign_language("ein Hund läuft über die Wiese"), foreign_language("собака бежит")
    ('another language', 'Cyrillic letters')
    >>> foreign_language("Oscar de la Hoya boxes in Los Angeles"), foreign_language("café, 2023 :-)")
    ('', '')
    """
    looked_at = unicodedata.normalize("NFKC", text[:_LOOKED_AT])
    return _script(looked_at) or _language(looked_at)


def _script(text: str) -> str:
    """The script of most letters where it is not the Latin one."""
    scripts = Counter(
        unicodedata.name(letter, "UNKNOWN").split()[0] for letter in text if letter.isalpha()
    )
    others = Counter({name: count for name, count in scripts.items() if name != "LATIN"})
    if 2 * others.total() <= scripts.total():
        return ""
    name = others.most_common(1)[0][0]
    return {"CJK": "Chinese or Japanese characters"}.get(name, f"{name.capitalize()} letters")


def _language(text: str) -> str:
    words = [word for word in _WORD.findall(text) if not (word.isupper() and len(word) > 1)]
    lower = {word.lower() for word in words}
    english = len(lower & _ENGLISH_WORDS)
    best = max(_weight(lower & small) for small in _BY_LANGUAGE)
    sure = best >= 2 and best > english
    if not sure and best and not english and len(words) >= 3:
        article = words[0].lower() in _BEGINNINGS and (words[0].islower() or words[1].islower())
        accents = any(not word.isascii() for word in words) and all(
            word.islower() for word in words[1:]
        )
        sure = article or accents
    return "another language" if sure else ""


def _weight(found: set[str]) -> int:
    """How many small words speak for a language."""
    return len(found - _NAME_PARTICLES) + bool(found & _NAME_PARTICLES)
