"""Scorers without eyes: n-grams by hand, pair metrics by brute force, and that nobody learns from
their own video.
"""

import math
from collections.abc import Iterable
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.data.base import Caption
from finereel.errors import ConfigError, DataError
from finereel.finegrain.blind import (
    SCORERS,
    TEXT_SCORERS,
    NGrams,
    TextOnlyScores,
    blind_scores,
    measure,
    measure_groups,
    remembering,
    text_scorer,
)
from finereel.finegrain.blind.learned import differences, fit
from finereel.finegrain.blind.ngrams import words
from finereel.finegrain.blind.others import REFINED, blocks, evaluating_part, part_of, refining_part
from made_negatives import swap, told

TEXTS = st.lists(st.text(max_size=40), min_size=1, max_size=8)


def test_witten_bell_by_hand() -> None:
    # Counts with one added: a 3, b 2, the end 3, the unknown 1; 9 in all.
    model = NGrams(["a b", "a"], order=2)
    a, b, end, unknown = 3 / 9, 2 / 9, 3 / 9, 1 / 9
    after_begin = (2 + 1 * a) / 3, 1 * b / 3
    after_a = {"b": (1 + 2 * b) / 4, "end": (1 + 2 * end) / 4}
    after_b = (1 + 1 * end) / 2
    assert math.isclose(model.score(["a b"])[0], math.log(after_begin[0] * after_a["b"] * after_b))
    assert math.isclose(model.score(["z"])[0], math.log(1 * unknown / 3 * end))
    assert math.isclose(model.score(["b"])[0], math.log(after_begin[1] * after_b))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_of_all_sentences_sum_to_one(order: int) -> None:
    model = NGrams(["a", "b"], order)
    # A sentence of the unknown word repeated n times falls off geometrically; so does every longer
    # one.
    sentences = [" ".join(words) for length in range(9) for words in product("abz", repeat=length)]
    mass = np.exp(model.score(sentences))
    longest = mass[[sentence.count(" ") == 7 for sentence in sentences]].sum()
    before = mass[[sentence.count(" ") == 6 for sentence in sentences]].sum()
    rest = longest * (longest / before) / (1 - longest / before)
    assert mass.sum() + rest == pytest.approx(1.0, abs=1e-3)


def test_order_of_words_matters_only_from_two_on() -> None:
    captions = ["a man runs", "a dog runs"]
    mixed = ["a dog runs", "runs a dog"]
    assert np.ptp(NGrams(captions, order=1).score(mixed)) == 0
    assert np.diff(NGrams(captions, order=3).score(mixed))[0] < 0


def test_an_order_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="from 1 to 3, got 4"):
        NGrams([], order=4)


@pytest.mark.parametrize("name", TEXT_SCORERS)
@given(train=TEXTS, texts=TEXTS)
def test_every_scorer_says_something_finite_of_any_text(
    name: str, train: list[str], texts: list[str]
) -> None:
    scorer = text_scorer(name, train)
    scores = scorer.score(texts)
    assert scores.shape == (len(texts),)
    assert np.isfinite(scores).all()
    assert np.array_equal(scorer.score(texts[::-1]), scores[::-1])


@pytest.mark.parametrize("name", TEXT_SCORERS)
def test_hostile_texts(name: str) -> None:
    scorer = text_scorer(
        name, ["", "\x00\x1b[31m", "<b>man</b>", "=1+1", "人 走", "word " * 10_000]
    )
    assert np.isfinite(scorer.score(["", "x " * 10_000, "\ud800", "人", "=cmd()"])).all()
    assert scorer.score([]).shape == (0,)


@given(st.text(max_size=200))
def test_words_are_lower_case_and_without_spaces(text: str) -> None:
    assert all(word == word.lower() and not any(map(str.isspace, word)) for word in words(text))


def test_measure_by_brute_force() -> None:
    random = np.random.default_rng(3)
    groups = np.repeat(np.arange(40), random.integers(1, 9, 40))
    scores = TextOnlyScores(
        random.integers(0, 4, 40)[groups] + 0.0, random.integers(0, 4, len(groups)) + 0.0
    )
    result = measure_groups(groups, scores)
    ranks, firsts, chances = [], [], []
    for group in range(40):
        mine = scores.positive[groups == group][0]
        others = scores.negative[groups == group]
        above, ties = int((others > mine).sum()), int((others == mine).sum())
        ranks.append(np.mean([1 / (above + place) for place in range(1, ties + 2)]))
        firsts.append((above == 0) / (ties + 1))
        chances.append(np.mean([1 / place for place in range(1, len(others) + 2)]))
    assert math.isclose(result.mrr, float(np.mean(ranks)))
    assert math.isclose(result.r1, float(np.mean(firsts)))
    assert math.isclose(result.chance_mrr, float(np.mean(chances)))
    gap = scores.gap
    assert math.isclose(result.auc, float(((gap > 0) + 0.5 * (gap == 0)).mean()))
    assert (result.groups, result.pairs) == (40, len(groups))


def test_who_ties_everything_is_at_chance() -> None:
    result = measure_groups(
        np.repeat(np.arange(5), 20), TextOnlyScores(np.zeros(100), np.zeros(100))
    )
    assert result.auc == 0.5
    assert result.ties == 1.0
    assert math.isclose(result.mrr, result.chance_mrr)
    assert round(result.chance_mrr, 4) == 0.1736
    assert math.isclose(result.r1, 1 / 21)


