"""The bag of words: no order, no padding, no ends; what weighs nothing says nothing."""

import pytest
import torch

from finereel.models.encoders.bag_of_words import BagOfWords, token_weights

START, END, PAD = 8, 9, 0
WEIGHTS = torch.tensor([5.0, 1.0, 2.0, 3.0, 0.0, 1.0, 1.0, 1.0, 7.0, 7.0])


def bag() -> BagOfWords:
    torch.manual_seed(0)
    made = BagOfWords(10, 4)
    torch.nn.init.normal_(made.vectors.weight)
    torch.nn.init.normal_(made.bias)
    made.weights.copy_(WEIGHTS)
    return made


def row(*words: int, width: int = 7) -> torch.Tensor:
    ids = [START, *words, END]
    return torch.tensor([ids + [PAD] * (width - len(ids))])


def test_a_sentence_is_the_weighted_mean_of_its_words_and_a_bias() -> None:
    made = bag()
    wanted = (1.0 * made.vectors.weight[1] + 2.0 * made.vectors.weight[2]) / 5**0.5 + made.bias
    torch.testing.assert_close(made(row(1, 2))[0][0], wanted)


def test_order_padding_ends_and_weightless_words_change_nothing() -> None:
    made = bag()
    wanted = made(row(1, 2))[0]
    for same in (row(2, 1), row(1, 2, width=5), row(1, 4, 2)):
        torch.testing.assert_close(made(same)[0], wanted)
    poisoned = row(1, 2)
    poisoned[0, 4:] = 3
    torch.testing.assert_close(made(poisoned)[0], wanted)


def test_the_token_that_pads_counts_where_it_is_a_word() -> None:
    assert token_weights(row(PAD, 1), WEIGHTS)[0, 1] > 0


@pytest.mark.parametrize("ids", [row(), row(4), torch.zeros(0, 7, dtype=torch.int64)])
def test_texts_without_a_telling_word_are_the_bias(ids: torch.Tensor) -> None:
    made = bag()
    sentence, words = made(ids)
    assert words.shape == (*ids.shape, 4)
    torch.testing.assert_close(sentence, made.bias.expand(len(ids), 4))


def test_every_parameter_gets_a_gradient() -> None:
    made = bag()
    made(row(1, 2, 3))[0].square().sum().backward()
    assert made.bias.grad is not None
    assert made.bias.grad.abs().min() > 0
    assert made.vectors.weight.grad is not None
    assert made.vectors.weight.grad[1:4].abs().min() > 0
    assert not made.vectors.weight.grad[[PAD, START, END]].any()
