"""Write the descriptions that confidence compares a query with: a small grammar over the curated word
sets.

    python -m research.scripts.null_texts src/finereel/index/null_texts.txt

The same sets give the same texts. What is described does not matter, as long as it is as varied and
as long as what people ask.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from finereel.finegrain.types import PartOfSpeech
from finereel.finegrain.words.inflection import inflect
from finereel.finegrain.words.sets import load_sets
from finereel.io.atomic import write_file

COUNT = 400


def words_of(pos: PartOfSpeech, *names: str) -> list[str]:
    """The words that the named sets put in; `set:heads` are the nouns that a set applies to."""
    sets = {part.name: part for part in load_sets(pos)}
    found: list[str] = []
    for name in names:
        own, _, heads = name.partition(":")
        if heads:
            found += sorted(word for word in sets[own].frame.heads if "." not in word)
        else:
            found += [word for group in sets[own].groups for word in group.offered]
    return list(dict.fromkeys(found))


def article(phrase: str) -> str:
    """With "a" or "an".

    >>> article("old man"), article("tractor")
    ('an old man', 'a tractor')
    """
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


class Grammar:
    """Draws one description after another. seed: of the draws."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def texts(self) -> Iterator[str]:
        """Every kind of description in turn, without end."""
        kinds: list[Callable[[], str]] = [
            *(self.moving, self.handling, self.playing, self.eating, self.vehicle, self.animal),
            *(self.scene, self.speaking, self.wearing, self.two, self.short, self.working),
        ]
        while True:
            for kind in kinds:
                yield kind()

    def one(self, pos: PartOfSpeech, *names: str) -> str:
        """A word of these sets."""
        return self._random.choice(words_of(pos, *names))

    def ing(self, verb: str) -> str:
        """As what is going on: "picking up"."""
        return inflect(verb, "VBG") or verb

    def who(self) -> str:
        """A person."""
        person = self._random.choice(
            [*words_of("noun", "gender", "child_gender"), *words_of("noun", "role")]
        )
        looks = ["", "", self.one("adjective", "age"), self.one("adjective", "mood", "height")]
        return article(f"{self._random.choice(looks)} {person}".strip())

    def place(self) -> str:
        """Where something happens."""
        indoors = f"in {article(self.one('noun', 'room', 'building'))}"
        outdoors = self.one("noun", "outdoors", "liquid_place")
        beside = self.one("preposition", "support", "building", "near_far")
        near = f"{beside} {article(self.one('noun', 'vehicle', 'building', 'furniture'))}"
        return self._random.choice([indoors, indoors, f"at the {outdoors}", near])

    def moving(self) -> str:
        """Somebody moves or stays somewhere."""
        verb = self.ing(self.one("verb", "gait", "posture", "rest_activity"))
        adverb = self._random.choice(["", "", f" {self.one('adverb', 'pace_after', 'company')}"])
        return f"{self.who()} is {verb}{adverb} {self.place()}"

    def handling(self) -> str:
        """Somebody does something to a thing."""
        name = self._random.choice(
            ["push_pull", "open_close", "throw_catch", "up_down", "fold", "wrap", "raise_lower"]
        )
        thing = self.one("verb", f"{name}:heads")
        return f"{self.who()} is {self.ing(self.one('verb', name))} the {thing}"

    def playing(self) -> str:
        """Music, sport or a game."""
        music = f"{self.who()} is playing the {self.one('noun', 'instrument')}"
        sport = f"people are playing {self.one('noun', 'sport')} {self.place()}"
        game = f"two {inflect(self.one('noun', 'role'), 'NNS')} play {self.one('noun', 'games')}"
        return self._random.choice([music, sport, game])

    def eating(self) -> str:
        """Food and drink."""
        dish = article(self.one("noun", "dish", "fruit"))
        cooks = f"{self.who()} is preparing {self.one('noun', 'staple')} in a kitchen"
        cuts = f"someone cuts {dish} with {article(self.one('noun', 'tool'))}"
        takes = f"{self.who()} is {self.ing(self.one('verb', 'eat_drink'))}"
        fitting = dish if takes.endswith("eating") else self.one("noun", "drink")
        return self._random.choice([cooks, cuts, f"{takes} {fitting}"])

    def vehicle(self) -> str:
        """A vehicle moves, or is handled."""
        look = self.one("adjective", "colour", "size", "clean")
        vehicle = self.one("noun", "vehicle")
        moves = f"{article(f'{look} {vehicle}')} moves {self.one('adverb', 'pace_after')}"
        handled = f"{self.who()} is {self.ing(self.one('verb', 'vehicle_handling'))}"
        return self._random.choice([f"{moves} {self.place()}", f"{handled} a {look} car"])

    def animal(self) -> str:
        """An animal."""
        animal = article(f"{self.one('adjective', 'colour', 'size')} {self.one('noun', 'animal')}")
        does = self.ing(self.one("verb", "gait", "fly_swim", "posture"))
        petted = f"{self.who()} is {self.ing(self.one('verb', 'pet_care'))}"
        return self._random.choice([f"{animal} is {does} {self.place()}", f"{petted} {animal}"])

    def scene(self) -> str:
        """A place and what it looks like."""
        ground = f"{self.one('adjective', 'sky')} {self.one('adjective', 'sky:heads')}"
        thing = f"{self.one('adjective', 'colour', 'size')} {self.one('noun', 'plant', 'building')}"
        return f"{article(thing)} {self.one('preposition', 'support')} {article(ground)}"

    def speaking(self) -> str:
        """Somebody talks or sings."""
        verb = self.ing(self.one("verb", "voice", "whisper", "talk_move"))
        event = self.one("noun", "event", "media")
        return f"{self.who()} is {verb} {self.one('adverb', 'volume', 'mood')} at a {event}"

    def wearing(self) -> str:
        """What somebody wears."""
        clothes = f"{self.one('adjective', 'colour')} {self.one('noun', 'dress', 'headgear')}"
        verb = self.ing(self.one("verb", "posture", "voice"))
        return f"{self.who()} in {article(clothes)} is {verb} {self.place()}"

    def two(self) -> str:
        """Two people."""
        verb = self.ing(self.one("verb", "affection"))
        return f"{self.who()} is {verb} {self.who()} {self.place()}"

    def short(self) -> str:
        """A few words."""
        look = self.one("adjective", "colour", "wet", "size")
        kinds = ["animal", "vehicle", "footwear", "weapon", "plant", "screen_device", "fruit"]
        one = article(f"{look} {self.one('noun', *kinds)}")
        doing = f"{self.one('noun', 'role')} {self.ing(self.one('verb', 'rest_activity'))}"
        return self._random.choice([one, doing])

    def working(self) -> str:
        """Somebody makes or repairs something."""
        name = self._random.choice(["build", "laundry", "write", "pour", "tie", "switch"])
        thing = self.one("verb", f"{name}:heads")
        return f"{self.who()} is {self.ing(self.one('verb', name))} the {thing} {self.place()}"


def null_texts(count: int = COUNT, seed: int = 0) -> list[str]:
    """The first `count` different descriptions."""
    found: dict[str, None] = {}
    for text in Grammar(seed).texts():
        found.setdefault(text)
        if len(found) == count:
            return list(found)
    raise AssertionError("the grammar has no end")


def main(path: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Write the descriptions, one per line."""
    write_file(path, "\n".join(null_texts()) + "\n")


if __name__ == "__main__":
    typer.run(main)