def test_nothing_and_nan_are_refused() -> None:
    with pytest.raises(DataError, match="got none"):
        measure([], TextOnlyScores(np.zeros(0), np.zeros(0)))
    with pytest.raises(DataError, match="first in row 2"):
        measure_groups(np.array([0, 0]), TextOnlyScores(np.zeros(2), np.array([0.0, np.nan])))


def test_captions_of_one_part_of_speech_are_a_group() -> None:
    rows = [swap("a man runs", "man", "dog"), swap("a man runs", "runs", "sits", pos="verb")]
    assert measure(rows, TextOnlyScores(np.zeros(2), np.array([1.0, -1.0]))).groups == 2


def test_training_captions_are_of_other_videos() -> None:
    rows = [swap("a man runs", "man", "dog", video=f"v{n}") for n in range(30)]
    captions = [Caption(row.caption_id, row.video_id, f"{row.video_id} says") for row in rows]
    for extra, protocol in ((0, "folds"), (40, "others")):
        found = list(blocks(rows, [*captions, *told(*["more"] * extra)]))
        assert {block.protocol for block in found} == {protocol}
        assert sorted(int(index) for block in found for index in block.rows) == list(range(30))
        for block in found:
            inside = {rows[int(index)].video_id for index in block.rows}
            assert not inside & {text.split()[0] for text in block.train}


def test_balanced_rows_are_judged_by_the_third_part() -> None:
    from dataclasses import replace

    rows = [
        replace(swap("a man runs", "man", "dog", video=f"v{n}"), scores={REFINED: 0.1})
        for n in range(30)
    ]
    captions = [Caption(row.caption_id, row.video_id, f"{row.video_id} says") for row in rows]
    for block in blocks(rows, captions):
        part = {part_of(rows[int(index)].video_id, 3) for index in block.rows}
        read = {part_of(text.split()[0], 3) for text in block.train}
        assert read == {evaluating_part(*part)}
        assert not read & {*part, refining_part(*part)}


def test_learned_finds_the_generator_and_nothing_where_there_is_nothing() -> None:
    random = np.random.default_rng(0)
    verbs = [f"v{n}s" for n in range(30)]
    told_by_a_word, fair = [], []
    for n in range(300):
        truth, other = random.choice(verbs, 2, replace=False)
        told_by_a_word.append(
            swap(f"a man {truth} here", truth, "anulom", video=f"x{n}", pos="verb")
        )
        fair.append(swap(f"a man {truth} here", truth, str(other), video=f"x{n}", pos="verb"))
    for rows, low, high in ((told_by_a_word, 0.99, 1.0), (fair, 0.38, 0.62)):
        result = measure(rows, blind_scores(rows, names=["learned"])["learned"])
        assert low <= result.auc <= high


def test_learned_weights_are_where_the_gradient_vanishes() -> None:
    random = np.random.default_rng(1)
    vocabulary = list("abcdefgh")
    captions = [" ".join(random.choice(vocabulary, 4)) for _ in range(200)]
    negatives = [" ".join(random.choice(vocabulary, 4)) for _ in range(200)]
    pairs = differences(captions, negatives)
    weights = fit(pairs)
    pull = 1 / (1 + np.exp(pairs.dot(weights)))
    gradient = weights - np.bincount(
        pairs.columns, pairs.values * pull[pairs.rows], minlength=pairs.features
    )
    assert np.abs(gradient).max() < 0.02
    assert np.abs(weights).max() > 0.1


def test_swapping_the_captions_swaps_the_answer() -> None:
    one, other = (
        differences(["a man runs"], ["a dog sits"]),
        differences(["a dog sits"], ["a man runs"]),
    )
    assert one.values.sum() == -other.values.sum() == 0
    assert len(one.values) == len(other.values) == 10


def test_what_was_trained_on_the_same_captions_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[list[str]] = []

    def unigram(captions: Iterable[str]) -> NGrams:
        trained.append(list(captions))
        return NGrams(trained[-1], order=1)

    monkeypatch.setitem(TEXT_SCORERS, "unigram", unigram)
    rows = [swap("a man runs", "man", "dog", video=f"v{n}") for n in range(20)]
    captions, train = told(*["a dog runs", "a man sits"] * 20), remembering()
    plain = blind_scores(rows, captions, ["unigram"])["unigram"]
    for _ in range(2):
        kept = blind_scores(rows, captions, ["unigram"], train)["unigram"]
        assert np.array_equal(kept.positive, plain.positive)
        assert np.array_equal(kept.negative, plain.negative)
    blocks_of_rows = len(list(blocks(rows, captions)))
    assert len(trained) == 2 * blocks_of_rows
    train("unigram", ["a dog"])
    assert trained[-1] == ["a dog"]


def test_unknown_names_are_told() -> None:
    with pytest.raises(ConfigError, match="unknown text-only scorer 'bigram': expected one of"):
        blind_scores([], names=["bigram"])
    with pytest.raises(ConfigError, match="learned"):
        text_scorer("learned", [])


def test_all_names_work_without_a_collection() -> None:
    rows = [
        swap(f"a man {verb} fast", "man", "dog", video=f"v{n}")
        for n, verb in enumerate(["runs", "sits"] * 6)
    ]
    scores = blind_scores(rows, names=SCORERS)
    assert tuple(scores) == SCORERS
    assert measure(rows, scores["length"]).ties == 1.0
    assert measure(rows, scores["unigram"]).auc == 1.0
