"""Hard positives: replace one word of a caption by a synonym, so that it stays true. They measure
how brittle a model is.

The opposite rule to negatives: what stands in for a word is a word of the same meaning, from sets
that were read in captions (`finereel.finegrain.words.sets`), in the same form. After
Kamath et al. 2024, who show that tuning on hard negatives alone makes a model take every change for
a false one. Synonyms straight from WordNet will not do: dominant senses and the words of the
collection still let "potato" be "murphy" and a fashion show a manner show.

In memory a row is a `Negative` whose `negative` is the other wording, with the method "synonym". In
a file that field is called `positive`, so that no reader takes such a file for one of negatives.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from finereel.data.base import Caption
from finereel.finegrain.files.base import write_lines
from finereel.finegrain.files.jsonl import line_of
from finereel.finegrain.make.rejection import Collocations
from finereel.finegrain.make.sites import Site, find_sites, replace
from finereel.finegrain.types import Negative, PartOfSpeech
from finereel.finegrain.words.inflection import inflect
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.sets import Synonyms, phrase_book, synonyms_of
from finereel.finegrain.words.tagging.words import Token

METHOD, GENERATOR = "synonym", "synonym-2"
_GENITIVE = ("'", "’", "'s", "’s", "s")
_POS: tuple[PartOfSpeech, ...] = ("noun", "verb", "adjective")


class PositiveMaker:
    """Makes the hard positives of one caption at a time."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._collocations = Collocations(lexicon)

    def positives(self, row: Caption, tokens: Sequence[Token]) -> list[Negative]:
        """The caption in other words, one word changed at a time; the same every time."""
        said = Counter(token.text.lower() for token in tokens) + Counter(
            token.lemma for token in tokens if token.lemma != token.text.lower()
        )
        found: list[Negative] = []
        for pos in _POS:
            for site in find_sites(row.text, tokens, pos, phrase_book(pos)):
                for synonyms, lemma, form in self._swaps(site, said):
                    found.append(
                        self._row(
                            row, site, synonyms, (lemma, form, f"{row.id}/{METHOD}/{len(found)}")
                        )
                    )
        return found

    def _swaps(self, site: Site, said: Counter[str]) -> Iterator[tuple[Synonyms, str, str]]:
        """Synonyms of the word at the site, each in the form it takes there."""
        known = synonyms_of(site.pos).get(site.lemma)
        if (
            known is None
            or said[site.lemma] > 1
            or not self._is_regular(site)
            or self._collocations.protects(site)
        ):
            return
        for synonyms in known:
            if not (synonyms.compounds or not _in_compound(site)) or not synonyms.frame.fits(
                site, self._lexicon
            ):
                continue
            for lemma in synonyms.offered:
                form = inflect(lemma, site.tag) if site.pos in ("noun", "verb") else lemma
                if (
                    form
                    and not said[lemma]
                    and not said[form]
                    and not self._collocations.makes(site, form)
                ):
                    yield synonyms, lemma, form

    @staticmethod
    def _is_regular(site: Site) -> bool:
        """Whether the word is no name, stands in the form its tag asks for ("childs" does not) and
        is no plural in the genitive, which regular and irregular ones form in other ways ("kids'",
        "children's").
        """
        if site.pos == "adjective":
            return site.tag == "JJ"
        if site.tag in ("NNP", "NNPS") or (site.tag == "NNS" and site.word(1) in _GENITIVE):
            return False
        return site.source.lower() == inflect(site.lemma, site.tag)

    @staticmethod
    def _row(
        row: Caption, site: Site, synonyms: Synonyms, change: tuple[str, str, str]
    ) -> Negative:
        lemma, form, name = change
        edit = replace(row.text, site.start, site.end, form)
        return Negative.of(
            row,
            site.start,
            site.end,
            id=name,
            negative=edit.text,
            pos=site.pos,
            replacement=edit.written,
            method=METHOD,
            lemma=site.lemma,
            replacement_lemma=lemma,
            tag=site.tag,
            sense=(synonyms.name,),
            generator=GENERATOR,
        )


def _in_compound(site: Site) -> bool:
    """Whether a noun stands beside another, which may make one word of both ("car race", "toy
    car").
    """
    around = [
        *site.tokens[max(0, site.first - 1) : site.first],
        *site.tokens[site.last : site.last + 1],
    ]
    return site.pos == "noun" and any(
        token.pos == "noun" or token.tag.startswith("NN") for token in around
    )


def write_positives(rows: Iterable[Negative], path: Path) -> None:
    """A JSON object per line with the fields of the native form, `positive` in place of `negative`;
    the whole file appears or none.
    """
    write_lines((json.dumps(_renamed(row)) for row in rows), path)


def _renamed(row: Negative) -> dict[str, object]:
    values = json.loads(line_of(row))
    return {"positive" if name == "negative" else name: value for name, value in values.items()}
