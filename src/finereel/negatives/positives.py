"""Hard positives: a caption with one word in other words, still true. A model that takes it for false is brittle.

The opposite rule to negatives: a synonym of the word's dominant sense that has this sense as its own dominant one, is
used by the collection itself and stands in the same form. After Kamath et al. 2024, who show that tuning on hard
negatives alone makes a model take every change for a false one.

In memory a row is a `Negative` whose `negative` is the other wording, with the method "synonym". In a file that field
is called `positive`, so that no reader takes such a file for one of negatives.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from finereel.negatives.collocations import Collocations
from finereel.negatives.context import Context
from finereel.negatives.edit import replace
from finereel.negatives.files.base import write_lines
from finereel.negatives.files.jsonl import line_of
from finereel.negatives.inflection import inflect
from finereel.negatives.sets import phrase_book
from finereel.negatives.sites import Site, find_sites
from finereel.negatives.tagging.words import Token
from finereel.negatives.types import CaptionRow, Negative, PartOfSpeech

METHOD, GENERATOR = "synonym", "synonym-1"
_POS: tuple[PartOfSpeech, ...] = ("noun", "verb", "adjective")
_DOMINANT = 0.6  # share of its first sense among a word's counted ones, from where on that sense is taken for meant
_USED = 3  # times the collection says a word before it is taken for one of its own
_RATIO = 0.01  # of the times it says the other: "red" is seldom called "cherry"
# Synonyms in WordNet that do not stand in one another's place ("people" and "someone"), or not for what is seen.
_STOPPED = frozenset(
    ["someone", "somebody", "mortal", "soul", "individual", "person", "mode", "game", "back", "effect"]
)


class PositiveMaker:
    """Makes the hard positives of one caption at a time.

    context: all captions, for which words the collection uses.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lexicon = context.lexicon
        self._collocations = Collocations(context.lexicon)

    def positives(self, row: CaptionRow, tokens: Sequence[Token]) -> list[Negative]:
        """The caption in other words, one word changed at a time; the same every time."""
        found: list[Negative] = []
        for pos in _POS:
            for site in find_sites(row.caption, tokens, pos, phrase_book(pos)):
                if self._collocations.protects(site) is None:
                    found += [
                        self._row(row, site, synonym, form, f"{row.id}/{METHOD}/{len(found) + number}")
                        for number, (synonym, form) in enumerate(self._swaps(site))
                    ]
        return found

    def _swaps(self, site: Site) -> Iterator[tuple[str, str]]:
        """Synonyms of the word at the site, each in the form it takes there."""
        sense = self._lexicon.dominant(site.lemma, site.pos)
        if sense is None or not self._is_plain(site.lemma, site.pos):
            return
        for synonym in sense.lemmas:
            same = self._lexicon.dominant(synonym, site.pos) is sense
            if synonym == site.lemma or not same or not self._is_plain(synonym, site.pos):
                continue
            form = inflect(synonym, site.tag) if site.pos in ("noun", "verb") else synonym
            if form and self._is_used(form, site) and not self._has_ending(site):
                yield synonym, form

    def _is_plain(self, lemma: str, pos: PartOfSpeech) -> bool:
        """Whether a word is one word and mostly means its first sense."""
        return (
            lemma.isalpha()
            and lemma not in _STOPPED
            and not lemma.endswith("ish")
            and self._lexicon.dominance(lemma, pos) >= _DOMINANT
        )

    def _is_used(self, form: str, site: Site) -> bool:
        """Whether the collection says it, and not far less often than the word it replaces."""
        used = self._context.words[form.lower()]
        return used >= max(_USED, _RATIO * self._context.words[site.source.lower()])

    @staticmethod
    def _has_ending(site: Site) -> bool:
        """Whether an adjective is compared, which synonyms do in other ways."""
        return site.pos == "adjective" and site.tag[2:] in ("R", "S")

    @staticmethod
    def _row(row: CaptionRow, site: Site, synonym: str, form: str, name: str) -> Negative:
        edit = replace(row.caption, site.start, site.end, form)
        return Negative(
            id=name,
            video_id=row.video_id,
            caption_id=row.id,
            caption=row.caption,
            negative=edit.text,
            pos=site.pos,
            start=site.start,
            end=site.end,
            source=site.source,
            replacement=edit.text[edit.start : edit.end],
            method=METHOD,
            lemma=site.lemma,
            replacement_lemma=synonym,
            tag=site.tag,
            pair="|".join(sorted((site.lemma, synonym))),
            generator=GENERATOR,
        )


def write_positives(rows: Iterable[Negative], path: Path) -> None:
    """A JSON object per line with the fields of the native form, `positive` in place of `negative`; the whole file
    appears or none."""
    write_lines((json.dumps(_renamed(row)) for row in rows), path)


def _renamed(row: Negative) -> dict[str, object]:
    values = json.loads(line_of(row))
    return {"positive" if name == "negative" else name: value for name, value in values.items()}
