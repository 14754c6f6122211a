"""Questions and answers as statements: by hand for every kind of question, and for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import QueryError
from finereel.text.alternatives import named_alternatives, tokens
from finereel.text.statements import Statement, options_of, statements, third_person

NAMED = {
    "is the man running or walking?": ["the man is running", "the man is walking"],
    "does the dog run or walk?": ["the dog runs", "the dog walks"],
    "does the man open the door or the window?": [
        "the man opens the door",
        "the man opens the window",
    ],
    "Is the car red or blue?": ["the red car", "the blue car"],
    "is the man with the hat old or young?": [
        "the old man with the hat",
        "the young man with the hat",
    ],
    "is the small car in the street red or blue?": [
        "the small red car in the street",
        "the small blue car in the street",
    ],
    "is the man wearing red or blue?": ["the man is wearing red", "the man is wearing blue"],
    "is the red or blue car big?": ["the red car is big", "the blue car is big"],
    "is it red or blue?": ["it is red", "it is blue"],
    "is the door open or closed?": ["the door is open", "the door is closed"],
    "is there a dog or a big cat on the table?": [
        "there is a dog on the table",
        "there is a big cat on the table",
    ],
    "are there two or three dogs?": ["there are two dogs", "there are three dogs"],
    "is the man wearing a hat or a cap?": ["the man is wearing a hat", "the man is wearing a cap"],
    "is the dog behind or in front of the car?": [
        "the dog is behind the car",
        "the dog is in front of the car",
    ],
    "is the kite to the left of the star or to the right of the star?": [
        "the kite is to the left of the star",
        "the kite is to the right of the star",
    ],
    "is the ball to the left or right of the tree?": [
        "the ball is to the left of the tree",
        "the ball is to the right of the tree",
    ],
    "is the ball to the left or to the right of the tree?": [
        "the ball is to the left of the tree",
        "the ball is to the right of the tree",
    ],
    "is the man or the woman running?": ["the man is running", "the woman is running"],
    "is the red or blue car moving?": ["the red car is moving", "the blue car is moving"],
    "is he eating an apple or drinking water?": ["he is eating an apple", "he is drinking water"],
    "is the tall man dressed in red or blue?": [
        "the tall man is dressed in red",
        "the tall man is dressed in blue",
    ],
    "does the red kite zigzag slowly or quickly?": [
        "the red kite zigzags slowly",
        "the red kite zigzags quickly",
    ],
    "has the man fallen or jumped?": ["the man has fallen", "the man has jumped"],
    "can you see a dog or a cat?": ["there is a dog", "there is a cat"],
    "is the man running?": ["the man is running", "the man is not running"],
    "does the man run?": ["the man runs", "the man does not run"],
    "isn't he tired?": ["he is tired", "he is not tired"],
    "what colour is the car: red, blue, or green?": [
        "the red car",
        "the blue car",
        "the green car",
    ],
    "which is bigger, the cat or the dog?": ["the cat is bigger", "the dog is bigger"],
    "red or blue car?": ["red car", "blue car"],
}

ANSWERED = [
    ("what colour is the car?", "red", "the red car"),
    ("what colour is the small car in the street?", "red", "the small red car in the street"),
    ("what color is it?", "red", "it is red"),
    ("What color hat is the man wearing?", "red", "the man is wearing a red hat"),
    ("what is the man doing?", "running", "the man is running"),
    ("what is the man doing?", "runs", "the man runs"),
    ("what is the man doing in the kitchen?", "cooking", "the man is cooking in the kitchen"),
    ("what are the people doing?", "dance", "the people dance"),
    ("what does the small red car do?", "hops", "the small red car hops"),
    ("what's the man holding in his hand?", "a cup", "the man is holding a cup in his hand"),
    ("what does the man hold?", "a cup", "the man holds a cup"),
    ("what is on the table?", "a cup", "a cup is on the table"),
    ("what is the weather like?", "sunny", "the weather is sunny"),
    ("who is running?", "a man", "a man is running"),
    ("who opens the door?", "a man", "a man opens the door"),
    ("what jumps over the fence?", "a dog", "a dog jumps over the fence"),
    ("which animal is running?", "a dog", "a dog is running"),
    ("what kind of animal is it?", "a dog", "it is a dog"),
    ("who is the man talking to?", "a woman", "the man is talking to a woman"),
    ("where is the man?", "kitchen", "the man is in the kitchen"),
    ("where is the man?", "under a tree", "the man is under a tree"),
    ("where is the man sitting?", "left", "the man is sitting on the left"),
    ("where does the man sit?", "on a chair", "the man sits on a chair"),
    ("in which room is the man?", "the kitchen", "the man is in the kitchen"),
    ("how many dogs are there in the park?", "two", "there are two dogs in the park"),
    ("how many dogs are running?", "two", "two dogs are running"),
    ("how many dogs does the man have?", "two", "the man has two dogs"),
    ("how many people can you see?", "3", "there are 3 people"),
    ("how is the man running?", "slowly", "the man is running slowly"),
    ("how fast does the car move?", "slowly", "the car moves slowly"),
    ("which way does the car move?", "left", "the car moves left"),
    ("why is he crying?", "because he is sad", "he is crying because he is sad"),
    ("is the man running?", "walking", "the man is walking"),
    ("the man is ___", "tired", "the man is tired"),
]


@pytest.mark.parametrize("question", NAMED)
def test_answers_that_the_question_names(question: str) -> None:
    found = statements(question, options_of(question))
    assert [statement.text for statement in found] == NAMED[question]
    assert {statement.form for statement in found} == {"rewritten"}


@pytest.mark.parametrize(("question", "option", "text"), ANSWERED)
def test_answers_that_are_given(question: str, option: str, text: str) -> None:
    assert statements(question, [option]) == (Statement(option, text, "rewritten"),)


def test_answers_of_several_words_are_found_in_the_question() -> None:
    question = "is the film in black and white or in colour?"
    options = ["in colour", "in black and white"]
    texts = [statement.text for statement in statements(question, options)]
    assert texts == ["the film is in colour", "the film is in black and white"]
    words = tokens(question)
    found = named_alternatives(words, options)
    assert found is not None
    assert words[: found.start] == ["is", "the", "film"]


@pytest.mark.parametrize(
    ("question", "option"),
    [
        ("what happens?", "a man runs"),
        ("what can be seen in this video?", "cooking"),
        ("is the man running or walking?", "the man is sleeping"),
        ("what does the man do?", "he opens a door"),
        ("where is the man?", "there are two men"),
    ],
)
def test_a_statement_stays_as_it_is(question: str, option: str) -> None:
    assert statements(question, [option]) == (Statement(option, option, "given"),)


@pytest.mark.parametrize("question", ["why?", "whatever, man", "", "running?"])
def test_unknown_questions_stand_before_the_answer_and_say_so(question: str) -> None:
    (found,) = statements(question, ["a dog"])
    assert found.form == "joined"
    assert found.text.endswith("a dog")
    assert found.text.startswith(question.rstrip("?"))


def test_no_is_marked_as_a_denial() -> None:
    yes, no = statements("is it raining?", ["Yes", "no"])
    assert (yes.text, yes.denied) == ("it is raining", False)
    assert (no.text, no.denied) == ("it is not raining", True)


@pytest.mark.parametrize(
    "question", ["where is the dog?", "is he singing or is she?", "", "dogs", "what, or is"]
)
def test_questions_that_name_no_answer(question: str) -> None:
    assert options_of(question) == ()


@pytest.mark.parametrize("option", ["", "  ", "?"])
def test_an_empty_answer_is_refused(option: str) -> None:
    with pytest.raises(QueryError, match="needs a word"):
        statements("who runs?", [option])


WORDS = tokens(
    "is are does do has can what which who where how why many colour the a his left to of or and "
    "man dogs it there you see running runs run red slowly on in , : ___ yes no not's isn't what's"
)
QUESTIONS = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), st.text(max_size=40)
)
OPTIONS = st.one_of(
    st.lists(st.sampled_from(["a", "red", "dog", "in", "runs", "it", "is"]), min_size=1, max_size=4)
    .map(" ".join)
    .filter(str.strip),
    st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=12),
)


@given(QUESTIONS, st.lists(OPTIONS, min_size=1, max_size=4))
def test_any_question_gives_statements_with_their_answers(
    question: str, options: list[str]
) -> None:
    if not all(option.replace("?", " ").split() for option in options):
        return
    found = statements(question, options)
    assert [statement.option for statement in found] == options
    for statement in found:
        assert "?" not in statement.text
        assert "\0" not in statement.text
        plain = " ".join(statement.option.replace("?", " ").split())
        first, *others = plain.split()
        verb = " ".join([third_person(first), *others])
        assert plain.lower() in ("yes", "no") or plain in statement.text or verb in statement.text


@given(QUESTIONS)
def test_the_answers_of_a_question_differ_and_hold_words(question: str) -> None:
    options = options_of(question)
    assert len(set(options)) == len(options) != 1
    for statement in statements(question, options):
        assert statement.text.strip()
