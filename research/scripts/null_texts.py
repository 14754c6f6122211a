"""Write the descriptions that confidence compares a query with: what people do and what is seen, with
words of the curated sets put in.

    python -m research.scripts.null_texts src/finereel/index/null_texts.txt

The same sets give the same texts. They must be as plausible as what people ask: descriptions whose
parts do not belong together fit every clip badly, and everything else then seems to fit.
"""

import random
from pathlib import Path
from typing import Annotated

import typer

from finereel.finegrain.types import PartOfSpeech
from finereel.finegrain.words.sets import load_sets
from finereel.io.atomic import write_file

COUNT = 400
PEOPLE = (
    *("a man", "a woman", "a person", "a girl", "a boy", "someone", "a guy", "a lady"),
    *("a young man", "a young woman", "an old man", "a little girl", "a child", "two men"),
)
SLOTS: dict[str, tuple[PartOfSpeech, tuple[str, ...]]] = {
    "animal": ("noun", ("animal",)),
    "body": ("noun", ("body_part",)),
    "colour": ("adjective", ("colour",)),
    "dish": ("noun", ("dish",)),
    "drink": ("noun", ("drink",)),
    "fruit": ("noun", ("fruit",)),
    "instrument": ("noun", ("instrument",)),
    "outdoors": ("noun", ("outdoors",)),
    "role": ("noun", ("role",)),
    "room": ("noun", ("room",)),
    "sport": ("noun", ("sport",)),
    "staple": ("noun", ("staple",)),
    "vehicle": ("noun", ("vehicle",)),
}
"""What a pattern names in braces: words of these curated sets."""

ACTIVITIES = """
    playing the {instrument}
    playing the {instrument} on a stage
    playing {sport}
    playing {sport} with friends
    playing a video game
    playing chess
    playing with a toy
    playing with a {animal}
    cooking {staple} in a pan
    cooking in a kitchen
    mixing ingredients in a bowl
    stirring a pot of soup
    cutting a {fruit}
    peeling a {fruit} with a knife
    chopping vegetables
    frying an egg
    baking a cake
    making a {dish}
    eating a {dish}
    eating {staple}
    drinking {drink}
    pouring {drink} into a glass
    drinking {drink} in a bar
    driving a car
    driving a {colour} {vehicle}
    repairing a {vehicle}
    washing a {vehicle}
    showing the inside of a car
    talking about a {vehicle}
    talking about a phone
    talking about food
    talking about a game
    talking to the camera
    talking on the phone
    talking to a {role}
    giving a speech
    giving an interview
    reading the news
    reading a book
    writing on a board
    drawing a picture
    painting a wall
    folding paper
    cutting paper with scissors
    singing a song
    singing on a stage
    singing into a microphone
    singing in a car
    dancing
    dancing in a {room}
    dancing on a stage
    dancing on a beach
    walking down a street
    walking in a {outdoors}
    walking with a {animal}
    walking through a building
    running in a race
    running on a beach
    jumping into a pool
    jumping over a wall
    swimming in a lake
    swimming in the ocean
    riding a bicycle
    riding a motorcycle
    riding a horse
    riding a skateboard
    climbing a tree
    climbing a mountain
    skiing down a hill
    surfing on a wave
    fishing in a river
    lifting weights
    exercising in a gym
    doing yoga
    wrestling in a ring
    fighting with a sword
    shooting a gun
    sleeping in a bed
    sitting on a couch
    sitting in a {room}
    lying on the grass
    laughing
    crying
    hugging a friend
    kissing a friend
    holding a baby
    holding a {animal}
    feeding a {animal}
    petting a {animal}
    washing dishes
    washing a {animal}
    ironing a shirt
    sewing a dress
    putting on makeup
    combing long hair
    brushing teeth
    cutting hair
    tying a shoe
    trying on a dress
    opening a box
    wrapping a present
    building a table
    using a computer
    using a camera
    fixing a laptop
    cleaning a {room}
    planting flowers in a garden
    watering plants
    looking out of a window
    rubbing a {body}
    getting a tattoo
    doing a magic trick
    doing a science experiment
    pointing at a map
    counting money
    buying vegetables at a market
    waiting for a bus
    standing in front of a house
    standing in the rain
    walking a dog in the park
    flying a kite
    throwing a ball
    kicking a ball
    blowing out candles
    lighting a fire
    digging in the sand
    building a snowman
"""
"""What a person does: "a man is ..."."""

