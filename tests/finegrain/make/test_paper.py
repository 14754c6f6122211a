"""The paper's generator: its order, its forms, its faults."""

from generating import TAG, context_of, rows_of

from finereel.finegrain.make.generate import prepare
from finereel.finegrain.make.paper import PaperGenerator, any_antonyms, harvest
from finereel.finegrain.make.settings import GeneratorSettings
from finereel.finegrain.types import Negative

CAPTION = "A man is standing near a man inside the house slowly"
VOCABULARY = harvest(map(TAG, [CAPTION, "two red dogs run quickly with togetehr"]))


def made(caption: str = CAPTION, **settings: object) -> list[Negative]:
    rows = rows_of(caption)
    chosen = GeneratorSettings(mode="paper", **settings)
    return PaperGenerator(context_of(rows), chosen, VOCABULARY).negatives(rows[0], TAG(caption))


def test_antonyms_then_sisters_then_vocabulary() -> None:
    order = {"antonym": 0, "sister": 1, "vocabulary": 2}
    for pos in ("noun", "verb", "adverb", "preposition"):
        methods = [order[row.method] for row in made(parts_of_speech=(pos,))]
        assert methods == sorted(methods)
        assert methods
    nouns = [row for row in made() if row.pos == "noun"]
    assert len(nouns) == 20
    assert (nouns[0].replacement, nouns[0].method) == ("woman", "antonym")


def test_nothing_is_inflected_and_underscores_stay() -> None:
    verbs = [row.replacement for row in made(parts_of_speech=("verb",), per_caption=200)]
    assert "lie" in verbs
    assert not [verb for verb in verbs if verb.endswith("ing")]
    assert any("_" in row.replacement for row in made(parts_of_speech=("noun",), per_caption=400))


def test_prepositions_need_an_antonym() -> None:
    assert {row.source for row in made(parts_of_speech=("preposition",))} <= {"near", "inside"}
    assert made("a man sits at a desk", parts_of_speech=("preposition",)) == []


def test_the_legacy_option_changes_every_occurrence() -> None:
    first = next(row for row in made("a man sees a man") if row.replacement == "woman")
    legacy = next(
        row for row in made("a man sees a man", legacy=True) if row.replacement == "woman"
    )
    assert first.negative == "a woman sees a man"
    assert legacy.negative == "a woman sees a woman"
    assert legacy.caption[legacy.start : legacy.end] == "man"


def test_any_sense_any_part_of_speech() -> None:
    assert set(any_antonyms("up", context_of(rows_of("x")).lexicon)) >= {"down"}


def test_rows_differ_from_caption_and_one_another() -> None:
    rows = made(per_caption=50)
    assert (
        len({(row.pos, row.negative) for row in rows}) == len(rows) == len({row.id for row in rows})
    )
    assert CAPTION not in {row.negative for row in rows}
    assert rows == made(per_caption=50)


def test_a_vocabulary_is_harvested_from_the_captions() -> None:
    prepared = prepare(context_of(rows_of(CAPTION)), GeneratorSettings(mode="paper"))
    assert prepared.vocabulary["noun"] == ("house", "man")
    assert prepare(context_of(rows_of(CAPTION)), GeneratorSettings()).vocabulary == {}
