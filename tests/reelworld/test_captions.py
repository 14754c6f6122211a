"""Captions: a small independent parser reads the factors back, from every paraphrase."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finereel.reelworld import SPLITS, Scene, captions, sample_scene, short_captions, twins
from finereel.reelworld import vocabulary as words

PREPOSITION_OF = {facts.surface: name for name, facts in words.PREPOSITIONS.items()}
VERB_OF = {form: name for name, facts in words.VERBS.items() for form in (name, facts.progressive)}
THING = (
    rf"(?:(?:{'|'.join(words.LOOKS)}) )?(?:{'|'.join(words.COLOURS)}) (?:{'|'.join(words.NOUNS)})"
)
few = settings(max_examples=40)
seeds = st.integers(0, 10**9)
splits = st.sampled_from(SPLITS)


def parse(caption: str) -> dict[str, str | None]:
    """Factors that a full caption states. The reference is the thing right after the
    preposition.
    """
    text = re.sub(r",? against a (\w+) background$", "", caption).replace(",", "")
    surface = next(
        each for each in sorted(PREPOSITION_OF, key=len, reverse=True) if f" {each} " in f" {text} "
    )
    things = re.findall(THING, text)
    assert len(things) == 2, caption
    reference = re.search(rf"{surface} (?:a|the) ({THING})", text)
    assert reference, caption
    (main,) = [thing for thing in things if thing != reference[1]]
    parts = main.split()
    bare = text.replace(main, "").replace(reference[1], "").split()
    found = {
        "noun": parts[-1],
        "colour": parts[-2],
        "look": parts[0] if len(parts) == 3 else None,
        "verb": next(VERB_OF[word] for word in bare if word in VERB_OF),
        "adverb": next((word for word in bare if word in words.ADVERBS), None),
        "preposition": PREPOSITION_OF[surface],
    }
    return found | dict(
        zip(("reference_colour", "reference_noun"), reference[1].split(), strict=True)
    )


def stated(scene: Scene) -> dict[str, str | None]:
    names = ("noun", "colour", "look", "verb", "adverb", "preposition")
    found: dict[str, str | None] = {name: getattr(scene, name) for name in names}
    return found | {
        "reference_colour": scene.reference.colour,
        "reference_noun": scene.reference.noun,
    }


@few
@given(seeds, splits)
def test_every_paraphrase_states_every_factor(seed: int, split: str) -> None:
    scene = sample_scene(seed, split)
    said = captions(scene)
    assert len(set(said)) >= 4
    for caption in said:
        assert parse(caption) == stated(scene), caption


@few
@given(seeds, splits)
def test_a_twin_caption_is_true_of_the_twin_and_false_of_the_scene(seed: int, split: str) -> None:
    scene = sample_scene(seed, split)
    for template in range(len(captions(scene))):
        for twin in twins(scene, template):
            assert parse(twin.caption) == stated(twin.scene)
            changed = {
                name for name, value in stated(scene).items() if value != stated(twin.scene)[name]
            }
            assert changed == {twin.pos} or (
                twin.pos == "adjective" and changed in ({"look"}, {"colour"})
            )


@few
@given(seeds, splits)
def test_english_is_clean(seed: int, split: str) -> None:
    scene = sample_scene(seed, split)
    for caption in (*captions(scene), *short_captions(scene)):
        assert re.fullmatch(r"[a-z]+,?( [a-z]+,?)*", caption), caption
        assert not re.search(r"\ba [aeiou]", caption), caption
        assert not caption.endswith(",")


@few
@given(seeds, splits)
def test_short_captions_are_true_and_say_less(seed: int, split: str) -> None:
    scene = sample_scene(seed, split)
    travels = words.VERBS[scene.verb].travels
    other_nouns = set(words.NOUNS) - {scene.noun, scene.reference.noun}
    other_verbs = set(VERB_OF) - {form for form, name in VERB_OF.items() if name == scene.verb}
    for caption in short_captions(scene):
        said = set(caption.split())
        assert not said & other_nouns
        assert not said & set(words.COLOURS) - {scene.colour, scene.reference.colour}
        assert not said & other_verbs
        assert not said & (set(words.ADVERBS) - {scene.adverb})
        assert travels or not said & {"moves", "moving"}
        assert caption not in captions(scene)


def test_a_scene_without_adverb_or_look_leaves_no_gap() -> None:
    scene = replace(sample_scene(1, "train"), adverb=None, look=None)
    for caption in captions(scene):
        assert "  " not in caption
        assert "None" not in caption


@pytest.mark.parametrize("adverb", sorted(words.LATE_ADVERBS))
def test_late_adverbs_never_stand_before_the_verb(adverb: str) -> None:
    scene = replace(sample_scene(1, "train"), adverb=adverb)
    for caption in captions(scene):
        found = caption.replace(",", "").split()
        verb = next(place for place, word in enumerate(found) if word in VERB_OF)
        assert found.index(adverb) > verb
