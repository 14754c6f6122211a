"""The measurement of questions and paragraphs, on numbers known by hand and on a tiny model."""

import random

import numpy as np
import pytest
from research.scripts.ask import (
    LENGTHS,
    AskedVideos,
    VideoQuestion,
    _judged,
    area,
    measure_paragraphs,
    measure_questions,
    paragraphs,
    scene_questions,
)
from research.scripts.moments import Chain, unit

from finereel.reelworld import sample_scene, vocabulary
from finereel.text.statements import statements
from finereel.types import Frames
from tiny_models import tiny_model

KINDS = {"noun", "adjective", "verb", "adverb", "preposition"}


def test_right_answers_of_scenes_are_true_and_wrong_ones_false() -> None:
    seen = set()
    for number in range(40):
        scene = sample_scene(number, "test")
        for question in scene_questions(scene, number, random.Random(number)):
            seen.add(question.kind)
            right = question.options[question.right]
            others = [option for option in question.options if option != right]
            assert len(set(question.options)) == len(question.options) >= 2
            if question.kind == "adjective":
                assert right == scene.colour
                assert not {scene.colour, scene.reference.colour} & set(others)
            if question.kind == "noun":
                assert right == f"a {scene.noun}"
                assert f"a {scene.reference.noun}" not in others
            if question.kind == "preposition":
                assert right.startswith(vocabulary.PREPOSITIONS[scene.preposition].surface)
            made = statements(question.text, question.options)
            assert {statement.form for statement in made} == {"rewritten"}
            assert len({statement.text for statement in made}) == len(made)
    assert seen == KINDS


def test_an_answer_is_judged_by_its_own_video_and_by_the_others() -> None:
    question = VideoQuestion("noun", "what?", ("a", "b", "c"), 1, 0)
    scores = np.array([[1.0, 4.0, 4.0, 1.0], [3.0, 1.0, 3.0, 5.0], [2.0, 0.0, 0.0, 0.0]])
    found = _judged(question, scores)
    assert found.right
    assert not found.blind or scores[1, 1:].mean() > scores[0, 1:].mean()
    assert found.margin == 1.0
    assert found.share == pytest.approx(1 / (1 + np.exp(-1.0) + np.exp(-2.0)))
    assert found.p == 1.0  # the second one is ahead by 1 or more on all others: 1, 3 and 5
    wrong = _judged(VideoQuestion("noun", "what?", ("a", "b", "c"), 0, 0), scores)
    assert not wrong.right


def test_the_area_counts_ties_half() -> None:
    right = np.array([True, False, True])
    assert area(np.array([2.0, 1.0, 1.0]), right) == 0.75


def test_paragraphs_are_neighbours_of_one_video() -> None:
    chain = Chain(None, None, 1.0, ("a", "b", "c"), None, ())  # type: ignore[arg-type]
    assert paragraphs([chain, chain], 2) == [
        (0, ("a", "b")),
        (0, ("b", "c")),
        (1, ("a", "b")),
        (1, ("b", "c")),
    ]


def test_both_measurements_run_and_print_their_tables(capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_model()
    rng = np.random.default_rng(0)
    side = model.encoder.image_size
    videos = model.encode_video(
        [
            Frames(rng.integers(0, 256, (2, side, side, 3), dtype=np.uint8), np.arange(2.0))
            for _ in range(6)
        ]
    )
    questions = [
        VideoQuestion("noun", "what runs?", ("a dog", "a cat"), n % 2, n) for n in range(6)
    ]
    measure_questions(model, AskedVideos(videos, questions))
    names = ("a dog", "a cat", "a car", "a boat", "a cup")
    frames = unit(videos.frames[videos.frame_mask])
    queries = unit(model.encode_text(names).sentence)
    chain = Chain(frames, np.arange(len(frames), dtype=float), 12.0, names, queries, ())
    for length in LENGTHS:
        measure_paragraphs(model, [chain, chain], length)
    printed = capsys.readouterr().out
    assert "| noun, 6 | 50.0 |" in printed
    for row in ("strong", "one long text", "any order, close together", "one after the other"):
        assert f"| {row} |" in printed
    # Two equal videos: the right one is never alone in the first place.
    assert printed.count("| one after the other | 0.0 ") == len(LENGTHS)