SCENES = """
    a {animal} is eating
    a {animal} is sleeping
    a {animal} is running
    a {animal} is playing
    a {animal} in a cage
    two dogs are fighting
    a {colour} {animal}
    a {colour} car is driving down a road
    a {colour} {vehicle}
    a {vehicle} is moving
    a {vehicle} crashes
    a race between cars
    a cartoon of a {animal}
    a cartoon character is talking
    cartoon characters are dancing
    a scene from a movie
    a scene from a video game
    a character is running in a video game
    a trailer for a movie
    a commercial for {drink}
    a news report about a fire
    a weather report
    a talk show
    a cooking show
    a fashion show
    a music video
    a band is playing on a stage
    a crowd is cheering at a concert
    a {role} at work
    a {role} is talking
    a {role} and a child
    people are dancing at a wedding
    people are playing {sport}
    a {sport} match
    a player scores a goal
    people are eating in a restaurant
    people are walking in a city
    people are sitting in a {room}
    people are swimming in a pool
    people are marching in a parade
    a family is having dinner
    a group of friends is laughing
    students are sitting in a classroom
    children are playing in a park
    kids are singing
    a baby is crying
    a baby is laughing
    a boat on a lake
    a train arrives at a station
    an airplane is landing
    a rocket is flying into space
    the planets of the solar system
    a view of a {outdoors}
    a {outdoors} at night
    a waterfall in a forest
    mountains covered with snow
    clouds in a blue sky
    waves on a beach
    flowers in a garden
    a bowl of rice
    a plate with a {dish}
    a glass of {drink}
    a {fruit} on a table
    a tall building in a city
    an old castle
    a diagram on a screen
    words on a screen
"""
"""What is seen, without a person who does something."""


def words_of(slot: str) -> list[str]:
    """The words that the sets of a slot put in."""
    pos, names = SLOTS[slot]
    groups = [group for part in load_sets(pos) if part.name in names for group in part.groups]
    return [group.offered[0] for group in groups if group.offered]


def null_texts(count: int = COUNT, seed: int = 0) -> list[str]:
    """The first `count` different descriptions: activities and scenes in turn, two to one."""
    drawn = random.Random(seed)
    words = {slot: words_of(slot) for slot in SLOTS}
    doing = [line.strip() for line in ACTIVITIES.split("\n") if line.strip()]
    seen = [line.strip() for line in SCENES.split("\n") if line.strip()]
    found: dict[str, None] = {}
    while len(found) < count:
        patterns = [f"{drawn.choice(PEOPLE)} is {text}" for text in drawn.sample(doing, len(doing))]
        patterns += drawn.sample(seen, len(seen))
        for pattern in patterns:
            filled = pattern.format(**{slot: drawn.choice(some) for slot, some in words.items()})
            found.setdefault(_grammatical(filled))
    return list(found)[:count]


def _grammatical(text: str) -> str:
    """With "an" before vowels, and "are" after two.

    >>> _grammatical("two men is cutting a apple")
    'two men are cutting an apple'
    """
    words = text.split()
    for place, word in enumerate(words[:-1]):
        if word == "a" and words[place + 1][0] in "aeiou":
            words[place] = "an"
    return " ".join(words).replace("two men is", "two men are")


def main(path: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Write the descriptions, one per line."""
    write_file(path, "\n".join(null_texts()) + "\n")


if __name__ == "__main__":
    typer.run(main)
