"""A note about another language comes where it is sure, and never for English, names, numbers or
pictures.
"""

import pytest

from finereel.text.languages import foreign_language

ENGLISH = [
    "dog",
    "a dog",
    "goal",
    "Los Angeles",
    "El Niño",
    "Rio de Janeiro",
    "Oscar de la Hoya boxes",
    "Ludwig van Beethoven",
    "Cirque du Soleil",
    "São Paulo carnival",
    "Champs-Élysées at night",
    "2023",
    "12:30",
    "iPhone 15 Pro",
    "😀 🎉",
    ":-)",
    "MIT students",
    "pain au chocolat",
    "crème brûlée dessert",
    "la la land",
    "De Niro",
    "Le Mans 24h race",
    "Björk concert",
    "Das Boot",
    "que sera sera",
    "Ein the corgi",
    "Una Stubbs acting",
    "van door opens",
    "L'Oréal ad",
    "jalapeño eating contest",
    "déjà vu",
    "en route",
    "au pair plays",
    "do re mi",
    "man die",
    "Vincent van Gogh painting",
    "Costa del Sol beach",
    "Real Madrid vs Barcelona",
    "x² + y",
    "people sit and talk in an asian language",
    "al pacino played in a gangster movie",
    "no smoking",
    "me and my dad",
    "U2 live",
]
OTHERS = {
    "another language": "ein Hund läuft im Park|Eine Frau tanzt am Strand|un chien court dans le "
    "parc|une femme danse|"
    "un perro corre en la playa|il cane corre nel parco|um cão corre na praia|een hond rent in het "
    "park|"
    "egy kutya fut a parkban|bir köpek parkta koşuyor|un câine aleargă în parc|một con chó đang "
    "chạy",
    "Cyrillic letters": "собака бежит|пес",
    "Chinese or Japanese characters": "犬が走る|狗",
    "Arabic letters": "كلب يجري",
    "Hebrew letters": "כלב רץ",
    "Greek letters": "σκύλος τρέχει",
    "Hangul letters": "강아지",
    "Devanagari letters": "कुत्ता दौड़ता है",
}
FOREIGN = [(text, said) for said, texts in OTHERS.items() for text in texts.split("|")]


@pytest.mark.parametrize("text", ENGLISH)
def test_no_false_alarm(text: str) -> None:
    assert foreign_language(text) == ""


@pytest.mark.parametrize(("text", "said"), FOREIGN)
def test_another_language_or_script_is_noticed(text: str, said: str) -> None:
    assert foreign_language(text) == said
